import fc from 'fast-check';
import { expect, test } from 'vitest';
import { unixMs } from '../base/time.ts';
import { type Hour, note, sumOf, sumSince } from './tally.ts';

const HOUR = 3_600_000;
const START = 500_000 * HOUR;

test('sums the current hour and the 24 before it, each fate by itself', () => {
  let hours: readonly Hour[] = [];
  const at = (hour: number) => unixMs(START + hour * HOUR);
  hours = note(hours, at(0), 'started');
  hours = note(hours, at(1.5), 'rate');
  hours = note(hours, at(1.9), 'rate');
  hours = note(hours, at(24), 'absorbed');
  expect(sumOf(hours, at(24.9))).toEqual({ started: 1, rate: 2, absorbed: 1 });
  expect(sumOf(hours, at(25))).toEqual({ rate: 2, absorbed: 1 });
  expect(sumOf(hours, at(60))).toEqual({});
  expect(sumSince(at(25.5))).toBe(at(1));
});

test('keeps at most 25 hours, in order, and loses nothing of them', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3 * HOUR), { maxLength: 100 }), (waits) => {
      let now = START;
      let hours: readonly Hour[] = [];
      const noted: number[] = [];
      for (const wait of waits) {
        now += wait;
        hours = note(hours, unixMs(now), 'started');
        noted.push(now);
      }
      expect(hours.length).toBeLessThanOrEqual(25);
      expect(hours.map(({ hour }) => hour)).toEqual([...new Set(hours.map(({ hour }) => hour))].sort((a, b) => a - b));
      const since = sumSince(unixMs(now));
      expect(sumOf(hours, unixMs(now)).started ?? 0).toBe(noted.filter((at) => at >= since).length);
    }),
  );
});

test('hours to come, of a clock that was set back, are left out', () => {
  const hours = note(note([], unixMs(START + 5 * HOUR), 'started'), unixMs(START), 'rate');
  expect(sumOf(hours, unixMs(START))).toEqual({ rate: 1 });
});
