import { expect, test } from 'vitest';
import { unixMs } from '../base/time.ts';
import { pauseOf } from './retry-after.ts';

const NOW = unixMs(Date.UTC(2026, 0, 1, 12, 0, 0));

test.each([
  ['5', 5_000],
  [' 120 ', 120_000],
  ['0', undefined],
  ['-5', undefined],
  ['1.5', undefined],
  ['99999999999999999999', 86_400_000],
  ['Thu, 01 Jan 2026 12:00:30 GMT', 30_000],
  ['Thu, 01 Jan 2026 11:59:30 GMT', undefined],
  ['Sun, 01 Jan 2040 00:00:00 GMT', 86_400_000],
  ['Thursday, 01-Jan-26 12:00:30 GMT', undefined],
  ['2026-01-01T12:00:30Z', undefined],
  ['', undefined],
  ['9'.repeat(41), undefined],
])('%j asks for %s ms', (text, pause) => {
  expect(pauseOf(text, NOW)).toBe(pause);
});
