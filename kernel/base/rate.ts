import { LIMITS } from './limits.ts';
import { type DurationMs, parseDuration } from './time.ts';

/** So many in any time of this length. As a document writes it: `20/m`, `3/12h`. */
export type Rate = { readonly most: number; readonly span: DurationMs };

const RATE_PATTERN = /^([1-9][0-9]{0,5})\/((?:[1-9][0-9]{0,3})?[smhd])$/;
const LONGEST = LIMITS.runDays.value * 86_400_000;

/** What a rate looks like, for whoever wrote one that is none. */
export const RATE_FORM =
  'a number from 1 to 999999 per s, m, h or d, such as 20/m; an hour may be written 1h, a longer time 12h or 7d, up to 30d';

/** @returns undefined when `text` is not a rate, or its time is longer than 30 days. */
export function parseRate(text: string): Rate | undefined {
  const [, most, length = ''] = RATE_PATTERN.exec(text) ?? [];
  const span = parseDuration(/^[0-9]/.test(length) ? length : `1${length}`);
  return most && span && span <= LONGEST ? { most: Number(most), span } : undefined;
}
