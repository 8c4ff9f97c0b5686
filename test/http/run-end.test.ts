import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { within } from '../../kernel/flow/keys.ts';
import { END_FIELDS } from '../../kernel/playbook/lint-end.ts';
import { ACME, CONTAIN, event, type House, openHouse, playbook, started } from './kit.ts';

/** Triggers with `on: run`: what the end of a run starts, who decides in that, and where it ends. */
let house: House;
beforeEach(async () => {
  house = await openHouse();
});
afterEach(() => house.close());

const BREAK = 'type: fail, message: "cannot reach {{ inputs.host }}"';
/** A playbook that answers the end of others. */
const answer = (trigger: string, { name = 'answer', step = 'type: enrich, uses: probe/look', more = '' } = {}) =>
  playbook(name, step, more)
    .replace(/- \{ id: seen.*\}/, `- { id: ended, on: run, ${trigger} }`)
    .replace('inputs: { host: /host }', 'inputs: { run: /run, host: /inputs/host, step: /failure/step }');

const read = async (run: string) =>
  (await house.ask('operator@acme', 'GET', `/v1/orgs/acme/runs/${run}?wait=10s`)).data;
const runsOf = async (name: string): Promise<string[]> =>
  (await house.ask('operator@acme', 'GET', `/v1/orgs/acme/runs?playbook=${name}`)).data.map(
    ({ run }: { readonly run: string }) => run,
  );
const answered = async (name = 'answer', count = 1) =>
  house.until(async () => {
    const runs = await runsOf(name);
    return runs.length >= count ? runs : undefined;
  });
const eventOf = async (id: string) => (await house.ask('operator@acme', 'GET', `/v1/orgs/acme/events/${id}`)).data;
const events = () => house.store.range({ ...within('acme/event'), limit: 99 }).length;
const cancel = (run: string) =>
  house.ask('operator@acme', 'POST', `/v1/orgs/acme/runs/${run}/cancel`, { body: { reason: 'seen' } });
const held = (run: string) =>
  house.until(async () => {
    const { approvals } = (await house.ask('operator@acme', 'GET', `/v1/orgs/acme/runs/${run}`)).data;
    return approvals.find(({ state }: { readonly state: string }) => state === 'pending');
  });
/** What was left over to be told is told: whatever could begin has begun. */
const told = () => house.until(() => house.store.range({ ...within('!end'), limit: 1 }).length === 0 || undefined);

describe('the end of a run', () => {
  test('starts a run that knows what ended, how and where, in the same incident', async () => {
    await house.activate(answer('ends: [failed]'));
    await house.activate(playbook('break', BREAK, 'incident: "INC-{{ inputs.host }}"'));
    const failed = await read(started(await house.publish('break.seen')));
    const [id = ''] = await answered();
    const run = await read(id);
    expect(run).toMatchObject({
      state: 'completed',
      trigger: 'ended',
      requester: 'system:run',
      inputs: { run: failed.run, host: 'h1', step: 'act' },
    });
    expect(run.trace).toBe(failed.trace);
    expect([run.answers, run.answeredBy]).toEqual([failed.run, []]);
    const now = await read(failed.run);
    expect([now.answers, now.answeredBy]).toEqual([null, [id]]);
    const { data } = await house.ask('operator@acme', 'GET', '/v1/orgs/acme/runs?incident=INC-h1');
    expect(data.map(({ run }: { readonly run: string }) => run).sort()).toEqual([failed.run, id].sort());
    expect(await eventOf(run.event)).toMatchObject({
      source: 'interlock:run',
      type: 'interlock.run',
      subject: failed.run,
      triggers: [{ playbook: 'answer', trigger: 'ended', outcome: 'matched', run: id }],
    });
    const accepted = house.records().filter(({ kind, ref }) => kind === 'event.accepted' && ref === run.event);
    expect(accepted).toMatchObject([{ actor: 'system:run' }]);
    expect(accepted[0].seq).toBeGreaterThan(failed.endedSeq);
    const stored = JSON.parse(house.store.get(`acme/event/${run.event}`) ?? '{}').event.data;
    // Lint refuses pointers to anything else.
    expect([...END_FIELDS.keys()]).toEqual(expect.arrayContaining(Object.keys(stored)));
    expect(END_FIELDS.get('failure')).toEqual(Object.keys(stored.failure));
    expect(stored).toMatchObject({
      ...{ run: failed.run, playbook: 'break', trigger: 'seen', event: failed.event, state: 'failed' },
      ...{ partial: false, closure: 'closed', startedAt: failed.startedAt, endedAt: failed.endedAt, chain: ['break'] },
      why: 'step act failed (conflict): cannot reach h1',
      failure: { step: 'act', class: 'conflict', message: 'cannot reach h1' },
      inputs: { host: 'h1' },
    });
  });

  test.each([
    ['failed', 'ends: [failed]', 1],
    ['failed', 'ends: [completed, cancelled, aborted, timed_out]', 0],
    ['completed', 'ends: [completed]', 1],
    ['completed', 'ends: [failed, aborted]', 0],
    ['cancelled', 'ends: [cancelled]', 1],
    ['timed_out', 'ends: [failed, timed_out]', 1],
    ['failed', 'ends: [failed], where: { fact: event, path: /reason, operator: equal, value: x }', 0],
    ['failed', 'ends: [failed], where: { fact: event, path: /failure/class, operator: equal, value: conflict }', 1],
    ['failed', 'ends: [failed], requires: [/incident]', 0],
  ])('as %s, with %s, starts %i', async (state, trigger, count) => {
    await house.activate(answer(trigger));
    const steps: Readonly<Record<string, string>> = { failed: BREAK, completed: 'type: enrich, uses: probe/look' };
    const wait = 'type: wait, for: 1h';
    await house.activate(playbook('broken', steps[state] ?? wait, state === 'timed_out' ? 'timeout: 1s' : ''));
    const run = started(await house.publish('broken.seen'));
    if (state === 'cancelled') await cancel(run);
    expect((await read(run)).state).toBe(state);
    await told();
    expect(await runsOf('answer')).toHaveLength(count);
  });

  test('is no event where no trigger is for it', async () => {
    await house.activate(answer('ends: [failed]'));
    await house.activate(playbook('look'));
    await read(started(await house.publish('look.seen')));
    await told();
    expect(events()).toBe(1);
  });

  test('is asked about by no other trigger, and its triggers ask about no event', async () => {
    await house.activate(answer('ends: [failed]'));
    const greedy = '- { id: all, on: event, where: { fact: event, path: /state, operator: equal, value: failed } }';
    await house.activate(
      playbook('break', BREAK).replace('steps:', 'steps:').replace('inputs:', `  ${greedy}\ninputs:`),
    );
    const receipt = await house.publish('break.seen');
    expect(receipt.triggers.map(({ trigger }: { readonly trigger: string }) => trigger)).toEqual(['seen', 'all']);
    expect(receipt.counts).toMatchObject({ judged: 2, ruledOut: 0 });
    const [id = ''] = await answered();
    const { triggers } = await eventOf((await read(id)).event);
    expect(triggers.map(({ trigger }: { readonly trigger: string }) => trigger)).toEqual(['ended']);
    expect(await runsOf('break')).toHaveLength(1);
  });

  test('of a run that is a step of another is told to that one alone', async () => {
    await house.activate(answer('ends: [failed, completed]'));
    await house.activate(playbook('break', BREAK));
    await house.activate(playbook('outer', 'type: playbook, uses: break, with: { host: h2 }, onFailure: continue'));
    const outer = started(await house.publish('outer.seen'));
    expect((await read(outer)).state).toBe('completed');
    await answered();
    await told();
    const runs = await Promise.all((await runsOf('answer')).map(read));
    expect(runs.map(({ inputs }) => inputs.run)).toEqual([outer]);
  });

  test('nobody can pretend', async () => {
    await house.activate(answer('ends: [failed]'));
    for (const source of ['interlock:run', 'INTERLOCK:run']) {
      const body = { ...event('interlock.run', 'run_1', { state: 'failed' }), source };
      const type = 'application/cloudevents+json';
      const reply = await house.ask('source@acme', 'POST', '/v1/orgs/acme/events', { body, type });
      expect([reply.status, reply.json.type]).toEqual([422, 'urn:interlock:problem:invalid-event']);
    }
    const reply = await house.publish('interlock.run');
    expect(reply.triggers).toEqual([]);
  });
});

describe('what it starts', () => {
  test('gives no vote to whoever sent the event of the run that ended', async () => {
    await house.activate(answer('ends: [failed]', { step: CONTAIN }));
    await house.activate(playbook('break', BREAK));
    await house.tokenOf(ACME, 'sender@acme', ['source', 'approver']);
    const body = event('break.seen');
    await house.ask('sender@acme', 'POST', '/v1/orgs/acme/events', { body, type: 'application/cloudevents+json' });
    const [run = ''] = await answered();
    const { approval, subject } = await held(run);
    const vote = (as: string) =>
      house.ask(as, 'POST', `/v1/orgs/acme/approvals/${approval}/votes`, {
        body: { decision: 'approve', rationale: 'yes', subject },
      });
    expect((await vote('sender@acme')).json.type).toBe('urn:interlock:problem:vote-by-requester');
    expect((await vote('approver@acme')).data.state).toBe('approved');
  });

  test('is named by the run that ended, also while it waits for its turn; what it starts in turn answers nothing', async () => {
    await house.activate(playbook('inner', 'type: wait, for: 1h'));
    const dedup = 'dedup: { key: [/playbook], window: 1h, repeat: queue }';
    const step = 'type: playbook, uses: inner, with: { host: "{{ inputs.host }}" }';
    await house.activate(answer(`ends: [failed], ${dedup}`, { step }));
    await house.activate(playbook('break', BREAK));
    const ended: string[] = [];
    for (const id of ['first', 'second']) {
      const { run } = await read(started(await house.publish('break.seen', ACME, id)));
      ended.push(run);
      await answered('answer', ended.length);
    }
    const [second = '', first = ''] = await runsOf('answer');
    const shown = async (run: string) => (await house.ask('operator@acme', 'GET', `/v1/orgs/acme/runs/${run}`)).data;
    const [one, two] = [await shown(first), await shown(second)];
    expect([one.answers, two.answers, two.state]).toEqual([...ended, 'pending']);
    for (const [at, run] of [first, second].entries()) expect((await shown(ended[at] ?? '')).answeredBy).toEqual([run]);
    const inner = await house.until(async () => (await runsOf('inner'))[0]);
    expect(await shown(inner)).toMatchObject({ event: one.event, parent: { run: first }, answers: null });
  });

  test('answers the end that started it, not those that it takes in after', async () => {
    await house.activate(answer('ends: [failed], dedup: { key: [/playbook], window: 1h, repeat: drop }'));
    await house.activate(playbook('break', BREAK));
    const ended: string[] = [];
    for (const id of ['first', 'second']) {
      ended.push((await read(started(await house.publish('break.seen', ACME, id)))).run);
      await answered();
    }
    const taken = () => house.records().filter(({ kind }) => kind === 'event.accepted');
    await house.until(() => taken().length === 4 || undefined);
    await told();
    const [id = ''] = await runsOf('answer');
    const runs = await Promise.all(ended.map(read));
    expect(runs.map(({ answeredBy }) => answeredBy)).toEqual([[id], []]);
    expect((await read(id)).answers).toBe(ended[0]);
  });

  test('is held back by its limits, as what any event starts', async () => {
    await house.activate(answer('ends: [failed], limits: { rate: 1/h }'));
    await house.activate(playbook('break', BREAK));
    for (const id of ['first', 'second']) await read(started(await house.publish('break.seen', ACME, id)));
    const [id = ''] = await answered();
    await told();
    expect(await runsOf('answer')).toHaveLength(1);
    expect(house.records().filter(({ kind }) => kind === 'trigger.suppressed')).toMatchObject([{ outcome: 'rate' }]);
    const ends = await Promise.all((await runsOf('break')).map(read));
    expect(ends.map(({ answeredBy }) => answeredBy).sort()).toEqual([[], [id]]);
  });

  test('is no answer to a run that one of its own has led to', async () => {
    for (const name of ['ping', 'pong'])
      await house.activate(answer('ends: [failed]', { name, step: 'type: fail, message: again' }));
    await house.activate(playbook('break', BREAK));
    await read(started(await house.publish('break.seen')));
    await answered('ping', 2);
    await answered('pong', 2);
    await told();
    // The first run has two answers, and each of them has the other.
    expect([await runsOf('ping'), await runsOf('pong')].map(({ length }) => length)).toEqual([2, 2]);
  });

  test('ends after four in a row', async () => {
    const names = ['one', 'two', 'three', 'four'];
    for (const [index, name] of names.entries()) {
      const before = ['break', ...names][index];
      const of = `where: { fact: event, path: /playbook, operator: equal, value: ${before} }`;
      await house.activate(answer(`ends: [failed], ${of}`, { name, step: 'type: fail, message: again' }));
    }
    await house.activate(playbook('break', BREAK));
    await read(started(await house.publish('break.seen')));
    await house.until(() => house.records().find(({ outcome }) => outcome === 'chain'));
    await told();
    const runs = await Promise.all(names.map((name) => runsOf(name)));
    expect(runs.map(({ length }) => length)).toEqual([1, 1, 1, 0]);
    expect(house.records().filter(({ outcome }) => outcome === 'chain')).toMatchObject([{ ref: 'four/ended' }]);
  });

  test.each<[string, (run: string) => Promise<unknown>]>([
    [
      'who cancelled',
      (run) => house.ask('mallory@acme', 'POST', `/v1/orgs/acme/runs/${run}/cancel`, { body: { reason: 'x' } }),
    ],
    [
      'who said no',
      async (run) => {
        const { approval, subject } = await held(run);
        const body = { decision: 'reject', rationale: 'no', subject };
        await house.ask('mallory@acme', 'POST', `/v1/orgs/acme/approvals/${approval}/votes`, { body });
      },
    ],
  ])('gives no vote to %s', async (_, end) => {
    await house.tokenOf(ACME, 'mallory@acme', ['operator', 'approver']);
    await house.activate(answer('ends: [cancelled, aborted]', { step: CONTAIN }));
    await house.activate(playbook('contain', CONTAIN));
    const first = started(await house.publish('contain.seen'));
    await held(first);
    await end(first);
    const [run = ''] = await answered();
    const { approval, subject } = await held(run);
    const body = { decision: 'approve', rationale: 'yes', subject };
    const vote = await house.ask('mallory@acme', 'POST', `/v1/orgs/acme/approvals/${approval}/votes`, { body });
    expect(vote.json.type).toBe('urn:interlock:problem:vote-by-requester');
  });

  test('is told of inputs as large as they may be: what would not fit is null', async () => {
    await house.activate(answer('ends: [failed]'));
    await house.activate(playbook('break', BREAK));
    const host = 'x'.repeat(65_500);
    const reply = await house.ask('source@acme', 'POST', '/v1/orgs/acme/events', {
      body: event('break.seen', 'large', { host }),
      type: 'application/cloudevents+json',
    });
    const failed = started(reply.data.events[0]);
    const [run = ''] = await answered();
    expect((await read(run)).inputs).toMatchObject({ run: failed, host: null });
  });

  test('is nothing while the org is stopped, and that is on record', async () => {
    await house.activate(answer('ends: [cancelled]'));
    await house.activate(playbook('wait', 'type: wait, for: 1h'));
    const run = started(await house.publish('wait.seen'));
    await house.ask('operator@acme', 'POST', '/v1/orgs/acme/stop', { body: { reason: 'drill' } });
    await cancel(run);
    await house.until(() => house.records().find(({ kind }) => kind === 'trigger.suppressed'));
    expect(await runsOf('answer')).toEqual([]);
  });

  test('begins once, also when the kernel ends before it could', async () => {
    await house.activate(answer('ends: [cancelled]'));
    await house.activate(playbook('wait', 'type: wait, for: 1h'));
    const run = started(await house.publish('wait.seen'));
    // Both are on their way at once: whatever the sweep has told is told, and the rest is told by the next kernel.
    await Promise.all([cancel(run), house.kernel.stop()]).catch(() => undefined);
    await house.close();
    house = await openHouse({ store: house.store });
    await cancel(run);
    await answered();
    await told();
    expect(await runsOf('answer')).toHaveLength(1);
  });

  test('is known before it is in force: a changed text is put through the ends that came', async () => {
    await house.activate(answer('ends: [failed]'));
    await house.activate(playbook('break', BREAK));
    for (const id of ['first', 'second']) await read(started(await house.publish('break.seen', ACME, id)));
    await answered('answer', 2);
    const replay = (trigger: string) =>
      house.ask('operator@acme', 'POST', '/v1/orgs/acme/triggers/replay', { body: answer(trigger), type: 'text/yaml' });
    const none = { runs: 0, absorbed: 0, suppressed: 0 };
    const was = { trigger: 'ended', recorded: { ...none, runs: 2 } };
    const same = await replay('ends: [failed, aborted]');
    // Two events and two ends; those of the answers themselves were for nobody.
    expect(same.data).toMatchObject({ events: 4, triggers: [{ ...was, changed: { ...none, runs: 2 }, same: 2 }] });
    const other = await replay('ends: [aborted]');
    expect(other.data.triggers).toMatchObject([{ ...was, changed: none, lost: 2 }]);
    const slower = await replay('ends: [failed], limits: { rate: 1/h }');
    expect(slower.data.triggers).toMatchObject([{ ...was, changed: { ...none, runs: 1, suppressed: 1 }, lost: 1 }]);
  });

  test('can be run again by a person', async () => {
    await house.activate(answer('ends: [failed]', { step: 'type: fail, message: again' }));
    await house.activate(playbook('break', BREAK));
    await read(started(await house.publish('break.seen')));
    const [old = ''] = await answered();
    await read(old);
    const body = { reason: 'once more' };
    const reply = await house.ask('operator@acme', 'POST', `/v1/orgs/acme/runs/${old}/again`, { body });
    expect(reply.data.again).toMatchObject({ run: old });
    const next = await read(reply.data.run);
    expect(next).toMatchObject({ trigger: 'ended', inputs: { host: 'h1' } });
    // What was asked for after is behind the first answer, by ranAgainAs.
    expect([next.answers, (await read(next.answers)).answeredBy]).toEqual([(await read(old)).inputs.run, [old]]);
  });
});
