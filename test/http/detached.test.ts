import { afterEach, beforeEach, expect, test } from 'vitest';
import { openMemoryStore } from '../../kernel/adapter/memory/store.ts';
import { within } from '../../kernel/flow/keys.ts';
import { ACME, event, type House, openHouse, playbook, started } from './kit.ts';

/** A step that starts a run of another playbook and does not wait for it: what that run keeps, and what is its own. */
let house: House;
beforeEach(async () => {
  house = await openHouse();
});
afterEach(() => house.close());

const at = '/v1/orgs/acme';
const read = async (run: string, wait = '') =>
  (await house.ask('operator@acme', 'GET', `${at}/runs/${run}${wait}`)).data;
const ended = (run: string) => read(run, '?wait=10s');
const listed = async (query: string): Promise<{ readonly run: string; readonly state: string }[]> =>
  (await house.ask('operator@acme', 'GET', `${at}/runs${query}`)).data;
const post = (path: string, body: object, as = 'operator@acme') =>
  house.ask(as, 'POST', `${at}/${path}`, { body: { reason: 'seen', ...body } });
const inner = () => house.until(async () => (await listed('?playbook=inner'))[0]?.run);
const inState = (run: string, state: string) =>
  house.until(async () => ((await read(run)).state === state ? true : undefined));
const kindOf = ({ json, status }: Awaited<ReturnType<typeof post>>) =>
  status < 300 ? 'fine' : json.type.replace('urn:interlock:problem:', '');
const told = () => house.until(() => house.store.range({ ...within('!end'), limit: 1 }).length === 0 || undefined);
const vote = async (run: string, as: string) => {
  const { approval, subject } = await house.until(async () => (await read(run)).approvals[0]);
  return house.ask(as, 'POST', `${at}/approvals/${approval}/votes`, {
    body: { decision: 'approve', rationale: 'as agreed', subject },
  });
};

const GATE = 'type: approval, ask: is it so';
const LATER = '  - { id: later, type: wait, for: 1h }\n';
const LEAVE = 'type: playbook, uses: inner, detached: true, with: { host: "{{ inputs.host }}" }';
const open = async (more = LATER, steps = GATE, innerMore = '') => {
  await house.activate(playbook('inner', steps, innerMore));
  await house.activate(playbook('outer', LEAVE, more));
  return started(await house.publish('outer.seen'));
};

test('the step has succeeded once its run is there, and each names the other', async () => {
  const tell = '  - { id: tell, type: enrich, uses: probe/look, with: { run: "{{ steps.act.run }}" } }\n';
  const outer = await ended(await open(tell));
  const run = await inner();
  expect(outer).toMatchObject({ state: 'completed', parent: null, startedBy: null });
  expect(outer.steps[0]).toMatchObject({ state: 'succeeded', output: { run }, child: run });
  expect(outer.steps[1].parameters).toEqual({ run });
  const child = await read(run);
  expect(child).toMatchObject({ state: 'waiting', parent: null, startedBy: { run: outer.run, step: 'act' } });
  const { event, requester, trace, inputs } = outer;
  expect(child).toMatchObject({ event, requester, trace, inputs });
  expect(child.pins.playbook).toBe(outer.pins.playbooks.inner);
  expect((await listed('')).map((one) => one.run).sort()).toEqual([outer.run, run].sort());
});

test('whoever caused the one does not approve in the other', async () => {
  await house.activate(playbook('inner', GATE));
  await house.activate(playbook('outer', LEAVE));
  await house.tokenOf(ACME, 'sender@acme', ['source', 'approver']);
  const body = event('outer.seen');
  await house.ask('sender@acme', 'POST', `${at}/events`, { body, type: 'application/cloudevents+json' });
  const run = await inner();
  expect(kindOf(await vote(run, 'sender@acme'))).toBe('vote-by-requester');
  expect(kindOf(await vote(run, 'approver@acme'))).toBe('fine');
  expect((await ended(run)).state).toBe('completed');
});

test('nor does whoever told the one anything before', async () => {
  await house.activate(playbook('inner', GATE));
  const word = 'type: wait, event: { match: { /host: "{{ inputs.host }}" } }';
  await house.activate(playbook('outer', word, `  - { id: leave, ${LEAVE} }\n`));
  const outer = started(await house.publish('outer.seen'));
  await inState(outer, 'waiting');
  await house.tokenOf(ACME, 'sender@acme', ['source', 'approver']);
  const body = event('word');
  await house.ask('sender@acme', 'POST', `${at}/events`, { body, type: 'application/cloudevents+json' });
  const run = await inner();
  expect(kindOf(await vote(run, 'sender@acme'))).toBe('vote-by-requester');
  expect(kindOf(await vote(run, 'approver@acme'))).toBe('fine');
});

test('it goes on when the run that started it is cancelled, also over a restart', async () => {
  const outer = await open();
  const run = await inner();
  await inState(outer, 'waiting');
  expect(kindOf(await post(`runs/${outer}/cancel`, {}))).toBe('fine');
  expect((await ended(outer)).state).toBe('cancelled');
  await house.close();
  house = await openHouse({ store: house.store });
  expect((await read(run)).state).toBe('waiting');
  expect(kindOf(await vote(run, 'approver@acme'))).toBe('fine');
  expect((await ended(run)).state).toBe('completed');
});

test('it has the time that its own playbook gives it', async () => {
  const outer = await open(`${LATER}timeout: 1s\n`, GATE, 'timeout: 2h\n');
  const run = await inner();
  expect((await ended(outer)).state).toBe('timed_out');
  const { state, startedAt, deadlineAt } = await read(run);
  expect([state, Date.parse(deadlineAt) - Date.parse(startedAt)]).toEqual(['waiting', 7_200_000]);
});

test('what it has done is not undone with the run that started it', async () => {
  await house.activate(playbook('inner', 'type: notify, uses: probe/place, rollback: true'));
  await house.activate(playbook('outer', LEAVE, LATER));
  const outer = started(await house.publish('outer.seen'));
  const run = await inner();
  expect((await ended(run)).state).toBe('completed');
  await inState(outer, 'waiting');
  await post(`runs/${outer}/cancel`, {});
  expect((await ended(outer)).state).toBe('cancelled');
  expect((await read(run)).steps[0].state).toBe('succeeded');
});

test('a pause of the run that started it does not hold it, and keeps the step from starting one', async () => {
  const outer = await open('', GATE, '  - { id: look, type: enrich, uses: probe/look }\n');
  await ended(outer);
  await house.activate(playbook('outer', GATE, `  - { id: leave, ${LEAVE} }\n${LATER}`));
  const next = started(await house.publish('outer.seen'));
  await inState(next, 'waiting');
  await post(`runs/${next}/pause`, {});
  await vote(next, 'approver@acme');
  await house.until(async () => ((await read(next)).steps[1].waitsFor === 'release' ? true : undefined));
  expect(await listed('?playbook=inner')).toHaveLength(1);
  expect(kindOf(await house.ask('operator@acme', 'POST', `${at}/runs/${next}/resume`, { body: {} }))).toBe('fine');
  await house.until(async () => ((await listed('?playbook=inner')).length === 2 ? true : undefined));
  await house.until(async () => ((await read(next)).steps[1].state === 'succeeded' ? true : undefined));
  await post(`runs/${next}/pause`, {});
  const run = (await read(next)).steps[1].child;
  await vote(run, 'approver@acme');
  expect((await ended(run)).state).toBe('completed');
});

test('a stop keeps the step from starting one until it is over', async () => {
  await house.activate(playbook('inner'));
  await house.activate(playbook('outer', GATE, `  - { id: leave, ${LEAVE} }\n`));
  const outer = started(await house.publish('outer.seen'));
  await inState(outer, 'waiting');
  const by = { org: ACME, id: 'operator@acme', roles: ['operator'] } as never;
  await house.kernel.stops.engage(by, 'seen');
  await vote(outer, 'approver@acme');
  await house.until(async () => ((await read(outer)).steps[1].waitsFor === 'release' ? true : undefined));
  expect(await listed('?playbook=inner')).toEqual([]);
  await house.kernel.stops.release(by);
  expect((await ended(outer)).state).toBe('completed');
  expect((await ended(await inner())).state).toBe('completed');
});

test('its end is one that triggers may be for', async () => {
  const answer = playbook('answer').replace(/- \{ id: seen.*\}/, '- { id: ended, on: run, ends: [failed] }');
  await house.activate(answer.replace('inputs: { host: /host }', 'inputs: { run: /run }'));
  const outer = await open('', 'type: fail, message: no');
  expect((await ended(outer)).state).toBe('completed');
  await told();
  const answers = await house.until(async () => {
    const found = await listed('?playbook=answer');
    return found.length > 0 ? found : undefined;
  });
  const about = await Promise.all(answers.map(async ({ run }) => (await read(run)).inputs.run));
  expect(about).toEqual([await inner()]);
});

test('it cannot be run again, and while it goes on neither can the run that started it', async () => {
  const outer = await open('  - { id: no, type: fail, message: no }\n');
  expect((await ended(outer)).state).toBe('failed');
  const run = await inner();
  for (const keep of [true, false]) expect(kindOf(await post(`runs/${outer}/again`, { keep }))).toBe('run-not-ended');
  await vote(run, 'approver@acme');
  await ended(run);
  expect(kindOf(await post(`runs/${run}/again`, {}))).toBe('sub-run');
  const kept = (await post(`runs/${outer}/again`, { keep: true })).data.run;
  expect((await ended(kept)).steps[0]).toMatchObject({ state: 'succeeded', kept: outer, child: run, output: { run } });
  expect(await listed('?playbook=inner')).toHaveLength(1);
  await ended((await post(`runs/${kept}/again`, { keep: false })).data.run);
  expect(await listed('?playbook=inner')).toHaveLength(2);
});

test('a kernel that ends at any moment in between: one run, and the step goes on', async () => {
  const record = openMemoryStore();
  const all = () => record.range({ from: '', to: '~', limit: 10_000 });
  const moments: ReturnType<typeof all>[] = [];
  const write: typeof record.write = async (batch) => {
    await record.write(batch);
    moments.push(all());
  };
  await house.close();
  house = await openHouse({ store: { ...record, write } });
  const outer = await open('');
  await ended(outer);
  const run = (await read(outer)).steps[0].child;
  const between = moments.filter((rows) => {
    const ofOuter = rows.find(({ key }) => key === `acme/run/${outer}`)?.value;
    return ofOuter !== undefined && JSON.parse(ofOuter).state === 'running';
  });
  const hasBegun = between.map((rows) => rows.some(({ key }) => key === `acme/run/${run}`));
  expect([hasBegun[0], hasBegun.at(-1)]).toEqual([false, true]);
  for (const rows of between) {
    await house.close();
    const store = openMemoryStore();
    await store.write(rows);
    house = await openHouse({ store });
    expect((await ended(outer)).steps[0]).toMatchObject({ state: 'succeeded', output: { run } });
    expect(await listed('?playbook=inner')).toMatchObject([{ run, state: 'waiting' }]);
  }
});
