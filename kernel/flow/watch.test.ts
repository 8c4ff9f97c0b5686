import { describe, expect, test } from 'vitest';
import { ORG, openTriggerWorld, playbookOf } from '../../test/support/trigger-world.ts';
import type { Json } from '../base/json.ts';

/** Fires when the confidence of something about a host becomes 80 or more. */
const risky = (more: object = {}): object => ({
  id: 'risky',
  on: 'condition',
  where: { fact: 'event', path: '/confidence_score', operator: 'greaterThanInclusive', value: 80 },
  crosses: { key: ['/host'] },
  ...more,
});
const openWatched = (more: object = {}) => openTriggerWorld([playbookOf([risky(more)])]);
type World = Awaited<ReturnType<typeof openWatched>>;
const at = (world: World, score: Json, host: Json = 'a') => world.send({ host, confidence_score: score });

describe('a condition fires when it becomes true for a thing', () => {
  test('once, until it was false again', async () => {
    const world = await openWatched();
    const sent = [];
    for (const score of [10, 85, 90, 99, 79, 80]) sent.push(await at(world, score));
    expect(sent).toEqual(['not_matched', 'matched', 'not_crossed', 'not_crossed', 'not_matched', 'matched']);
    expect(world.standings()).toHaveLength(2);
  });

  test('for each thing by itself', async () => {
    const world = await openWatched();
    expect([await at(world, 90, 'a'), await at(world, 90, 'b'), await at(world, 90, 'a')]).toEqual([
      'matched',
      'matched',
      'not_crossed',
    ]);
    await at(world, 1, 'b');
    expect([await at(world, 90, 'a'), await at(world, 90, 'b')]).toEqual(['not_crossed', 'matched']);
    expect(world.rows('above')).toHaveLength(2);
  });

  test.each<[string, Json, Json]>([
    ['whose rule cannot be answered', null, 'a'],
    ['with a value of another type', 'high', 'a'],
    ['that names no thing', 10, null],
  ])('an event %s moves nothing', async (_, score, host) => {
    const world = await openWatched();
    await at(world, 90);
    await at(world, score, host);
    expect(await at(world, 90)).toBe('not_crossed');
  });

  test('an event that is false in one part and undecided in another is false', async () => {
    const where = {
      all: [
        { fact: 'event', path: '/confidence_score', operator: 'greaterThan', value: 80 },
        { fact: 'event', path: '/x', operator: 'equal', value: 1 },
      ],
    };
    const world = await openWatched({ where });
    const send = (confidence_score: number, more: object) => world.send({ host: 'a', confidence_score, ...more });
    expect([await send(90, { x: 1 }), await send(10, {}), await send(90, { x: 1 })]).toEqual([
      'matched',
      'not_matched',
      'matched',
    ]);
  });

  test('a thing that nobody speaks of is forgotten, one that stays above is not', async () => {
    const world = await openWatched({ crosses: { key: ['/host'], forget: '1h' } });
    await at(world, 90);
    for (let i = 0; i < 4; i++) {
      world.clock.advance(45 * 60_000);
      expect(await at(world, 90)).toBe('not_crossed');
    }
    world.clock.advance(61 * 60_000);
    expect(await at(world, 90)).toBe('matched');
    expect(world.rows('above')).toHaveLength(1);
  });

  test('rows are as many as there are things above, and one that stays above moves its row seldom', async () => {
    const world = await openWatched();
    for (let i = 0; i < 20; i++) await at(world, 90, `h${i}`);
    const before = world.rows('above');
    for (let i = 0; i < 20; i++) await at(world, 95, `h${i}`);
    expect(world.rows('above')).toEqual(before);
    for (let i = 0; i < 20; i++) await at(world, 10, `h${i}`);
    expect([...world.rows('above'), ...world.rows('forget')]).toEqual([]);
  });

  test('what is held back by a limit has crossed all the same', async () => {
    const world = await openWatched({ limits: { rate: '1/h' } });
    expect([await at(world, 90, 'a'), await at(world, 90, 'b'), await at(world, 90, 'b')]).toEqual([
      'matched',
      'suppressed rate',
      'not_crossed',
    ]);
  });

  test('a restart knows what was above', async () => {
    const before = await openWatched();
    await at(before, 90);
    const world = await before.restart();
    expect(await at(world, 95)).toBe('not_crossed');
  });
});

describe('a rule over the incident that an event names', () => {
  const where = {
    all: [
      { fact: 'event', path: '/kind', operator: 'equal', value: 'c2' },
      { fact: 'incident', path: '/state', operator: 'in', value: ['new', 'triaged'] },
      { fact: 'incident', path: '/severity', operator: 'in', value: ['high', 'critical'] },
    ],
  };
  const openAsking = () => openTriggerWorld([playbookOf([{ id: 'asks', on: 'event', where, incident: '/finding' }])]);
  const put = (world: World, id: string, incident: object) =>
    world.ledger.stage({
      audit: [{ org: ORG, kind: 'incident.updated', actor: 'system:test' }],
      rows: [
        {
          key: `${ORG}/incident/${id}`,
          value: JSON.stringify({ incident: id, org: ORG, confidence: null, uncertainty: null, ...incident }),
        },
      ],
    });

  test.each<[string, object | undefined, string]>([
    ['in a state that is wanted', { state: 'triaged', severity: 'high' }, 'matched'],
    ['in another', { state: 'closed', severity: 'high' }, 'not_matched'],
    ['too mild', { state: 'new', severity: 'low' }, 'not_matched'],
    ['of unknown severity', { state: 'new', severity: 'unknown' }, 'not_matched'],
    ['of which the first kernels wrote', { state: 'new', timeline: [] }, 'not_matched'],
    ['unknown', undefined, 'not_matched'],
  ])('%s', async (_, incident, outcome) => {
    const world = await openAsking();
    if (incident) await put(world, 'inc-7', incident);
    expect(await world.send({ finding: 'inc-7' })).toBe(outcome);
  });

  test.each<Json>([7, '', '../inc-7', ['inc-7'], 'a b'])('an id that is none (%j) is no incident', async (finding) => {
    const world = await openAsking();
    await put(world, 'inc-7', { state: 'new', severity: 'high' });
    expect(await world.send({ finding })).toBe('not_matched');
  });

  test('what is staged counts, and a decision on an incident that has moved is made again', async () => {
    const world = await openAsking();
    await put(world, 'inc-7', { state: 'new', severity: 'high' });
    world.meanwhile(() => put(world, 'inc-7', { state: 'closed', severity: 'high' }));
    expect(await world.send({ finding: 'inc-7' })).toBe('not_matched');
    expect(world.standings()).toEqual([]);
  });
});
