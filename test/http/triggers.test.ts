import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ACME, event, type House, openHouse, started } from './kit.ts';

/** Triggers through the front door: what they said, how they stand, and how a person stops one. */
let house: House;
beforeAll(async () => {
  house = await openHouse();
  await house.activate(playbookOf('noisy', 'dedup: { key: [/host], window: 1h, repeat: coalesce }'));
  await house.activate(playbookOf('paced', 'limits: { rate: 1/h }'));
  await house.activate(`
apiVersion: interlock/v1
kind: Playbook
name: timed
title: timed
owners: { technical: a, operational: b }
triggers: [{ id: morning, on: schedule, cron: "0 6 * * 1-5", zone: Europe/Vienna, missed: once, jitter: 30s }]
steps: [{ id: act, type: enrich, uses: probe/look }]
`);
});
afterAll(() => house.close());

const playbookOf = (name: string, more: string) => `
apiVersion: interlock/v1
kind: Playbook
name: ${name}
title: ${name}
owners: { technical: a, operational: b }
triggers:
  - { id: seen, on: event, where: { fact: envelope, path: /type, operator: equal, value: ${name}.seen }, ${more} }
steps: [{ id: act, type: enrich, uses: probe/look }]
`;
const TRIGGERS = '/v1/orgs/acme/triggers';
const read = (path: string) => house.ask('author@acme', 'GET', path);
// biome-ignore lint/suspicious/noExplicitAny: answers of every shape.
const of = (receipt: any, playbook: string) => receipt.triggers.find((one: any) => one.playbook === playbook);
const told = (prefix: string) =>
  house
    .records(ACME)
    .filter(({ kind }) => kind.startsWith(prefix))
    .map(({ kind, ref, outcome, actor }) => `${kind} ${ref} ${outcome ?? ''} ${actor}`);

test('what a run has taken in is shown on it', async () => {
  const first = await house.publish('noisy.seen');
  const run = started(first);
  expect((await read(`/v1/orgs/acme/runs/${run}`)).data.absorbed).toBeNull();
  await house.publish('noisy.seen');
  const last = await house.publish('noisy.seen');
  expect(of(last, 'noisy')).toMatchObject({ outcome: 'absorbed', run, reason: null });
  const { absorbed } = (await read(`/v1/orgs/acme/runs/${run}`)).data;
  expect(absorbed).toMatchObject({ events: 2, last: last.event });
});

test('a match that is held back says why, in the answer and for good', async () => {
  await house.publish('paced.seen');
  const held = await house.publish('paced.seen');
  expect(of(held, 'paced')).toMatchObject({ outcome: 'suppressed', reason: 'rate', run: null, runState: null });
  expect(Date.parse(of(held, 'paced').until)).toBeGreaterThan(Date.now());
  const kept = (await read(`/v1/orgs/acme/events/${held.event}`)).data;
  expect(of(kept, 'paced')).toEqual(of(held, 'paced'));
  expect(told('trigger.suppressed')).toEqual(['trigger.suppressed paced/seen rate system:trigger']);
});

test('the list has every trigger, in pages', async () => {
  const due = await house.until(async () => {
    const { data } = await read(`${TRIGGERS}?limit=9`);
    return data.find((one: { next: string | null }) => one.next !== null);
  });
  expect(due).toMatchObject({ playbook: 'timed', trigger: 'morning', on: 'schedule', last: null });
  expect(new Date(due.next).getTime()).toBeGreaterThan(Date.now());
  const names: string[] = [];
  for (let cursor = ''; ; ) {
    const { json } = await read(`${TRIGGERS}?limit=2${cursor}`);
    names.push(...json.data.map((one: { playbook: string; trigger: string }) => `${one.playbook}/${one.trigger}`));
    if (json.page.next === null) break;
    cursor = `&cursor=${json.page.next}`;
  }
  expect(names).toEqual(['noisy/seen', 'paced/seen', 'timed/morning']);
  expect((await house.ask('author@globex', 'GET', '/v1/orgs/globex/triggers')).data).toEqual([]);
});

test('the noisiest comes first', async () => {
  const { data } = await read(`${TRIGGERS}/noisy`);
  expect(data).toMatchObject([
    { playbook: 'noisy', matched: 3, started: 1, absorbed: 2, inVain: 2 / 3 },
    { playbook: 'paced', matched: 2, started: 1, suppressed: { rate: 1, burst: 0 }, inVain: 1 / 2 },
  ]);
  expect((await read(`${TRIGGERS}/noisy?limit=1`)).data).toHaveLength(1);
});

describe('runs that wait', () => {
  const waits = (name: string, more: string, top = '') => `
apiVersion: interlock/v1
kind: Playbook
name: ${name}
title: ${name}
owners: { technical: a, operational: b }
triggers:
  - { id: seen, on: event, where: { fact: envelope, path: /type, operator: equal, value: ${name}.seen }${more} }
steps: [{ id: act, type: enrich, uses: probe/wait, timeout: 1m }]
${top}`;
  const stateOf = async (run: string) => (await read(`/v1/orgs/acme/runs/${run}`)).data.state;
  const becomes = (run: string, state: string) =>
    house.until(async () => ((await stateOf(run)) === state ? true : undefined));
  const pendingRows = () => house.store.range({ from: 'acme/pending/', to: 'acme/pending0', limit: 9 });

  test('for a place: pending until a run of the playbook has ended', async () => {
    await house.activate(waits('single', '', 'concurrency: { limit: 1 }'));
    const first = started(await house.publish('single.seen'));
    const answer = await house.publish('single.seen');
    const second = started(answer);
    expect(of(answer, 'single')).toMatchObject({ outcome: 'queued', reason: null });
    expect([await stateOf(second), pendingRows().length]).toEqual(['pending', 1]);
    await house.ask('operator@acme', 'POST', `/v1/orgs/acme/runs/${first}/cancel`, { body: { reason: 'enough' } });
    await becomes(second, 'running');
    expect(pendingRows()).toEqual([]);
    const third = started(await house.publish('single.seen'));
    await house.ask('operator@acme', 'POST', `/v1/orgs/acme/runs/${third}/cancel`, { body: { reason: 'not needed' } });
    expect([await stateOf(third), pendingRows().length]).toEqual(['cancelled', 0]);
  });

  test('for the end of the run that they supersede, which the trigger cancels', async () => {
    await house.activate(waits('again', ', dedup: { key: [/host], window: 1h, repeat: restart }'));
    const first = started(await house.publish('again.seen'));
    const second = started(await house.publish('again.seen'));
    await becomes(second, 'running');
    expect((await read(`/v1/orgs/acme/runs/${first}`)).data).toMatchObject({ state: 'cancelled' });
    const cancel = house.records(ACME).find(({ kind, run }) => kind === 'run.cancel' && run === first);
    expect(cancel).toMatchObject({ actor: 'system:trigger' });
  });
});

describe('the switch of a trigger', () => {
  const turn = (verb: string, path = 'noisy/seen', as = 'operator@acme') =>
    house.ask(as, 'POST', `${TRIGGERS}/${path}/${verb}`, { body: { reason: 'noise, see case 4711' } });

  test('stopped it starts nothing, also under another version, until it is let go on', async () => {
    const stopped = await turn('stop');
    expect(stopped.data.stopped).toMatchObject({ by: 'operator@acme', reason: 'noise, see case 4711' });
    const held = { outcome: 'suppressed', reason: 'stopped', stop: 'trigger' };
    expect(of(await house.publish('noisy.seen'), 'noisy')).toMatchObject(held);
    await house.activate(playbookOf('noisy', 'requires: [/host]'));
    expect(of(await house.publish('noisy.seen'), 'noisy')).toMatchObject(held);
    expect((await turn('resume')).data.stopped).toBeNull();
    expect(of(await house.publish('noisy.seen'), 'noisy')).toMatchObject({ outcome: 'matched', reason: null });
    expect([...told('trigger.stopped'), ...told('trigger.resumed')]).toEqual([
      'trigger.stopped noisy/seen  principal:operator@acme',
      'trigger.resumed noisy/seen  principal:operator@acme',
    ]);
  });

  test.each([
    ['another trigger', 'noisy/other'],
    ['another playbook', 'nowhere/seen'],
    ['no name', 'noisy/SEEN'],
  ])('%s is not found', async (_, path) => {
    expect((await turn('stop', path)).status).toBe(404);
  });
});

test.each(['interlock:schedule', 'INTERLOCK:anything'])('nobody may send under the source %s', async (source) => {
  const body = { ...event('noisy.seen'), source, id: 'timed/morning/2030-01-01T05:00:00.000Z' };
  const reply = await house.ask('source@acme', 'POST', '/v1/orgs/acme/events', {
    body,
    type: 'application/cloudevents+json',
  });
  expect([reply.status, reply.json.errors]).toEqual([
    422,
    [{ pointer: '/source', text: "expected another source: this one is the kernel's own" }],
  ]);
});
