import fc from 'fast-check';
import { expect, test } from 'vitest';
import { durationMs, unixMs } from './time.ts';
import { add, countOf, EMPTY, emptyBy, type Window } from './window.ts';

const SPAN = durationMs(60_000);
const START = 1_800_000_000_000;

/** Lets through what a count below `most` allows; says when each was. */
function letThrough(steps: readonly number[], most: number): { at: number[]; window: Window } {
  let now = START;
  let window = EMPTY;
  const at: number[] = [];
  for (const step of steps) {
    now += step;
    if (countOf(window, unixMs(now), SPAN) >= most) continue;
    window = add(window, unixMs(now), SPAN);
    at.push(now);
  }
  return { at, window };
}
const steps = fc.array(fc.oneof(fc.nat(100), fc.nat(7_000), fc.nat(90_000)), { minLength: 1, maxLength: 400 });

test('never more than N in any time of the span', () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 20 }), (waits, most) => {
      const { at } = letThrough(waits, most);
      for (const [i, first] of at.entries()) expect(at[i + most] ?? Infinity).toBeGreaterThanOrEqual(first + SPAN);
    }),
  );
});

test('holds nothing back for more than a tenth of the span too long', () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 20 }), (waits, most) => {
      let now = START;
      let window = EMPTY;
      const let_: number[] = [];
      for (const wait of waits) {
        now += wait;
        const recent = let_.filter((at) => at > now - SPAN * 1.1).length;
        const fits = countOf(window, unixMs(now), SPAN) < most;
        if (recent < most) expect(fits).toBe(true);
        if (!fits) continue;
        window = add(window, unixMs(now), SPAN);
        let_.push(now);
      }
    }),
  );
});

test('a clock that is set back takes nothing from the count', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(5_000), fc.nat(200_000)), { maxLength: 60 }),
      fc.integer({ min: 1, max: 9 }),
      (moves, most) => {
        let real = START;
        let back = 0;
        let window = EMPTY;
        const at: number[] = [];
        for (const [wait, setBack] of moves) {
          real += wait;
          back += setBack > 150_000 ? setBack : 0;
          const now = unixMs(real - back);
          if (countOf(window, now, SPAN) >= most) continue;
          window = add(window, now, SPAN);
          at.push(real);
        }
        for (const [i, first] of at.entries()) expect(at[i + most] ?? Infinity).toBeGreaterThanOrEqual(first + SPAN);
      },
    ),
  );
});

test('stays small, and is empty when it says so', () => {
  fc.assert(
    fc.property(steps, (waits) => {
      const { at, window } = letThrough(waits, 1_000);
      expect(window.counts.length).toBeLessThanOrEqual(11);
      const last = unixMs(at.at(-1) ?? START);
      expect(countOf(window, emptyBy(last, SPAN), SPAN)).toBe(0);
    }),
  );
});
