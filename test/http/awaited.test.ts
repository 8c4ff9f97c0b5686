import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LIMITS } from '../../kernel/base/limits.ts';
import { ACME, event, GLOBEX, type House, openHouse, started } from './kit.ts';

/** What is said of steps that wait for an event: before it comes, of one that is not enough, and of the one that was. */
let house: House;
beforeEach(async () => {
  house = await openHouse();
});
afterEach(() => house.close());

// biome-ignore lint/suspicious/noExplicitAny: the tests read answers of every shape.
type AnyJson = any;

/** Waits for word about its host: for a verdict, where nothing else is asked. */
const listening = (where = ', where: { fact: event, path: /kind, operator: equal, value: verdict }', name = 'ask') => `
apiVersion: interlock/v1
kind: Playbook
name: ${name}
title: Ask
owners: { technical: a, operational: b }
triggers:
  - { id: seen, on: event, where: { fact: envelope, path: /type, operator: equal, value: ${name}.seen } }
inputs: { host: /host }
steps:
  - { id: verdict, type: wait, event: { match: { /host: "{{ inputs.host }}" }${where} } }
`;

const read = async (path: string, org = 'acme') =>
  (await house.ask(`operator@${org}`, 'GET', `/v1/orgs/${org}${path}`)).data;
/** Begins a run that waits. */
const waiting = async (name = 'ask', org = ACME): Promise<string> => {
  const run = started(await house.publish(`${name}.seen`, org));
  await house.until(async () => ((await read(`/runs/${run}`, org)).state === 'waiting' ? run : undefined));
  return run;
};
const told = (data: object, id = 'word') => ({ body: event('word', id, data), type: 'application/cloudevents+json' });
const send = async (data: object, id = 'word'): Promise<AnyJson> =>
  (await house.ask('source@acme', 'POST', '/v1/orgs/acme/events', told(data, id))).data.events[0];
const explain = async (data: object, query = ''): Promise<AnyJson> =>
  (await house.ask('operator@acme', 'POST', `/v1/orgs/acme/triggers/explain${query}`, told(data))).data;
const stepOf = async (run: string) => (await read(`/runs/${run}`)).steps[0];

const RUMOUR = { host: 'h1', kind: 'rumour' };
const VERDICT = { host: 'h1', kind: 'verdict' };

describe('an event with the key, of which the step asks for more', () => {
  test('explain names the step, its run, and the condition with what it saw', async () => {
    const digest = await house.activate(listening());
    const run = await waiting();
    const records = house.records().length;
    const [{ waits, untold, triggers }] = await explain(RUMOUR);
    const step = await stepOf(run);
    expect(waits).toEqual([
      {
        step: 'verdict',
        digest,
        match: { '/host': 'h1' },
        wakes: false,
        where: {
          truth: 'false',
          fact: 'event',
          path: '/kind',
          operator: 'equal',
          expected: 'verdict',
          reason: 'false',
          seen: '"rumour"',
        },
        waiting: [{ run, step: 'verdict', until: step.until }],
      },
    ]);
    expect([untold, triggers.length]).toEqual([0, 1]);
    expect((await explain({ host: 'h1' }))[0].waits).toMatchObject([{ wakes: false, where: { reason: 'missing' } }]);
    expect((await explain(VERDICT))[0].waits).toMatchObject([{ wakes: true, where: { truth: 'true' } }]);
    // Asking changes nothing: it waits as before.
    expect(house.records()).toHaveLength(records);
    expect((await send(VERDICT)).woke).toEqual([{ run, step: 'verdict' }]);
  });

  test('its receipt counts them, also when it is asked again; one that woke them, or has another key, counts none', async () => {
    await house.activate(listening());
    const runs = [await waiting(), await waiting()];
    const receipt = await send(RUMOUR, 'rumour');
    expect(receipt).toMatchObject({ woke: [], unmet: 2 });
    expect(await send(RUMOUR, 'rumour')).toMatchObject({ repeat: true, unmet: 2 });
    expect(await read(`/events/${receipt.event}`)).toMatchObject({ woke: [], unmet: 2 });
    expect(await send({ ...RUMOUR, host: 'h2' }, 'other')).toMatchObject({ woke: [], unmet: 0 });
    const woken = await send(VERDICT, 'verdict');
    expect([woken.woke.length, woken.unmet]).toEqual([runs.length, 0]);
    expect(await send(RUMOUR, 'late')).toMatchObject({ woke: [], unmet: 0 });
  });

  test('one that asks for no more than the key would be woken', async () => {
    await house.activate(listening(''));
    const run = await waiting();
    expect((await explain(RUMOUR))[0].waits).toMatchObject([{ wakes: true, where: null, waiting: [{ run }] }]);
  });

  test('nobody is told of who waits for another key, in another org, no more, or beside a trigger that was asked about', async () => {
    await house.activate(listening());
    await house.activate(listening(), GLOBEX);
    await waiting('ask', GLOBEX);
    expect((await explain(RUMOUR))[0].waits).toEqual([]);
    const run = await waiting();
    expect((await explain({ ...RUMOUR, host: 'h2' }))[0].waits).toEqual([]);
    expect((await explain({ kind: 'rumour' }))[0].waits).toEqual([]);
    expect((await explain(RUMOUR, '?trigger=seen'))[0].waits).toEqual([]);
    expect((await explain(RUMOUR, '?playbook=ask'))[0].waits).toMatchObject([{ waiting: [{ run }] }]);
    await send(VERDICT);
    expect((await explain(RUMOUR))[0].waits).toEqual([]);
  });

  test('runs of a version that is active no more wait by that', async () => {
    const digest = await house.activate(listening());
    const run = await waiting();
    const newer = await house.activate(listening(', where: { fact: event, path: /kind, operator: equal, value: x }'));
    const [found] = await explain(RUMOUR);
    expect(found).toMatchObject({
      digest: newer,
      waits: [{ digest, where: { expected: 'verdict' }, waiting: [{ run }] }],
    });
  });

  test('of many that wait the first are told and the others counted, and the page ends there', async () => {
    await house.activate(listening());
    await house.activate(listening('', 'other'));
    const runs: string[] = [];
    for (let n = 0; n < LIMITS.waitsTold.value + 3; n++) runs.push(await waiting());
    await waiting('other');
    const reply = await house.ask('operator@acme', 'POST', '/v1/orgs/acme/triggers/explain', told(RUMOUR));
    expect(reply.data).toMatchObject([{ playbook: 'ask', untold: 3 }]);
    const { waiting: first } = reply.data[0].waits[0];
    expect(first.map((one: AnyJson) => one.run)).toEqual(runs.slice(0, LIMITS.waitsTold.value));
    const rest = await explain(RUMOUR, `?cursor=${reply.json.page.next}`);
    expect(rest).toMatchObject([{ playbook: 'other', untold: 0, waits: [{ wakes: true }] }]);
    expect((await send(RUMOUR)).unmet).toBe(runs.length);
  });
});

test('a step that was woken names the event, in the run and in its picture; one that waits names none', async () => {
  await house.activate(listening(', take: { event: /kind }'));
  const run = await waiting();
  expect(await stepOf(run)).toMatchObject({ waitsFor: 'event', parameters: { match: { '/host': 'h1' } }, event: null });
  const { event: id } = await send(VERDICT);
  const step = await house.until(async () => {
    const now = await stepOf(run);
    return now.state === 'succeeded' ? now : undefined;
  });
  // What is taken may have the name of the id: the output does not tell it then.
  expect(step).toMatchObject({ event: id, output: { event: 'verdict' } });
  const { nodes } = await read(`/runs/${run}/graph`);
  expect(nodes.find((node: AnyJson) => node.id === 'verdict').detail).toBe(`woken by ${id}`);
});
