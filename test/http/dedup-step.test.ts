import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ACME, event, GLOBEX, type House, openHouse, playbook, started } from './kit.ts';

/** A step with `dedup`: what it does once, over runs, items and restarts, and when it does it again. */
let house: House;
beforeEach(async () => {
  house = await openHouse();
});
afterEach(() => house.close());

const at = '/v1/orgs/acme';
const read = async (run: string, wait = '') =>
  (await house.ask('operator@acme', 'GET', `${at}/runs/${run}${wait}`)).data;
const ended = (run: string) => read(run, '?wait=10s');
const cancel = (run: string) =>
  house.ask('operator@acme', 'POST', `${at}/runs/${run}/cancel`, { body: { reason: 'seen' } });
const pendingOf = (run: string) =>
  house.until(async () =>
    (await read(run)).approvals.find(({ state }: { readonly state: string }) => state === 'pending'),
  );
const decide = async (run: string, decision: 'approve' | 'reject', { isAwaited = true } = {}) => {
  const { approval, subject } = await pendingOf(run);
  const body = { decision, rationale: 'as agreed', subject };
  await house.ask('approver@acme', 'POST', `${at}/approvals/${approval}/votes`, { body });
  return isAwaited ? ended(run) : undefined;
};
const ONCE = 'dedup: { key: ["{{ inputs.host }}"], window: 1h }';
const put = (more = '') => `type: notify, uses: probe/place, with: { text: a }, ${ONCE}${more}`;
const hold = `type: contain, uses: probe/ban, with: { ip: 1.2.3.4 }, tier: high, ${ONCE}`;
const send = async (name: string, host = 'h1') => {
  const reply = await house.ask('source@acme', 'POST', `${at}/events`, {
    body: event(`${name}.seen`, crypto.randomUUID(), { host }),
    type: 'application/cloudevents+json',
  });
  return started(reply.data.events[0]);
};
const intents = () => house.records().filter(({ kind }) => kind === 'step.intent');
const stepOf = async (run: string) => (await read(run)).steps[0];
const until = (run: string, what: string) =>
  house.until(async () => {
    const { state, steps } = await read(run);
    return [state, steps[0].state, steps[0].waitsFor].includes(what) || undefined;
  });

describe('what is done once', () => {
  test('is done by the first run; the next have its output and say whose it is, also after a restart', async () => {
    await house.activate(playbook('tell', put(), 'outputs: { score: "{{ steps.act.score }}" }'));
    const first = await ended(await send('tell'));
    const second = await ended(await send('tell'));
    await house.close();
    house = await openHouse({ store: house.store });
    const third = await ended(await send('tell'));
    const other = await ended(await send('tell', 'h2'));
    expect(intents().map(({ run }) => run)).toEqual([first.run, other.run]);
    for (const run of [second, third]) {
      expect(run).toMatchObject({ state: 'completed', partial: false, closure: 'closed', output: first.output });
      expect(run.steps).toMatchObject([{ state: 'succeeded', kept: first.run, attempts: [] }]);
      expect(house.records().filter((one) => one.run === run.run && one.kind.startsWith('step.'))).toMatchObject([
        { kind: 'step.kept', ref: first.run },
      ]);
    }
  });

  test('is waited for while another run is about to do it, and done when that comes to nothing', async () => {
    await house.activate(playbook('hold', hold));
    const first = await send('hold');
    await until(first, 'held');
    const second = await send('hold');
    await until(second, 'claim');
    expect(await stepOf(second)).toMatchObject({ state: 'ready', behind: first, retryAt: expect.any(String) });
    expect((await stepOf(first)).behind).toBeNull();
    await cancel(first);
    await until(second, 'held');
    expect((await read(second)).approvals).toMatchObject([{ state: 'pending' }]);
    await cancel(second);
  });

  test('of two events in one moment is done once', async () => {
    await house.activate(playbook('tell', put()));
    const runs = await Promise.all([send('tell'), send('tell'), send('tell'), send('tell')]);
    expect((await Promise.all(runs.map(ended))).map(({ state }) => state)).toEqual(runs.map(() => 'completed'));
    expect(intents()).toHaveLength(1);
  });

  test('by two triggers of one event is done once', async () => {
    const twice = (name: string) =>
      playbook(name, put()).replace(
        /(\s+- \{ id: )seen(.*\})/,
        `$1seen$2$1too, on: event, where: { fact: envelope, path: /type, operator: equal, value: ${name}.seen } }`,
      );
    await house.activate(twice('tell'));
    const { triggers } = await house.publish('tell.seen');
    const runs: string[] = triggers.map(({ run }: { readonly run: string }) => run);
    expect(runs).toHaveLength(2);
    await Promise.all(runs.map(ended));
    expect(intents()).toHaveLength(1);
  });

  test('is another thing in another org, playbook and step', async () => {
    for (const name of ['tell', 'say']) await house.activate(playbook(name, put()));
    for (const name of ['tell', 'say', 'tell']) await ended(await send(name));
    expect(intents()).toHaveLength(2);
    await house.activate(playbook('tell', put()), GLOBEX);
    const run = started(await house.publish('tell.seen', GLOBEX));
    const shown = await house.ask('operator@globex', 'GET', `/v1/orgs/globex/runs/${run}?wait=10s`);
    expect(shown.data.steps).toMatchObject([{ kept: null, attempts: [{ end: 'succeeded' }] }]);
  });

  test('is done again once a person has said that it did not happen', async () => {
    await house.activate(playbook('push', `type: notify, uses: probe/push, with: {}, ${ONCE}`));
    const lost = await send('push');
    await until(lost, 'indeterminate');
    const next = await send('push');
    await until(next, 'claim');
    const settle = { step: 'act', outcome: 'failed', note: 'looked there' };
    await house.ask('operator@acme', 'POST', `${at}/runs/${lost}/settle`, { body: settle });
    await until(next, 'indeterminate');
    expect(intents().map(({ run }) => run)).toEqual([lost, next]);
  });

  test('and was undone since is done again by whoever goes on from a run that had kept it', async () => {
    const gate = '  - { id: gate, type: approval, ask: is it so }\n';
    await house.activate(playbook('play', put(', rollback: true'), gate));
    const first = await send('play');
    await pendingOf(first);
    const second = await send('play');
    await decide(first, 'reject', { isAwaited: false });
    await until(first, 'undoing');
    house.cells.release();
    await ended(first);
    await decide(second, 'reject');
    const body = { reason: 'it is wanted after all', keep: true };
    const third = (await house.ask('operator@acme', 'POST', `${at}/runs/${second}/again`, { body })).data.run;
    await pendingOf(third);
    expect(await stepOf(second)).toMatchObject({ kept: first });
    expect(await stepOf(third)).toMatchObject({ state: 'succeeded', kept: null, attempts: [{ end: 'succeeded' }] });
  });

  test('brings the sender of what was done: they have no vote in what stands on it', async () => {
    await house.tokenOf(ACME, 'sender@acme', ['source', 'approver']);
    const gate = '  - { id: gate, type: approval, ask: is it so }\n';
    await house.activate(playbook('play', put(), gate));
    const reply = await house.ask('sender@acme', 'POST', `${at}/events`, {
      body: event('play.seen'),
      type: 'application/cloudevents+json',
    });
    await pendingOf(started(reply.data.events[0]));
    const second = await send('play');
    const { approval, subject } = await pendingOf(second);
    const vote = await house.ask('sender@acme', 'POST', `${at}/approvals/${approval}/votes`, {
      body: { decision: 'approve', rationale: 'mine', subject },
    });
    expect(vote.json.type).toBe('urn:interlock:problem:vote-by-requester');
  });
});
