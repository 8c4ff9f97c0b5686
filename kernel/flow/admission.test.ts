import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openTriggerWorld, playbookOf, seen } from '../../test/support/trigger-world.ts';
import { openLmdbStore } from '../adapter/lmdb/store.ts';

const dedup = (repeat: string) => ({ dedup: { key: ['/host'], window: '30m', repeat } });
const kinds = (world: { records(): readonly Record<string, unknown>[] }, prefix: string) =>
  world
    .records()
    .filter(({ kind }) => String(kind).startsWith(prefix))
    .map(({ kind, outcome }) => `${kind} ${outcome}`);

describe('repeats', () => {
  test('drop: the run takes it in, and nothing is counted on it', async () => {
    const world = await openTriggerWorld([playbookOf([seen(dedup('drop'))])]);
    expect([await world.send({ host: 'a' }), await world.send({ host: 'a' }), await world.send({ host: 'b' })]).toEqual(
      ['matched', 'absorbed', 'matched'],
    );
    expect(world.rows('absorbed')).toEqual([]);
    expect(kinds(world, 'trigger.')).toEqual(['trigger.absorbed drop']);
    world.clock.advance(30 * 60_000);
    expect(await world.send({ host: 'a' })).toBe('matched');
  });

  test('coalesce: the run says how many it took in, and the last, in one row', async () => {
    const world = await openTriggerWorld([playbookOf([seen(dedup('coalesce'))])]);
    const first = await world.receive({ host: 'a' });
    for (let i = 0; i < 5; i++) await world.receive({ host: 'a' });
    const last = await world.receive({ host: 'a' });
    expect(last.triggers).toMatchObject([{ outcome: 'absorbed', run: first.triggers[0]?.run }]);
    expect(world.rows('absorbed').map(({ value }) => JSON.parse(value))).toEqual([
      { events: 6, last: last.event, at: world.clock.now() },
    ]);
    expect(kinds(world, 'trigger.')).toEqual(Array(6).fill('trigger.absorbed coalesce'));
    expect(world.records().filter(({ kind }) => kind === 'trigger.absorbed')).toMatchObject(
      Array(6).fill({ run: first.triggers[0]?.run, ref: 'answer/seen' }),
    );
  });

  test('queue: one after the other, and at most 8 wait', async () => {
    const world = await openTriggerWorld([playbookOf([seen(dedup('queue'))])]);
    expect(await world.send({ host: 'a' })).toBe('matched');
    for (let i = 0; i < 8; i++) expect(await world.send({ host: 'a' })).toBe('queued');
    expect(await world.send({ host: 'a' })).toBe('suppressed queue_full');
    expect(await world.send({ host: 'b' })).toBe('matched');
    expect(world.standings()).toEqual(['running', ...Array(8).fill('pending'), 'running']);
    await world.end(0);
    expect(world.standings().slice(0, 3)).toEqual(['ended', 'running', 'pending']);
    expect(await world.send({ host: 'a' })).toBe('queued');
    await world.end(1);
    expect(world.standings().slice(1, 4)).toEqual(['ended', 'running', 'pending']);
  });

  test('queue: one that waits and is cancelled lets none begin before its turn', async () => {
    const world = await openTriggerWorld([playbookOf([seen(dedup('queue'))])]);
    for (let i = 0; i < 3; i++) await world.send({ host: 'a' });
    await world.end(1);
    expect(world.standings()).toEqual(['running', 'ended', 'pending']);
    await world.end(0);
    expect(world.standings()).toEqual(['ended', 'ended', 'running']);
  });

  test('queue: when the one before has ended, the next begins at once', async () => {
    const world = await openTriggerWorld([playbookOf([seen(dedup('queue'))])]);
    await world.send({ host: 'a' });
    await world.end(0);
    expect(await world.send({ host: 'a' })).toBe('matched');
  });

  test('restart: the run before is cancelled, and the new one begins when it has ended', async () => {
    const world = await openTriggerWorld([playbookOf([seen(dedup('restart'))])]);
    expect([await world.send({ host: 'a' }), await world.send({ host: 'a' }), await world.send({ host: 'a' })]).toEqual(
      ['matched', 'queued', 'queued'],
    );
    expect(world.standings()).toEqual(['superseded', 'superseded', 'running']);
    expect(kinds(world, 'trigger.')).toEqual(['trigger.queued restart', 'trigger.queued restart']);
    expect(world.rows('pending')).toEqual([]);
  });

  test('a second delivery of one event changes nothing', async () => {
    const world = await openTriggerWorld([playbookOf([seen(dedup('restart'))])]);
    expect([await world.send({ host: 'a' }, 'e'), await world.send({ host: 'a' }, 'e')]).toEqual([
      'matched',
      'absorbed',
    ]);
    expect(world.standings()).toEqual(['running']);
  });

  test('old rows go with new ones', async () => {
    const world = await openTriggerWorld([playbookOf([seen(dedup('drop'))])]);
    for (let i = 0; i < 200; i++) {
      await world.send({ host: `h${i}` });
      world.clock.advance(60_000);
    }
    expect(world.rows('dedup').length).toBeLessThan(40);
    expect(world.rows('forget').length).toBe(world.rows('dedup').length);
    expect(await world.send({ host: 'h199' })).toBe('absorbed');
  });
});

test('a row that is written anew is not taken for the old one, also before it is on disk', async () => {
  const world = await openTriggerWorld([playbookOf([seen(dedup('drop'))])]);
  await world.send({ host: 'a' });
  world.clock.advance(31 * 60_000);
  await Promise.all([world.send({ host: 'a' }), world.send({ host: 'b' })]);
  expect(await world.send({ host: 'a' })).toBe('absorbed');
});

describe('limits', () => {
  test('rate: no more than so many runs in any such time, and each that is held back says so', async () => {
    const world = await openTriggerWorld([playbookOf([seen({ limits: { rate: ['2/m', '3/h'] } })])]);
    const sent = [];
    for (let i = 0; i < 3; i++) sent.push(await world.send());
    world.clock.advance(67_000);
    for (let i = 0; i < 2; i++) sent.push(await world.send());
    expect(sent).toEqual(['matched', 'matched', 'suppressed rate', 'matched', 'suppressed rate']);
    expect(kinds(world, 'trigger.')).toEqual(['trigger.suppressed rate', 'trigger.suppressed rate']);
  });

  test('cooldown: none for the same thing, and it names the run before', async () => {
    const limits = { cooldown: { key: ['/host'], for: '10m' } };
    const world = await openTriggerWorld([playbookOf([seen({ limits })])]);
    const first = await world.receive({ host: 'a' });
    expect((await world.receive({ host: 'a' })).triggers).toMatchObject([
      { outcome: 'suppressed', reason: 'cooldown', run: first.triggers[0]?.run, until: world.clock.now() + 600_000 },
    ]);
    expect(await world.send({ host: 'b' })).toBe('matched');
    expect(await world.send({})).toBe('missing_fields');
    world.clock.advance(600_000);
    expect(await world.send({ host: 'a' })).toBe('matched');
  });

  test.each([
    ['rate', { rate: '1/m' }],
    ['burst', { burst: { over: '2/m', then: 'suppress', alert: 'soc-lead' } }],
  ])('%s: says until when, and then it is over', async (_, limits) => {
    const world = await openTriggerWorld([playbookOf([seen({ limits })])]);
    for (const _ of [1, 2, 3]) await world.send();
    const { until } = (await world.receive({ host: 'a' })).triggers[0] ?? {};
    expect(until).toBeGreaterThan(world.clock.now());
    world.clock.advance((until ?? 0) - world.clock.now());
    expect(await world.send()).toBe('matched');
  });

  test('burst: told once when it begins and once when it is over', async () => {
    const limits = { burst: { over: '3/m', then: 'suppress', alert: 'soc-lead' } };
    const world = await openTriggerWorld([playbookOf([seen({ limits })])]);
    const sent = [];
    for (let i = 0; i < 6; i++) sent.push(await world.send());
    expect(sent).toEqual([...Array(3).fill('matched'), ...Array(3).fill('suppressed burst')]);
    const alerts = () =>
      world
        .rows('lifecycle')
        .map(({ value }) => JSON.parse(value))
        .filter(({ type }) => type === 'interlock.trigger.burst');
    const burst = (outcome: string) => ({
      type: 'interlock.trigger.burst',
      subject: 'answer/seen',
      data: { playbook: 'answer', trigger: 'seen', outcome, alert: 'soc-lead' },
    });
    expect(alerts()).toMatchObject([burst('began')]);
    world.clock.advance(67_000);
    expect(await world.send()).toBe('matched');
    expect(alerts()).toMatchObject([burst('began'), burst('over')]);
    expect(kinds(world, 'trigger.burst')).toEqual(['trigger.burst began', 'trigger.burst over']);
  });

  test('burst: is over by itself when nothing more comes, also after a restart', async () => {
    const limits = { burst: { over: '3/m', then: 'suppress', alert: 'soc-lead' } };
    const before = await openTriggerWorld([playbookOf([seen({ limits })])]);
    for (let i = 0; i < 4; i++) await before.send();
    const world = await before.restart();
    await world.sweep();
    expect(kinds(world, 'trigger.burst')).toEqual(['trigger.burst began']);
    expect(await world.send()).toBe('suppressed burst');
    // Its row is due for the matches that began it; the later one keeps it going until it is looked at again.
    world.clock.advance(66_000);
    await world.sweep(3);
    world.clock.advance(600_000);
    await world.sweep(3);
    expect(kinds(world, 'trigger.burst')).toEqual(['trigger.burst began', 'trigger.burst over']);
    expect(world.store.range({ from: '!due/', to: '!due0', limit: 9 })).toEqual([]);
  });

  test('all of it outlives a restart', async () => {
    const limits = { rate: '2/h', cooldown: { key: ['/host'], for: '10m' } };
    const before = await openTriggerWorld([playbookOf([seen({ limits, ...dedup('drop') })])]);
    await before.send({ host: 'a' });
    const world = await before.restart();
    expect(await world.send({ host: 'a' })).toBe('absorbed');
    world.clock.advance(31 * 60_000);
    expect(await world.send({ host: 'a' })).toBe('matched');
    expect(await world.send({ host: 'b' })).toBe('suppressed rate');
  });

  test('a match costs no row of its own: the trigger has one', async () => {
    const world = await openTriggerWorld([playbookOf([seen({ limits: { rate: '1/d' } })])]);
    for (let i = 0; i < 50; i++) await world.send();
    expect(world.rows('trigger')).toHaveLength(1);
    expect(world.rows('trigger')[0]?.value.length).toBeLessThan(1_000);
  });
});

describe('places among the runs of a playbook', () => {
  test('queue: they begin in their order as places become free', async () => {
    const world = await openTriggerWorld([playbookOf([seen()], { concurrency: { limit: 2 } })]);
    const sent = [];
    for (let i = 0; i < 5; i++) sent.push(await world.send());
    expect(sent).toEqual(['matched', 'matched', 'queued', 'queued', 'queued']);
    expect(kinds(world, 'trigger.queued')).toEqual(Array(3).fill('trigger.queued concurrency'));
    await world.end(1);
    expect(world.standings()).toEqual(['running', 'ended', 'running', 'pending', 'pending']);
    await world.end(3);
    await world.end(0);
    expect(world.standings()).toEqual(['ended', 'ended', 'running', 'ended', 'running']);
  });

  test('drop: one more is none', async () => {
    const world = await openTriggerWorld([playbookOf([seen()], { concurrency: { limit: 1, over: 'drop' } })]);
    expect([await world.send(), await world.send()]).toEqual(['matched', 'suppressed concurrency']);
    await world.end(0);
    expect(await world.send()).toBe('matched');
  });

  test('a place that becomes free while an event is looked at is taken', async () => {
    const once = { concurrency: { limit: 1, over: 'drop' } };
    const world = await openTriggerWorld([playbookOf([seen()], once), playbookOf([seen()], {}, 'later')]);
    await world.send();
    world.meanwhile(() => world.end(0));
    expect(await world.send()).toBe('matched, matched');
  });

  test('two triggers of one event count one after the other', async () => {
    const both = [seen(), { ...seen(), id: 'seen-again' }];
    const world = await openTriggerWorld([playbookOf(both, { concurrency: { limit: 1 } })]);
    expect(await world.send()).toBe('matched, queued');
  });

  test('after a restart they still begin in their order', async () => {
    const before = await openTriggerWorld([playbookOf([seen()], { concurrency: { limit: 1 } })]);
    for (let i = 0; i < 3; i++) await before.send();
    const world = await before.restart();
    expect(world.standings()).toEqual(['running', 'pending', 'pending']);
    await world.end(0);
    expect(world.standings()).toEqual(['ended', 'running', 'pending']);
    expect(await world.send()).toBe('queued');
  });

  test('on disk too, beside repeats, cooldowns and things above', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'interlock-admission-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const risky = {
      id: 'risky',
      on: 'condition',
      where: { fact: 'event', path: '/score', operator: 'greaterThan', value: 80 },
      crosses: { key: ['/host'] },
    };
    const texts = [
      playbookOf([seen(dedup('coalesce'))], { concurrency: { limit: 1 } }),
      playbookOf([risky], {}, 'later'),
      playbookOf([seen({ limits: { cooldown: { key: ['/host'], for: '1d' } } })], {}, 'once'),
    ];
    const first = openLmdbStore(folder);
    const before = await openTriggerWorld(texts, { store: first });
    expect(await before.send({ host: 'a', score: 90 })).toBe('matched, matched, matched');
    expect(await before.send({ host: 'b', score: 90 })).toBe('queued, matched, matched');
    await first.close();
    const second = openLmdbStore(folder);
    onTestFinished(() => second.close());
    const world = await openTriggerWorld([], { store: second, clock: before.clock, life: 1 });
    expect(await world.send({ host: 'b', score: 90 })).toBe('absorbed, not_crossed, suppressed cooldown');
    const waiting = world.runs().findIndex(({ standing }) => standing === 'pending');
    const running = world.runs().findIndex(({ playbook }) => playbook === 'answer');
    await world.end(running);
    expect(world.standings()[waiting]).toBe('running');
  });

  test('what was owed when the kernel stopped is done at its start', async () => {
    const before = await openTriggerWorld([playbookOf([seen(dedup('restart'))])]);
    await before.send({ host: 'a' });
    // The kernel ends between the commit of the new run and the end of the one before.
    const row = {
      org: 'acme',
      playbook: 'answer',
      run: 'run_new',
      after: [before.runs()[0]?.id],
      supersedes: true,
      limit: null,
    };
    const kept = { id: 'run_new', playbook: 'answer', standing: 'pending', reason: null };
    await before.store.write([
      { key: 'acme/pending/answer/run_new', value: JSON.stringify(row) },
      { key: 'acme/double/run_new', value: JSON.stringify(kept) },
    ]);
    const world = await before.restart();
    await world.settle();
    expect(world.standings().sort()).toEqual(['running', 'superseded']);
  });
});
