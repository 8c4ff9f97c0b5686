import { LIMITS } from './limits.ts';

/**
 * Time as branded numbers, so that an instant and a length cannot be swapped. No clock here: `now` is an argument.
 */
export type UnixMs = number & { readonly __unixMs: true };
export type DurationMs = number & { readonly __durationMs: true };

export const unixMs = (value: number): UnixMs => value as UnixMs;
export const durationMs = (value: number): DurationMs => value as DurationMs;
export const after = (instant: UnixMs, length: DurationMs): UnixMs => (instant + length) as UnixMs;

/** RFC 3339 in UTC with milliseconds; what every API answer carries. */
export const iso = (instant: UnixMs): string => new Date(instant).toISOString();

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Form of a duration in playbooks and policies: a whole number and one unit, e.g. `250ms`, `5s`, `30m`, `4h`, `7d`. */
const DURATION_PATTERN = /^([1-9][0-9]{0,8})(ms|s|m|h|d)$/;

/** Longest time that anything waits, and longest time that one try or the wait before it takes. */
export const LONGEST_WAIT = durationMs(LIMITS.runDays.value * 86_400_000);
export const LONGEST_TRY = durationMs(LIMITS.stepHours.value * 3_600_000);

/** Whether `text` is a duration of at most this length. */
export const isDurationUpTo = (text: string, most: DurationMs): boolean => (parseDuration(text) ?? Infinity) <= most;

/** @returns the length in milliseconds, or undefined when `text` is not a duration (see DURATION_PATTERN). */
export function parseDuration(text: string): DurationMs | undefined {
  const match = DURATION_PATTERN.exec(text);
  const unit = UNIT_MS[match?.[2] ?? ''];
  return match && unit ? durationMs(Number(match[1]) * unit) : undefined;
}

const RFC3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,12})?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** RFC 3339 section 5.6 from 1970 on, cut to milliseconds. A leap second and a day that the month lacks are none. */
export function parseTimestamp(timestamp: string): UnixMs | undefined {
  const match = RFC3339.exec(timestamp);
  if (!match) return undefined;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  // Date.parse takes 30 February for 2 March; the last day of a month is day 0 of the next.
  if (month < 1 || month > 12 || day < 1 || day > new Date(Date.UTC(year, month, 0)).getUTCDate()) return undefined;
  const instant = Date.parse(timestamp);
  return instant >= 0 ? unixMs(instant) : undefined;
}
