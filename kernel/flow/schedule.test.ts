import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ORG, openTriggerWorld, playbookOf, seen, type TriggerWorld } from '../../test/support/trigger-world.ts';
import { openLmdbStore } from '../adapter/lmdb/store.ts';
import { iso, unixMs } from '../base/time.ts';
import { firingOf } from './schedule.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** At every full hour. The clock of the world begins at 12:00. */
const hourly = (more: object = {}): object => ({ id: 'hourly', on: 'schedule', cron: '0 * * * *', ...more });

/** What has fired, by the instant it was set for. */
const fired = (world: TriggerWorld): string[] =>
  world
    .rows('event')
    .map(({ value }) => JSON.parse(value))
    .filter(({ event }) => event.source === 'interlock:schedule')
    .map(({ event }) => event.data.scheduledFor.slice(11, 16))
    .sort();
const records = (world: TriggerWorld) =>
  world
    .records()
    .filter(({ kind }) => String(kind).startsWith('trigger.'))
    .map(({ kind, outcome }) => (outcome ? `${kind} ${outcome}` : kind));
const due = (world: TriggerWorld) => world.store.range({ from: '!due/', to: '!due0', limit: 99 }).map(({ key }) => key);

async function go(world: TriggerWorld, byMs: number) {
  world.clock.advance(byMs);
  await world.sweep(2);
}

describe('a schedule fires at its times', () => {
  test('once each, however often one looks, as an event of its own by the kernel', async () => {
    const world = await openTriggerWorld([playbookOf([hourly()])]);
    await world.sweep(3);
    expect(fired(world)).toEqual([]);
    await go(world, HOUR - 1);
    expect(fired(world)).toEqual([]);
    await go(world, 1);
    await world.sweep(5);
    expect(fired(world)).toEqual(['13:00']);
    await go(world, HOUR);
    expect(fired(world)).toEqual(['13:00', '14:00']);
    const event = JSON.parse(world.rows('event')[0]?.value ?? '{}');
    expect(event).toMatchObject({
      by: 'system:schedule',
      event: {
        source: 'interlock:schedule',
        type: 'interlock.schedule',
        data: { playbook: 'answer', trigger: 'hourly' },
      },
      triggers: [{ playbook: 'answer', trigger: 'hourly', outcome: 'matched' }],
    });
    expect(world.records().filter(({ kind }) => kind === 'event.accepted')).toMatchObject([
      { actor: 'system:schedule' },
      { actor: 'system:schedule' },
    ]);
    expect(world.standings()).toEqual(['running', 'running']);
  });

  test('is asked about no event, and starts nothing else', async () => {
    const world = await openTriggerWorld([
      playbookOf([
        hourly(),
        seen({ where: { fact: 'envelope', path: '/format', operator: 'equal', value: 'schedule' } }),
      ]),
    ]);
    await world.sweep();
    expect(await world.send()).toBe('not_matched');
    await go(world, HOUR);
    expect(fired(world)).toEqual(['13:00']);
    expect(world.standings()).toEqual(['running']);
  });

  test('in its zone', async () => {
    const world = await openTriggerWorld([
      playbookOf([{ id: 'six', on: 'schedule', cron: '0 6 * * *', zone: 'Europe/Vienna' }]),
    ]);
    await world.sweep();
    await go(world, 17 * HOUR - 1);
    expect(fired(world)).toEqual([]);
    await go(world, 1);
    expect(fired(world)).toEqual(['05:00']);
  });

  test('a length of time apart, the same after a restart', async () => {
    const world = await openTriggerWorld([playbookOf([{ id: 'often', on: 'schedule', every: '90m' }])]);
    await world.sweep();
    for (let i = 0; i < 4; i++) await go(world, 30 * MINUTE);
    expect(fired(world)).toEqual(['13:30']);
    const next = await world.restart();
    await next.sweep();
    for (let i = 0; i < 5; i++) await go(next, 30 * MINUTE);
    expect(fired(next)).toEqual(['13:30', '15:00', '16:30']);
  });

  test('spread by its jitter, by the same amount after a restart, under the same name', async () => {
    const world = await openTriggerWorld([playbookOf([hourly({ jitter: '30m' })])]);
    await world.sweep();
    const before = due(world);
    expect(before).toHaveLength(1);
    const at = Number(before[0]?.split('/')[1]);
    expect(at).toBeGreaterThanOrEqual(world.clock.now() + HOUR);
    expect(at).toBeLessThan(world.clock.now() + HOUR + 30 * MINUTE);
    const next = await world.restart();
    await next.sweep();
    expect(due(next)).toEqual(before);
    await go(next, at - next.clock.now() - 1);
    expect(fired(next)).toEqual([]);
    await go(next, 1);
    expect(fired(next)).toEqual(['13:00']);
  });
});

describe('times at which nobody looked', () => {
  test.each<[string, number, readonly string[], readonly string[]]>([
    // The clock goes to 16:30; the times missed are 13:00 to 16:00.
    ['skip', 4.5 * HOUR, ['17:00'], ['trigger.scheduled', 'trigger.missed skip']],
    ['once', 4.5 * HOUR, ['13:00', '17:00'], ['trigger.scheduled', 'trigger.missed once']],
    ['all', 4.5 * HOUR, ['13:00', '14:00', '15:00', '16:00', '17:00'], ['trigger.scheduled']],
    // One alone that is late is no reason to speak of more.
    ['once', 1.5 * HOUR, ['13:00', '14:00'], ['trigger.scheduled']],
    // What is less than a minute late is on time.
    ['skip', HOUR + 59_000, ['13:00', '14:00'], ['trigger.scheduled']],
    ['skip', 4 * HOUR + 1_000, ['16:00', '17:00'], ['trigger.scheduled', 'trigger.missed skip']],
  ])('missed: %s, after %i ms', async (missed, away, times, told) => {
    const before = await openTriggerWorld([playbookOf([hourly({ missed })])]);
    await before.sweep();
    before.clock.advance(away);
    const world = await before.restart();
    await world.sweep(8);
    const next = Math.ceil(world.clock.now() / HOUR) * HOUR;
    await go(world, next - world.clock.now());
    expect(fired(world)).toEqual(times);
    expect(records(world)).toEqual(told);
  });

  test('all: at most 24 are made up for', async () => {
    const world = await openTriggerWorld([playbookOf([hourly({ missed: 'all' })])]);
    await world.sweep();
    world.clock.advance(1_000.5 * HOUR);
    await world.sweep(60);
    expect(world.standings()).toHaveLength(24);
    expect(records(world)).toEqual(['trigger.scheduled', 'trigger.missed all']);
  });
});

describe('no time fires twice', () => {
  test('a clock that is set back fires nothing again, and loses nothing', async () => {
    const world = await openTriggerWorld([playbookOf([hourly()])]);
    await world.sweep();
    await go(world, HOUR);
    world.clock.advance(-90 * MINUTE);
    const again = await world.restart();
    for (let i = 0; i < 9; i++) await go(again, 10 * MINUTE);
    expect(fired(again)).toEqual(['13:00']);
    for (let i = 0; i < 6; i++) await go(again, 10 * MINUTE);
    expect(fired(again)).toEqual(['13:00', '14:00']);
  });

  test('nor when the clock was set back and another version has the same times among others', async () => {
    const world = await openTriggerWorld([playbookOf([hourly()])]);
    await world.sweep();
    await go(world, HOUR);
    world.clock.advance(-90 * MINUTE);
    await world.activate(playbookOf([hourly({ cron: '*/30 * * * *' })]));
    for (let i = 0; i < 12; i++) await go(world, 10 * MINUTE);
    expect(fired(world)).toEqual(['13:00', '13:30']);
    expect(world.records().filter(({ kind }) => kind === 'event.repeated')).toEqual([]);
  });

  test('an event that has its name already is a repeat, and the schedule goes on', async () => {
    const world = await openTriggerWorld([playbookOf([hourly()])]);
    await world.sweep();
    await go(world, HOUR);
    // As if the row had been lost, and not the event.
    const state = JSON.parse(world.rows('trigger')[0]?.value ?? '{}');
    const at = world.clock.now();
    await world.store.write([
      {
        key: `${ORG}/trigger/answer/hourly`,
        value: JSON.stringify({ ...state, place: { ...state.place, at }, due: at }),
      },
      { key: due(world)[0] ?? '', value: null },
      { key: `!due/${String(at).padStart(15, '0')}/${ORG}/answer/hourly`, value: '{}' },
    ]);
    const next = await world.restart();
    await next.sweep(3);
    expect(fired(next)).toEqual(['13:00']);
    expect(next.standings()).toEqual(['running']);
    expect(next.records().filter(({ kind }) => kind === 'event.repeated')).toHaveLength(1);
    await go(next, HOUR);
    expect(fired(next)).toEqual(['13:00', '14:00']);
  });

  test('whatever the clock does, over restarts and new versions', async () => {
    const moves = fc.array(
      fc.oneof(
        fc.record({ kind: fc.constant('wait' as const), minutes: fc.integer({ min: 1, max: 200 }) }),
        fc.record({ kind: fc.constant('back' as const), minutes: fc.integer({ min: 1, max: 300 }) }),
        fc.record({
          kind: fc.constantFrom('restart' as const, 'version' as const),
          minutes: fc.integer({ min: 0, max: 90 }),
        }),
      ),
      { minLength: 1, maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(moves, fc.constantFrom('skip', 'once', 'all'), async (steps, missed) => {
        let world = await openTriggerWorld([playbookOf([hourly({ missed })])]);
        await world.sweep();
        for (const [i, { kind, minutes }] of steps.entries()) {
          if (kind === 'restart') world = await world.restart();
          // Other times in another version, of which some have fired already.
          const cron = i % 2 === 0 ? '*/30 * * * *' : '0 * * * *';
          if (kind === 'version')
            await world.activate(playbookOf([hourly({ missed, cron })], { description: `v${i}` }));
          await go(world, (kind === 'back' ? -1 : 1) * minutes * MINUTE);
        }
        // Every run was started by a time of its own.
        const events = world.records().filter(({ kind }) => kind === 'event.accepted');
        expect(world.rows('double')).toHaveLength(events.length);
        expect(world.records().filter(({ kind }) => kind === 'event.repeated')).toEqual([]);
        expect(due(world)).toHaveLength(1);
        expect(world.reported).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  test('on disk, over a restart', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'interlock-schedule-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const first = openLmdbStore(folder);
    const before = await openTriggerWorld([playbookOf([hourly(), seen({ limits: { rate: '1/d' } })])], {
      store: first,
    });
    await before.sweep();
    await go(before, HOUR);
    expect(await before.send()).toBe('matched');
    await first.close();
    const second = openLmdbStore(folder);
    onTestFinished(() => second.close());
    const world = await openTriggerWorld([], { store: second, clock: before.clock, life: 1 });
    await world.sweep(3);
    expect(fired(world)).toEqual(['13:00']);
    await go(world, HOUR);
    expect(fired(world)).toEqual(['13:00', '14:00']);
    expect(await world.send()).toBe('suppressed rate');
  });
});

describe('versions', () => {
  test('another time in a new version moves the row; the same time keeps it', async () => {
    const world = await openTriggerWorld([playbookOf([hourly()])]);
    await world.sweep();
    const [row = ''] = due(world);
    await world.activate(playbookOf([hourly()], { description: 'other words' }));
    await world.sweep();
    expect(due(world)).toEqual([row]);
    await world.activate(playbookOf([hourly({ cron: '30 * * * *' })]));
    await world.sweep();
    expect(due(world)).toEqual([row.replace(/\d{15}/, String(world.clock.now() + 30 * MINUTE).padStart(15, '0'))]);
    await go(world, 30 * MINUTE);
    expect(fired(world)).toEqual(['12:30']);
  });

  test('a version without the schedule ends it; with it again, it goes on from then', async () => {
    const world = await openTriggerWorld([playbookOf([hourly()])]);
    await world.sweep();
    await world.activate(playbookOf([seen()]));
    await go(world, 3 * HOUR);
    expect([fired(world), due(world)]).toEqual([[], []]);
    expect(records(world)).toEqual(['trigger.scheduled', 'trigger.unscheduled']);
    await world.activate(playbookOf([hourly()]));
    await go(world, HOUR);
    await go(world, HOUR);
    expect(fired(world)).toEqual(['17:00']);
  });
});

test('a firing has its name from the trigger and the instant alone', () => {
  const at = unixMs(Date.UTC(2026, 0, 1, 6));
  const name = { playbook: 'answer', trigger: 'hourly' };
  expect(firingOf(name, at)).toEqual(firingOf(name, at));
  expect(firingOf(name, at)).toMatchObject({ sourceId: `answer/hourly/${iso(at)}`, time: at });
});
