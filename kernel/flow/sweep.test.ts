import { describe, expect, test } from 'vitest';
import { openManualClock } from '../adapter/memory/clock.ts';
import { openMemoryStore } from '../adapter/memory/store.ts';
import { within } from './keys.ts';
import { openSweep } from './sweep.ts';

const keyOf = (index: number) => `!due/${index.toString().padStart(4, '0')}`;
const microtasks = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Due rows, and a scheduler that lets others go first when the test says so. */
async function world(rows: number, tell: (key: string) => Promise<boolean> = async () => true) {
  const store = openMemoryStore();
  await store.write(Array.from({ length: rows }, (_, index) => ({ key: keyOf(index), value: '{}' })));
  const told: string[] = [];
  const waiting: (() => void)[] = [];
  const reported: unknown[] = [];
  const state = { healthy: true };
  const { sweep, stop } = openSweep({
    store,
    ledger: { read: store.get, healthy: () => state.healthy },
    clock: openManualClock(0),
    report: (defect) => void reported.push(defect),
    scheduler: { soon: (task) => void waiting.push(task) },
    span: () => within('!due'),
    tell({ key }) {
      told.push(key);
      return tell(key);
    },
  });
  /** @returns how many rows were told in each stretch, until none waits for its turn. */
  const stretches = async () => {
    const lengths: number[] = [];
    let before = 0;
    for (;;) {
      await microtasks();
      lengths.push(told.length - before);
      before = told.length;
      const next = waiting.shift();
      if (!next) return lengths;
      next();
    }
  };
  return { store, told, waiting, reported, state, sweep, stop, stretches };
}

describe('a sweep lets others go first', () => {
  test.each([
    [0, [0]],
    [1, [1]],
    [8, [8]],
    [9, [8, 1]],
    [30, [8, 8, 8, 6]],
    [300, Array.from({ length: 32 }, () => 8)],
  ])('after a few rows of %i, and in their order', async (rows, lengths) => {
    const { told, sweep, stretches } = await world(rows);
    const swept = sweep();
    expect(await stretches()).toEqual(lengths);
    await swept;
    expect(told).toEqual(Array.from({ length: Math.min(rows, 256) }, (_, index) => keyOf(index)));
  });

  test('and is not doubled meanwhile', async () => {
    const { told, sweep, stretches } = await world(20);
    const swept = sweep();
    await microtasks();
    await sweep();
    expect(told).toHaveLength(8);
    await stretches();
    await swept;
    expect(told).toHaveLength(20);
  });

  test('and waits for nothing that comes of the rows before', async () => {
    const first = Promise.withResolvers<boolean>();
    const { told, sweep, stretches } = await world(9, async (key) => (key === keyOf(0) ? first.promise : true));
    const swept = sweep();
    expect(await stretches()).toEqual([8, 1]);
    first.resolve(true);
    await swept;
    expect(told).toHaveLength(9);
  });

  test('and does not tell what they have moved', async () => {
    const { store, told, sweep, stretches } = await world(10);
    const swept = sweep();
    await microtasks();
    await store.write([
      { key: keyOf(8), value: null },
      { key: keyOf(9), value: '{"another":true}' },
    ]);
    expect(await stretches()).toEqual([8, 0]);
    await swept;
    const next = sweep();
    await stretches();
    await next;
    expect(told).not.toContain(keyOf(8));
    expect(told).toContain(keyOf(9));
  });

  test('and goes no further once it is stopped', async () => {
    const { told, sweep, stop, stretches } = await world(20);
    const swept = sweep();
    await microtasks();
    stop();
    await stretches();
    await swept;
    await sweep();
    expect(told).toHaveLength(8);
  });

  test('and a record that fails between two turns ends it', async () => {
    const { reported, state, sweep, stretches } = await world(20, () => Promise.reject(new Error('the record')));
    state.healthy = false;
    const failed = expect(sweep()).rejects.toThrow('the record');
    await stretches();
    await failed;
    expect(reported).toEqual([]);
  });
});
