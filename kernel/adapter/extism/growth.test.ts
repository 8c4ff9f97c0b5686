import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Cell } from './cell.ts';
import { openGrowth } from './growth.ts';

type Phase = ReturnType<Cell['phase']>;

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

/** A pool on two processors whose calls wait all the time; its cells are in their phase for so many milliseconds. */
function poolOf(...cells: readonly (readonly [Phase, number])[]) {
  let isShort = true;
  const add = vi.fn();
  const growth = openGrowth({
    cells: cells.map(([phase, ms]) => ({ phase: () => phase, phaseMs: () => ms })),
    isShort: () => isShort,
    add,
    processors: 2,
  });
  const served = () => {
    isShort = false;
  };
  return { growth, add, served };
}

describe('calls wait and no cell is free: whether one more cell is added', () => {
  test.each<[string, (readonly [Phase, number])[], boolean]>([
    [
      'both run short calls',
      [
        ['running', 2],
        ['running', 1],
      ],
      false,
    ],
    [
      'one waits for the world outside',
      [
        ['blocked', 20],
        ['running', 1],
      ],
      true,
    ],
    [
      'one spins',
      [
        ['running', 60],
        ['running', 1],
      ],
      true,
    ],
    [
      'one asked a moment ago',
      [
        ['blocked', 0.5],
        ['running', 1],
      ],
      false,
    ],
    [
      'three of which one waits: two are enough',
      [
        ['blocked', 20],
        ['running', 1],
        ['running', 1],
      ],
      false,
    ],
    [
      'three of which two wait',
      [
        ['blocked', 20],
        ['blocked', 20],
        ['running', 1],
      ],
      true,
    ],
    [
      'all wait',
      [
        ['blocked', 900],
        ['blocked', 900],
        ['blocked', 900],
      ],
      true,
    ],
    ['there are fewer cells than processors', [['running', 1]], true],
    [
      'one is being started already',
      [
        ['blocked', 20],
        ['blocked', 20],
        ['starting', 5],
      ],
      false,
    ],
  ])('%s', (_, cells, grows) => {
    const { growth, add } = poolOf(...cells);
    growth.consider();
    vi.advanceTimersByTime(10);
    expect(add).toHaveBeenCalledTimes(grows ? 1 : 0);
  });

  test('not before two looks in a row agree', () => {
    const { growth, add } = poolOf(['blocked', 20], ['running', 1]);
    growth.consider();
    vi.advanceTimersByTime(9);
    expect(add).not.toHaveBeenCalled();
  });

  test('not when the calls are served meanwhile', () => {
    const { growth, add, served } = poolOf(['blocked', 20], ['blocked', 20]);
    growth.consider();
    served();
    vi.advanceTimersByTime(100);
    expect(add).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('not after the pool was closed', () => {
    const { growth, add } = poolOf(['blocked', 20], ['blocked', 20]);
    growth.consider();
    growth.stop();
    vi.advanceTimersByTime(100);
    expect(add).not.toHaveBeenCalled();
  });
});
