import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RunId } from '../../kernel/base/id.ts';
import { ACME, type House, openHouse, playbook, started } from './kit.ts';

/** A run that goes on from what an ended run before it has done: what is not done again, and what is. */
let house: House;
beforeEach(async () => {
  house = await openHouse();
});
afterEach(() => house.close());

const at = '/v1/orgs/acme';
const read = async (run: string, wait = '') =>
  (await house.ask('operator@acme', 'GET', `${at}/runs/${run}${wait}`)).data;
const ended = (run: string) => read(run, '?wait=10s');
const again = (run: string, keep: boolean | null = true) =>
  house.ask('operator@acme', 'POST', `${at}/runs/${run}/again`, {
    body: { reason: 'go on', ...(keep !== null && { keep }) },
  });
const goOn = async (run: string): Promise<string> => {
  const { status, text, data } = await again(run);
  if (status !== 200) throw new Error(text);
  return data.run;
};
const listed = async (query: string): Promise<{ readonly run: string }[]> =>
  (await house.ask('operator@acme', 'GET', `${at}/runs${query}`)).data;
/** Answers what a run asks people, and waits for its end. */
const say = async (run: string, decision: 'approve' | 'reject') => {
  const { approval, subject } = await house.until(async () =>
    (await read(run)).approvals.find(({ state }: { readonly state: string }) => state === 'pending'),
  );
  const body = { decision, rationale: 'as agreed', subject };
  await house.ask('approver@acme', 'POST', `${at}/approvals/${approval}/votes`, { body });
  return ended(run);
};
const records = (kind: string, run: string, step?: string) =>
  house.records().filter((one) => one.kind === kind && one.run === run && (step === undefined || one.step === step));
type Shown = { readonly step: string; readonly state: string; readonly kept: string | null };
const stepsOf = ({ steps }: { readonly steps: readonly Shown[] }) =>
  steps.map(({ step, state, kept }) => `${step} ${state}${kept === null ? '' : ` kept from ${kept}`}`);

const GATE = '  - { id: gate, type: approval, ask: is it so }\n';
const put = (text = 'a', more = '') => `type: notify, uses: probe/place, with: { text: ${text} }${more}`;
const AFTER = '  - { id: tell, type: enrich, uses: probe/look, with: { score: "{{ steps.act.score }}" } }\n';

describe('what was done is kept', () => {
  test('with its output, without an intent, on record; everything else goes its way', async () => {
    await house.activate(playbook('play', put(), GATE + AFTER));
    const old = started(await house.publish('play.seen'));
    expect((await say(old, 'reject')).state).toBe('aborted');
    const run = await goOn(old);
    const done = await say(run, 'approve');
    expect(done).toMatchObject({ state: 'completed', keeps: old, again: { run: old }, partial: false });
    expect(stepsOf(done)).toEqual([`act succeeded kept from ${old}`, 'gate succeeded', 'tell succeeded']);
    expect(done.steps[0]).toMatchObject({ attempts: [], parameters: { text: 'a' }, output: { score: 95 } });
    expect(done.steps[2].parameters).toEqual({ score: 95 });
    expect(records('step.intent', run).map(({ step }) => step)).toEqual(['tell']);
    const picture = (await house.ask('operator@acme', 'GET', `${at}/runs/${run}/graph`)).data;
    expect(picture.nodes.map(({ state }: { readonly state: string }) => state).slice(1, 3)).toEqual([
      'kept',
      'succeeded',
    ]);
    const drawn = async (format: string) =>
      (await house.ask('operator@acme', 'GET', `${at}/runs/${run}/graph?format=${format}`)).text;
    expect(await drawn('mermaid')).toContain('  class n1 kept\n');
    expect(await drawn('svg')).toContain('>kept</text>');
    expect(records('step.kept', run)).toMatchObject([{ step: 'act', ref: old, actor: 'system:engine' }]);
    const { data } = await house.ask('operator@acme', 'GET', `${at}/lifecycle?limit=100`);
    const told = data.filter(({ type }: { readonly type: string }) => type === 'interlock.step.kept');
    expect(told).toMatchObject([{ subject: run, data: { step: 'act', from: old } }]);
  });

  test('of a run that has kept it itself: the first is named', async () => {
    await house.activate(playbook('play', put(), GATE));
    const first = started(await house.publish('play.seen'));
    await say(first, 'reject');
    const second = await goOn(first);
    await say(second, 'reject');
    const third = await say(await goOn(second), 'approve');
    expect(third).toMatchObject({ state: 'completed', keeps: second });
    expect(stepsOf(third)).toEqual([`act succeeded kept from ${first}`, 'gate succeeded']);
  });

  test('of a run before that, where the last never came to it', async () => {
    await house.activate(playbook('play', put(), GATE));
    const first = started(await house.publish('play.seen'));
    await say(first, 'reject');
    await house.activate(
      `${playbook('play', 'type: approval, ask: is it so').replace('id: act', 'id: gate')}  - { id: act, ${put()} }`,
    );
    const second = await goOn(first);
    await say(second, 'reject');
    expect(stepsOf(await read(second))).toEqual(['gate failed', 'act skipped']);
    expect(stepsOf(await say(await goOn(second), 'approve'))).toEqual([
      'gate succeeded',
      `act succeeded kept from ${first}`,
    ]);
  });

  test('nobody is asked to agree to it again', async () => {
    await house.activate(playbook('play', 'type: contain, uses: probe/ban, with: { ip: 203.0.113.9 }', GATE));
    const old = started(await house.publish('play.seen'));
    await house.until(async () => (await read(old)).approvals.length === 1 || undefined);
    const { approval, subject } = (await read(old)).approvals[0];
    const body = { decision: 'approve', rationale: 'yes', subject };
    await house.ask('approver@acme', 'POST', `${at}/approvals/${approval}/votes`, { body });
    await house.until(async () => (await read(old)).approvals.length === 2 || undefined);
    await say(old, 'reject');
    const done = await say(await goOn(old), 'approve');
    expect(stepsOf(done)).toEqual([`act succeeded kept from ${old}`, 'gate succeeded']);
    expect(done.approvals).toHaveLength(1);
  });

  test('what a person has settled, or done by hand, is done', async () => {
    await house.activate(playbook('play', 'type: notify, uses: probe/push', GATE));
    const old = started(await house.publish('play.seen'));
    await house.until(() => records('step.indeterminate', old).length === 1 || undefined);
    const body = { step: 'act', outcome: 'succeeded', note: 'it is there' };
    await house.ask('operator@acme', 'POST', `${at}/runs/${old}/settle`, { body });
    await say(old, 'reject');
    const run = await goOn(old);
    expect(stepsOf(await say(run, 'approve'))).toEqual([`act succeeded kept from ${old}`, 'gate succeeded']);
    expect(records('step.intent', run)).toEqual([]);
  });

  test('over a restart in between', async () => {
    await house.activate(playbook('play', put(), GATE + AFTER));
    const old = started(await house.publish('play.seen'));
    await say(old, 'reject');
    const run = await goOn(old);
    await house.until(async () => (await read(run)).approvals.length > 0 || undefined);
    const before = await read(run);
    await house.close();
    house = await openHouse({ store: house.store });
    expect(await read(run)).toEqual(before);
    const done = await say(run, 'approve');
    expect([done.state, done.steps[2].parameters]).toEqual(['completed', { score: 95 }]);
    expect(records('step.intent', run, 'act')).toEqual([]);
  });
});

describe('what is done again', () => {
  const rows: [string, string, string][] = [
    ['a step with other parameters', put('a'), put('b')],
    ['a step with another action', put('a'), 'type: notify, uses: probe/push, with: { text: a }'],
  ];
  test.each(rows)('%s', async (_, before, after) => {
    await house.activate(playbook('play', before, GATE));
    const old = started(await house.publish('play.seen'));
    await say(old, 'reject');
    await house.activate(playbook('play', after, GATE));
    const run = await goOn(old);
    await house.until(() => records('step.intent', run, 'act').length === 1 || undefined);
    expect((await read(run)).steps[0].kept).toBeNull();
  });

  test('all of it, without the word keep', async () => {
    await house.activate(playbook('play', put(), GATE));
    const old = started(await house.publish('play.seen'));
    await say(old, 'reject');
    const { data } = await again(old, null);
    expect((await say(data.run, 'approve')).keeps).toBeNull();
    expect(records('step.intent', data.run, 'act')).toHaveLength(1);
  });

  test('what was undone', async () => {
    await house.activate(playbook('play', put('a', ', rollback: true'), GATE));
    const old = started(await house.publish('play.seen'));
    const undone = say(old, 'reject');
    await house.until(async () => (await read(old)).state === 'undoing' || undefined);
    house.cells.release();
    expect(stepsOf(await undone)).toEqual(['act rolled_back', 'gate failed']);
    const run = await goOn(old);
    await house.until(async () => (await read(run)).approvals.length > 0 || undefined);
    expect(records('step.intent', run, 'act')).toHaveLength(1);
  });

  test('what a repeat has asked that came to no end', async () => {
    const look = '{ id: ask, type: enrich, uses: probe/look }';
    const push = `{ id: put, ${put()} }`;
    const until = (least: number) =>
      `type: repeat, times: 1, until: { fact: steps.ask, path: /score, operator: greaterThan, value: ${least} }, steps: [${push}, ${look}]`;
    await house.activate(playbook('play', until(99)));
    const old = started(await house.publish('play.seen'));
    expect((await ended(old)).state).toBe('failed');
    await house.activate(playbook('play', until(90)));
    const done = await ended(await goOn(old));
    // What it has changed is changed; only what was answered is asked anew.
    expect([done.state, ...stepsOf(done)]).toEqual([
      'completed',
      'act succeeded',
      `put[0] succeeded kept from ${old}`,
      'ask[0] succeeded',
    ]);
  });
});

describe('runs that are steps', () => {
  const outer = (more = '') =>
    playbook('outer', `type: playbook, uses: inner, with: { host: "{{ inputs.host }}" }${more}`, GATE);

  test('one that completed is kept with its output, and none is started', async () => {
    await house.activate(playbook('inner', put(), 'outputs: { score: "{{ steps.act.score }}" }\n'));
    await house.activate(outer() + AFTER);
    const old = started(await house.publish('outer.seen'));
    await say(old, 'reject');
    const [inner] = await listed('?playbook=inner');
    const done = await say(await goOn(old), 'approve');
    expect(stepsOf(done)).toEqual([`act succeeded kept from ${old}`, 'gate succeeded', 'tell succeeded']);
    expect([done.steps[0].child, done.steps[2].parameters]).toEqual([inner?.run, { score: 95 }]);
    expect(await listed('?playbook=inner')).toHaveLength(1);
  });

  test('one that failed begins anew, and keeps what the old one has done, at any depth', async () => {
    await house.activate(playbook('inner', put(), GATE));
    await house.activate(playbook('middle', 'type: playbook, uses: inner, with: { host: "{{ inputs.host }}" }'));
    await house.activate(outer().replace('uses: inner', 'uses: middle').replace(GATE, ''));
    const old = started(await house.publish('outer.seen'));
    const inner = await house.until(async () => (await listed('?playbook=inner'))[0]?.run);
    await say(inner, 'reject');
    expect((await ended(old)).state).toBe('failed');
    const run = await goOn(old);
    const next = await house.until(async () => (await listed('?playbook=inner')).find((one) => one.run !== inner)?.run);
    const done = await say(next, 'approve');
    expect(done).toMatchObject({ state: 'completed', keeps: inner, again: null });
    expect(stepsOf(done)).toEqual([`act succeeded kept from ${inner}`, 'gate succeeded']);
    expect(records('step.intent', next)).toEqual([]);
    expect((await ended(run)).state).toBe('completed');
  });
});

describe('what is kept stands, whatever becomes of the run', () => {
  test('a run that does not complete is partial, and undoes only what it has done itself', async () => {
    await house.activate(playbook('play', put('a', ', rollback: true')));
    const old = started(await house.publish('play.seen'));
    expect((await ended(old)).state).toBe('completed');
    await house.activate(playbook('play', put('a', ', rollback: true'), GATE));
    const run = await goOn(old);
    const done = await say(run, 'reject');
    expect(done).toMatchObject({ state: 'aborted', partial: true, undone: false, closure: 'needs_review' });
    expect(stepsOf(done)).toEqual([`act succeeded kept from ${old}`, 'gate failed']);
    expect(records('step.rolled_back', run)).toEqual([]);
  });

  test('of runs that read only nothing stands', async () => {
    await house.activate(playbook('play', 'type: enrich, uses: probe/look', GATE));
    const old = started(await house.publish('play.seen'));
    await say(old, 'reject');
    const done = await say(await goOn(old), 'reject');
    expect([done.partial, done.steps[0].kept]).toEqual([false, old]);
  });
});

describe('nothing begins', () => {
  test('from a run that has run again since: another knows what is done', async () => {
    await house.activate(playbook('play', put(), GATE));
    const old = started(await house.publish('play.seen'));
    await say(old, 'reject');
    const last = await goOn(old);
    await say(last, 'reject');
    expect((await again(old)).json.type).toBe('urn:interlock:problem:run-not-last');
    expect((await again(last)).status).toBe(200);
  });

  test('where too many runs keep what one has done', async () => {
    await house.activate(playbook('play', put(), GATE));
    let last = started(await house.publish('play.seen'));
    await say(last, 'reject');
    for (let kept = 0; kept < 16; kept++) {
      last = await goOn(last);
      await house.kernel.control.cancel({ org: ACME, id: 'ann' as never, roles: [] }, last as RunId, 'no');
      await ended(last);
    }
    expect((await again(last)).json.type).toBe('urn:interlock:problem:start-impossible');
    expect((await again(last, false)).status).toBe(200);
  });
});
