import fc from 'fast-check';
import { expect, test } from 'vitest';
import { unixMs } from '../base/time.ts';
import { nextTime } from './cron.ts';

const at = (text: string) => unixMs(Date.parse(text));
const times = (cron: string, zone: string, from: string, count: number) => {
  const found: string[] = [];
  let last = at(from);
  while (found.length < count) {
    const next = nextTime(cron, zone, last);
    if (next === undefined) break;
    found.push(new Date(next).toISOString().slice(0, 16));
    last = next;
  }
  return found;
};

test.each<[string, string, string, string, readonly string[]]>([
  ['weekdays', '0 6 * * 1-5', 'Europe/Vienna', '2026-11-27T05:00:00Z', ['2026-11-30T05:00', '2026-12-01T05:00']],
  ['strictly after', '0 6 * * *', 'UTC', '2026-11-27T06:00:00Z', ['2026-11-28T06:00']],
  [
    'a time that summer time leaves out',
    '30 2 * * *',
    'Europe/Vienna',
    '2026-03-28T00:00:00Z',
    ['2026-03-28T01:30', '2026-03-29T01:00', '2026-03-30T00:30'],
  ],
  [
    'a time that the change back shows twice',
    '30 2 * * *',
    'Europe/Vienna',
    '2026-10-24T00:00:00Z',
    ['2026-10-24T00:30', '2026-10-25T00:30', '2026-10-26T01:30'],
  ],
  [
    'every half hour over the change back',
    '*/30 * * * *',
    'Europe/Vienna',
    '2026-10-25T00:00:00Z',
    ['2026-10-25T00:30', '2026-10-25T01:00', '2026-10-25T01:30', '2026-10-25T02:00'],
  ],
  ['a leap year', '0 0 29 2 *', 'UTC', '2026-01-01T00:00:00Z', ['2028-02-29T00:00', '2032-02-29T00:00']],
])('%s', (_, cron, zone, from, expected) => {
  expect(times(cron, zone, from, expected.length)).toEqual(expected);
});

test('always later, for any instant, and the same each time it is asked', () => {
  const crons = fc.constantFrom('* * * * *', '30 2 * * *', '0 6 * * 1-5', '15 2 25 10 *', '59 23 31 12 *');
  const zones = fc.constantFrom('UTC', 'Europe/Vienna', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu');
  fc.assert(
    fc.property(
      crons,
      zones,
      fc.integer({ min: at('2020-01-01T00:00:00Z'), max: at('2040-01-01T00:00:00Z') }),
      (cron, zone, from) => {
        const next = nextTime(cron, zone, unixMs(from));
        expect(next).toBeGreaterThan(from);
        expect(nextTime(cron, zone, unixMs(from))).toBe(next);
        // Nothing lies between: asked from just before, it is still the next.
        expect(nextTime(cron, zone, unixMs((next ?? 0) - 1))).toBe(next);
      },
    ),
  );
});
