import { expect, test } from 'vitest';
import { liftTurn, readTurn } from './upcast.ts';

/** Turns of older kernels are lifted step by step; those of later ones are refused, not guessed at. */
const today = { v: 1, at: 1_800_000_000_000, seq: 7, events: [{ kind: 'run-cancel', by: 'ann', reason: 'no' }] };

test('a turn of today comes as it was stored', () => {
  expect(readTurn(JSON.stringify(today))).toEqual(today);
});

test('an older form goes through every step from its version on, and through none before it', () => {
  // As if the field had been called `time` in version 0, and seconds in version -1.
  const lifts = {
    [-1]: (turn: object) => ({ ...turn, v: 0, time: (turn as { time: number }).time * 1_000 }),
    0: ({ time, ...turn }: { time?: number }) => ({ ...turn, v: 1, at: time }),
  };
  const { at, ...rest } = today;
  expect(liftTurn({ ...rest, v: 0, time: at } as never, lifts as never)).toEqual(today);
  expect(liftTurn({ ...rest, v: -1, time: at / 1_000 } as never, lifts as never)).toEqual(today);
});

test.each([
  ['of a later kernel', { ...today, v: 2 }],
  ['of a form that nothing lifts', { ...today, v: 0 }],
])('a turn %s is refused', (_, turn) => {
  expect(() => readTurn(JSON.stringify(turn))).toThrow(/turn/);
});
