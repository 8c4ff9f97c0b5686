import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LIMITS } from '../../kernel/base/limits.ts';
import { KEYS } from '../../kernel/flow/keys.ts';
import { ACME, event, GLOBEX, type House, openHouse, started } from './kit.ts';

/** Many triggers at the front door: what is told of an event, and what triggers would say to one. */
let house: House;
beforeEach(async () => {
  house = await openHouse();
});
afterEach(() => house.close());

/** A playbook of these triggers, each with a rule on the host, as YAML. */
const playbookOf = (name: string, triggers: readonly string[]) => `
apiVersion: interlock/v1
kind: Playbook
name: ${name}
title: ${name}
owners: { technical: a, operational: b }
triggers: [${triggers.join(', ')}]
inputs: { host: /host }
steps: [{ id: act, type: enrich, uses: probe/look }]
`;
const on = (path: string, operator: string, value: string | number) =>
  `{ fact: event, path: ${path}, operator: ${operator}, value: ${value} }`;
const trigger = (id: string, where: string, more = '') => `{ id: ${id}, on: event, where: ${where}${more} }`;
const onHost = (id: string, host: string) => trigger(id, on('/host', 'equal', host));

// biome-ignore lint/suspicious/noExplicitAny: the tests read answers of every shape.
type AnyJson = any;

const send = async (data: unknown, id: string = crypto.randomUUID()): Promise<AnyJson> => {
  const reply = await house.ask('source@acme', 'POST', '/v1/orgs/acme/events', {
    body: event('seen', id, data),
    type: 'application/cloudevents+json',
  });
  return reply.data.events[0];
};

describe('what is told of an event', () => {
  /** Sixteen in a playbook: of each, one for the host h1, and the others for hosts of their own or for any load. */
  const fill = async (playbooks: number) => {
    for (let p = 0; p < playbooks; p++) {
      const others = Array.from({ length: 15 }, (_, k) =>
        k < 8 ? onHost(`other-${k}`, `x${p}-${k}`) : trigger(`load-${k}`, on('/load', 'greaterThan', p * 16 + k)),
      );
      await house.activate(playbookOf(`p${String(p).padStart(2, '0')}`, [onHost('mine', 'h1'), ...others]));
    }
  };

  test('of few triggers everything, with the reasons', async () => {
    await fill(2);
    const receipt = await send({ host: 'h1', load: 0 });
    expect(receipt.triggers).toHaveLength(32);
    expect(receipt.counts).toEqual({ judged: 32, notMatched: 30, ruledOut: 0 });
    expect(receipt.triggers[1]).toMatchObject({
      trigger: 'other-0',
      outcome: 'not_matched',
      why: [{ reason: 'false' }],
    });
  });

  test('of many what matched, the first that did not, and how many there are; the same when it is asked again', async () => {
    await fill(6);
    const receipt = await send({ host: 'h1', load: 0 }, 'one');
    const told = (outcome: string) => receipt.triggers.filter((one: AnyJson) => one.outcome === outcome);
    expect(told('matched').map((one: AnyJson) => `${one.playbook}/${one.trigger}`)).toEqual(
      ['p00', 'p01', 'p02', 'p03', 'p04', 'p05'].map((name) => `${name}/mine`),
    );
    expect(told('not_matched')).toHaveLength(LIMITS.triggersTold.value);
    for (const one of told('not_matched')) expect(one).toMatchObject({ why: [{ path: '/load', reason: 'false' }] });
    const counts = { judged: 6 * 8, notMatched: 6 * 7, ruledOut: 6 * 8 };
    expect(receipt.counts).toEqual(counts);
    const again = await send({ host: 'h1', load: 0 }, 'one');
    expect(again).toMatchObject({ repeat: true, counts });
    const stored = await house.ask('operator@acme', 'GET', `/v1/orgs/acme/events/${receipt.event}`);
    expect(stored.data).toMatchObject({ counts, triggers: receipt.triggers });
  });

  test('an event starts runs for so many triggers and no more; the others are errors', async () => {
    const mine = Array.from({ length: 16 }, (_, k) => onHost(`t${k}`, 'h1'));
    for (let p = 0; p < 17; p++) await house.activate(playbookOf(`p${String(p).padStart(2, '0')}`, mine));
    const { triggers } = await send({ host: 'h1' });
    const outcomes = triggers.map((one: AnyJson) => [one.outcome, one.run === null]);
    const most = LIMITS.matchesPerEvent.value;
    expect(outcomes.slice(0, most)).toEqual(Array(most).fill(['matched', false]));
    expect(outcomes.slice(most)).toEqual(Array(16).fill(['error', true]));
  });

  test('an event that an older kernel has stored has counts too', async () => {
    await fill(1);
    const { event: id } = await send({ host: 'h2' });
    const { counts, ...old } = JSON.parse(house.store.get(KEYS.event(ACME, id)) ?? '');
    await house.store.write([{ key: KEYS.event(ACME, id), value: JSON.stringify(old) }]);
    const { data } = await house.ask('operator@acme', 'GET', `/v1/orgs/acme/events/${id}`);
    expect(data.counts).toEqual({ judged: 16, notMatched: 16, ruledOut: 0 });
    expect(counts).toEqual(data.counts);
  });

  test('a version that takes the place of another is judged from the next event on, and the index of a new start is the same', async () => {
    await fill(3);
    await house.activate(playbookOf('p01', [onHost('new', 'h1'), onHost('else', 'h9')]));
    const matched = async () =>
      (await send({ host: 'h1', load: 0 })).triggers
        .filter((one: AnyJson) => one.outcome === 'matched')
        .map((one: AnyJson) => `${one.playbook}/${one.trigger}`);
    expect(await matched()).toEqual(['p00/mine', 'p01/new', 'p02/mine']);
    await house.setUp(ACME);
    expect(await matched()).toEqual(['p00/mine', 'p01/new', 'p02/mine']);
  });
});

describe('the list of events', () => {
  const list = async (query = '', as = 'operator@acme', org = 'acme'): Promise<AnyJson> =>
    (await house.ask(as, 'GET', `/v1/orgs/${org}/events${query}`)).json;
  const ids = ({ data }: AnyJson): string[] => data.map(({ event: id }: AnyJson) => id);

  test('has them newest first and page by page, each once, with what their triggers said', async () => {
    await house.activate(playbookOf('web', [onHost('a', 'a'), onHost('b', 'b')]));
    const sent: string[] = [];
    for (const host of ['a', 'x', 'b']) sent.push((await send({ host })).event);
    const all = await list();
    expect(ids(all)).toEqual(sent.toReversed());
    const [, none, matched] = all.data;
    expect(none).toMatchObject({ org: 'acme', type: 'seen', triggers: [], woke: [] });
    expect(matched.triggers).toMatchObject([{ playbook: 'web', trigger: 'a', outcome: 'matched' }]);
    expect(JSON.stringify(all)).not.toContain('"host"');
    const first = await list('?limit=2');
    expect([...ids(first), ...ids(await list(`?limit=2&cursor=${first.page.next}`))]).toEqual(sent.toReversed());
    expect(ids(await list('', 'operator@globex', 'globex'))).toEqual([]);
  });

  test('finds what was held back, and what came in a span of time', async () => {
    await house.activate(playbookOf('web', [onHost('a', 'a').replace(/ }$/, ', limits: { rate: 1/h } }')]));
    await send({ host: 'a' });
    const held = await send({ host: 'a' });
    await send({ host: 'x' });
    const { data } = await list('?outcome=suppressed');
    expect(data).toMatchObject([{ event: held.event, triggers: [{ outcome: 'suppressed', reason: 'rate' }] }]);
    expect(ids(await list('?since=2000-01-01T00:00:00Z'))).toHaveLength(3);
    expect(ids(await list('?until=2000-01-01T00:00:00Z'))).toEqual([]);
    expect((await list('?outcome=lost')).type).toBe('urn:interlock:problem:invalid-query');
  });

  test('a page of large events is a short one, and says where to go on', async () => {
    await house.activate(playbookOf('web', [onHost('a', 'a')]));
    const sent: string[] = [];
    for (let i = 0; i < 8; i++) sent.push((await send({ host: 'x', text: 'y'.repeat(200_000) })).event);
    const found: string[] = [];
    let pages = 0;
    for (let next: string | null = ''; next !== null; pages++) {
      const page: AnyJson = await list(next === '' ? '' : `?cursor=${next}`);
      found.push(...ids(page));
      next = page.page.next;
    }
    expect([found, pages]).toEqual([sent.toReversed(), 2]);
  });
});

describe('explain', () => {
  const explain = (body: unknown, query = '', type = 'application/cloudevents+json') =>
    house.ask('operator@acme', 'POST', `/v1/orgs/acme/triggers/explain${query}`, { body, type });
  const C2 = playbookOf('c2', [
    trigger(
      'seen',
      `{ all: [${on('/host', 'equal', 'h1')}, { any: [${on('/load', 'greaterThan', 5)}, { not: ${on('/tags', 'contains', 'lab')} }] }] }`,
      ', requires: [/id], dedup: { key: [/host], window: 1h, repeat: drop }',
    ),
    trigger('other', on('/big', 'equal', 'x')),
  ]);

  test('every condition with what it saw, and what it comes to', async () => {
    const digest = await house.activate(C2);
    const { data, json } = await explain(
      event('seen', 'e', { host: 'h1', load: '9', tags: ['lab'], id: 1 }),
      '?trigger=seen',
    );
    const condition = (path: string, operator: string, expected: unknown) => ({
      fact: 'event',
      path,
      operator,
      expected,
    });
    expect(data).toEqual([
      {
        playbook: 'c2',
        digest,
        triggers: [
          {
            trigger: 'seen',
            outcome: 'not_matched',
            reason: null,
            until: null,
            stop: null,
            lacks: [],
            run: null,
            rule: {
              truth: 'undecided',
              all: [
                { ...condition('/host', 'equal', 'h1'), truth: 'true', reason: 'true', seen: '"h1"' },
                {
                  truth: 'undecided',
                  any: [
                    { ...condition('/load', 'greaterThan', 5), truth: 'undecided', reason: 'wrong_type', seen: '"9"' },
                    {
                      truth: 'false',
                      not: { ...condition('/tags', 'contains', 'lab'), truth: 'true', reason: 'true', seen: '["lab"]' },
                    },
                  ],
                },
              ],
            },
          },
        ],
        waits: [],
        untold: 0,
      },
    ]);
    expect(json.page).toEqual({ next: null });
  });

  test('what is missing, what would be absorbed, and that nothing was taken in', async () => {
    await house.activate(C2);
    const records = house.records().length;
    const first = { host: 'h1', load: 9, id: 1 };
    const outcomeOf = async (body: unknown) =>
      (await explain(event('seen', 'e', body), '?trigger=seen')).data[0].triggers[0];
    expect(await outcomeOf({ ...first, id: null })).toMatchObject({ outcome: 'missing_fields', lacks: ['/id'] });
    expect(await outcomeOf(first)).toMatchObject({ outcome: 'matched', run: null });
    expect(house.records()).toHaveLength(records);
    const run = started(await send(first));
    expect(await outcomeOf(first)).toMatchObject({ outcome: 'absorbed', run });
    expect(await outcomeOf({ ...first, host: 'h2' })).toMatchObject({ outcome: 'not_matched', run: null });
  });

  test('what limits and earlier events say, for every kind of trigger that is asked about events', async () => {
    const isHot = on('/load', 'greaterThan', 5);
    await house.activate(
      playbookOf('kinds', [
        trigger('paced', isHot, ', limits: { rate: 1/h }'),
        `{ id: hot, on: condition, where: ${isHot}, crosses: { key: [/host] } }`,
        '{ id: morning, on: schedule, cron: "0 6 * * *" }',
      ]),
    );
    const outcomes = async (data: unknown) =>
      (await explain(event('seen', 'e', data))).data[0].triggers.map((one: AnyJson) => [
        one.trigger,
        one.outcome,
        one.reason,
      ]);
    const hot = { host: 'h1', load: 9 };
    const fresh = [
      ['paced', 'matched', null],
      ['hot', 'matched', null],
    ];
    expect(await outcomes(hot)).toEqual(fresh);
    expect(await outcomes(hot)).toEqual(fresh);
    await send(hot);
    expect(await outcomes(hot)).toEqual([
      ['paced', 'suppressed', 'rate'],
      ['hot', 'not_crossed', null],
    ]);
  });

  test('what a rule saw of the incident that it asks about', async () => {
    await house.activate(
      playbookOf('cases', [
        `{ id: open, on: event, incident: /case, where: { fact: incident, path: /state, operator: equal, value: contained } }`,
      ]),
    );
    await house.store.write([{ key: KEYS.incident(ACME, 'inc-1'), value: JSON.stringify({ state: 'contained' }) }]);
    const seenOf = async (id: string) => (await explain(event('seen', 'e', { case: id }))).data[0].triggers[0];
    expect(await seenOf('inc-1')).toMatchObject({ outcome: 'matched', rule: { truth: 'true', seen: '"contained"' } });
    expect(await seenOf('inc-2')).toMatchObject({ outcome: 'not_matched', rule: { reason: 'missing', seen: null } });
  });

  test('what is seen is cut, however large', async () => {
    await house.activate(C2);
    const big = { deep: Array.from({ length: 10_000 }, (_, n) => `value ${n}`) };
    const { data } = await explain(event('seen', 'e', { big }), '?playbook=c2');
    const { seen, reason } = data[0].triggers[1].rule;
    expect([seen.length, seen.slice(0, 19), reason]).toEqual([257, '{"deep":["value 0",', 'wrong_type']);
  });

  test('in pages by playbook, or one of them', async () => {
    for (const name of ['b', 'a', 'c']) await house.activate(playbookOf(name, [onHost('t', 'h1')]));
    const names = (reply: AnyJson) => reply.data.map((one: AnyJson) => one.playbook);
    const one = event('seen', 'e', { host: 'h1' });
    expect(names(await explain(one))).toEqual(['a', 'b', 'c']);
    const first = await explain(one, '?limit=2');
    expect(names(first)).toEqual(['a', 'b']);
    expect(names(await explain(one, `?limit=2&cursor=${first.json.page.next}`))).toEqual(['c']);
    expect((await explain(one, `?playbook=a&cursor=${first.json.page.next}`)).status).toBe(422);
    expect(names(await explain(one, '?playbook=b'))).toEqual(['b']);
    expect(names(await explain(one, '?playbook=none'))).toEqual([]);
    expect(names(await explain(one, '?trigger=none'))).toEqual([]);
  });

  test('a page of large rules is a short one', async () => {
    const large = `{ any: [${Array(2)
      .fill(
        `{ any: [${Array(60)
          .fill(on('/load', 'greaterThan', 9))
          .join(', ')}] }`,
      )
      .join(', ')}] }`;
    const rules = (name: string) =>
      playbookOf(
        name,
        Array.from({ length: 6 }, (_, n) => trigger(`t${n}`, large)),
      );
    for (const name of ['a', 'b', 'c', 'd']) await house.activate(rules(name));
    const { data, json } = await explain(event('seen', 'e', { load: 1 }));
    expect(data.map((one: AnyJson) => one.playbook)).toEqual(['a', 'b']);
    const rest = await explain(event('seen', 'e', { load: 1 }), `?cursor=${json.page.next}`);
    expect(rest.data.map((one: AnyJson) => one.playbook)).toEqual(['c', 'd']);
  });

  test.each<[string, unknown, string, string]>([
    ['a list of events', [event('seen'), event('seen')], 'application/cloudevents-batch+json', 'invalid-event'],
    ['no event', { CANARY: 1 }, 'application/json', 'invalid-event'],
    ['no JSON', '{CANARY', 'application/json', 'malformed-body'],
  ])('%s is refused', async (_, body, type, kind) => {
    const reply = await explain(body, '', type);
    expect(reply.json.type).toBe(`urn:interlock:problem:${kind}`);
    expect(reply.text).not.toContain('CANARY');
  });
});

describe('replay', () => {
  const replay = (body: string, query = '', as = 'operator@acme', org = 'acme') =>
    house.ask(as, 'POST', `/v1/orgs/${org}/triggers/replay${query}`, { body, type: 'text/yaml' });
  const loads = (least: number, more = '') =>
    playbookOf('loads', [trigger('high', on('/load', 'greaterThanInclusive', least), more)]);
  /** What was recorded of anybody's doing; the runs that go on meanwhile are not. */
  const commands = () => house.records().filter(({ kind }) => /^(?:event|playbook|access)[.]/.test(kind));
  const none = { runs: 0, absorbed: 0, suppressed: 0 };

  test('what fires now and did not, what did and does not, and what stays', async () => {
    await house.activate(loads(3));
    const ids: string[] = [];
    for (const load of [1, 2, 3, 4]) ids.push((await send({ load, host: 'CANARY' })).event);
    const records = commands();
    const wider = await replay(loads(2));
    expect(wider.data).toMatchObject({
      playbook: 'loads',
      events: 4,
      triggers: [
        {
          trigger: 'high',
          recorded: { runs: 2, absorbed: 0, suppressed: 0 },
          changed: { runs: 3, absorbed: 0, suppressed: 0 },
          gained: 1,
          lost: 0,
          same: 2,
        },
      ],
      gained: [
        { event: ids[1], trigger: 'high', recorded: 'not_matched', changed: 'matched', why: [{ reason: 'true' }] },
      ],
      lost: [],
      next: null,
    });
    expect(wider.data.active).not.toBe(wider.data.digest);
    const narrower = await replay(loads(4));
    expect(narrower.data).toMatchObject({
      triggers: [{ gained: 0, lost: 1, same: 1 }],
      lost: [{ event: ids[2], recorded: 'matched', changed: 'not_matched', why: [{ expected: 4, reason: 'false' }] }],
    });
    expect(wider.text + narrower.text).not.toContain('CANARY');
    expect(commands()).toEqual(records);
    expect((await house.ask('operator@acme', 'GET', '/v1/orgs/acme/playbooks/loads')).data.versions).toHaveLength(1);
  });

  test('repeats are told apart by the windows of the changed version, in the order of events', async () => {
    await house.activate(loads(1));
    for (const host of ['a', 'b', 'a', 'a']) await send({ load: 1, host });
    const { data } = await replay(loads(1, ', dedup: { key: [/host], window: 1h, repeat: drop }'));
    expect(data.triggers).toEqual([
      {
        trigger: 'high',
        recorded: { runs: 4, absorbed: 0, suppressed: 0 },
        changed: { runs: 2, absorbed: 2, suppressed: 0 },
        gained: 0,
        lost: 0,
        same: 4,
      },
    ]);
  });

  test('limits and conditions are those of the changed version, too', async () => {
    await house.activate(loads(1));
    for (const load of [1, 1, 0, 1]) await send({ load, host: 'a' });
    const limited = await replay(loads(1, ', limits: { rate: 2/h }'));
    expect(limited.data.triggers).toMatchObject([
      { changed: { runs: 2, absorbed: 0, suppressed: 1 }, lost: 1, same: 2 },
    ]);
    expect(limited.data.lost).toMatchObject([{ recorded: 'matched', changed: 'suppressed' }]);
    const crossing = `{ id: high, on: condition, where: ${on('/load', 'greaterThanInclusive', 1)}, crosses: { key: [/host] } }`;
    const crossed = await replay(playbookOf('loads', [crossing]));
    expect(crossed.data.triggers).toMatchObject([{ changed: { runs: 2 }, gained: 0, lost: 1, same: 2 }]);
    expect(crossed.data.lost).toMatchObject([{ changed: 'not_crossed' }]);
  });

  test('another name of a trigger is one lost and one gained; a playbook that was never active has nothing on record', async () => {
    await house.activate(loads(1));
    await send({ load: 1 });
    const renamed = await replay(playbookOf('loads', [trigger('load', on('/load', 'greaterThanInclusive', 1))]));
    expect(renamed.data.triggers).toMatchObject([
      { trigger: 'load', recorded: none, gained: 1, lost: 0 },
      { trigger: 'high', changed: none, gained: 0, lost: 1 },
    ]);
    const fresh = await replay(playbookOf('fresh', [trigger('high', on('/load', 'greaterThanInclusive', 1))]));
    expect(fresh.data).toMatchObject({ active: null, triggers: [{ recorded: none, gained: 1 }] });
    expect(fresh.data.gained[0]).toMatchObject({ recorded: null, changed: 'matched' });
  });

  test('the newest; or since an instant, page by page, each event once', async () => {
    await house.activate(loads(1));
    const receipts: AnyJson[] = [];
    for (let n = 0; n < 7; n++) receipts.push(await send({ load: 1 }));
    const newest = await replay(loads(9), '?limit=2');
    expect(newest.data).toMatchObject({ events: 2, next: null });
    const cameAt = async (n: number) =>
      (await house.ask('operator@acme', 'GET', `/v1/orgs/acme/events/${receipts[n].event}`)).data.receivedAt;
    expect([newest.data.from, newest.data.to]).toEqual([await cameAt(5), await cameAt(6)]);

    const lost: string[] = [];
    const since = encodeURIComponent(await cameAt(0));
    let cursor = '';
    let pages = 0;
    do {
      const { data } = await replay(loads(9), `?since=${since}&limit=3${cursor}`);
      lost.push(...data.lost.map((one: AnyJson) => one.event));
      cursor = data.next === null ? '' : `&cursor=${data.next}`;
      pages++;
    } while (cursor !== '');
    expect([lost.sort(), pages]).toEqual([receipts.map(({ event: id }) => id).sort(), 3]);
    const later = encodeURIComponent(new Date(Date.now() + 60_000).toISOString());
    expect((await replay(loads(9), `?since=${later}`)).data).toMatchObject({
      events: 0,
      from: null,
      to: null,
      next: null,
    });
  });

  test('an event without its row by time is not found, and one without its event is passed over', async () => {
    await house.activate(loads(1));
    const kept = await send({ load: 1 });
    const gone = await send({ load: 1 });
    const rows = house.store.range({ from: 'acme/event-at/', to: 'acme/event-at0', limit: 9 });
    expect(rows).toHaveLength(2);
    await house.store.write([{ key: KEYS.event(ACME, gone.event), value: null }]);
    expect((await replay(loads(9))).data).toMatchObject({ events: 1, lost: [{ event: kept.event }] });
    await house.store.write(rows.map(({ key }) => ({ key, value: null })));
    expect((await replay(loads(9))).data).toMatchObject({ events: 0 });
  });

  test('times of a schedule are not looked at, and not said to be lost', async () => {
    await house.activate(loads(1));
    const fired = await send({ load: 1 });
    const text = house.store.get(KEYS.event(ACME, fired.event)) ?? '';
    const bySchedule = JSON.stringify({ ...JSON.parse(text), by: 'system:schedule' });
    await house.store.write([{ key: KEYS.event(ACME, fired.event), value: bySchedule }]);
    expect((await replay(loads(9))).data).toMatchObject({ events: 0, triggers: [{ lost: 0 }], lost: [] });
  });

  test('events are those of the own org', async () => {
    await house.activate(loads(1));
    await send({ load: 1 });
    await send({ load: 1 });
    await house.publish('seen', GLOBEX);
    expect((await replay(loads(1), '', `operator@${GLOBEX}`, GLOBEX)).data).toMatchObject({ events: 1 });
    expect((await replay(loads(1))).data).toMatchObject({ events: 2 });
  });

  test.each<[string, string, string, string]>([
    ['no playbook', 'title: CANARY', '', 'invalid-playbook'],
    ['a time that is none', loads(1), '?since=CANARY', 'invalid-query'],
    ['a cursor that is none', loads(1), '?cursor=CANARY', 'invalid-cursor'],
  ])('%s is refused', async (_, body, query, kind) => {
    const reply = await replay(body, query);
    expect(reply.json.type).toBe(`urn:interlock:problem:${kind}`);
    expect(reply.text).not.toContain('CANARY');
  });
});
