import { Cron } from 'croner';
import { parseDuration, type UnixMs, unixMs } from '../base/time.ts';

/**
 * When a schedule is due. The one place that knows the cron library; no clock of its own: the instant to go on from is
 * an argument.
 *
 * A wall-clock time that a change to summer time leaves out is due when the clocks have been put forward; one that the
 * change back shows twice is due once. Day of month and day of week are joined by "or" when both are given, as in cron.
 */
const CHARS = 128;
/** Begins what is no cron: times that are a length of time apart. */
export const EVERY = 'every ';
/** Years that are tried for a first time: more than two leap years and every weekday of a 29 February. */
const SOME_START = new Date(Date.UTC(2000, 0, 1));

const parsed = new Map<string, Cron>();
const KEPT = 1_024;

function toCron(cron: string, zone: string): Cron {
  const key = `${zone} ${cron}`;
  const known = parsed.get(key);
  if (known) return known;
  const made = new Cron(cron, { timezone: zone, mode: '5-part', paused: true });
  if (parsed.size >= KEPT) parsed.delete(parsed.keys().next().value ?? '');
  parsed.set(key, made);
  return made;
}

/** Five fields that can be read and that some day fits. */
export function isCron(text: string): boolean {
  if (text.length > CHARS || !/^[^\s@]+(?: [^\s@]+){4}$/.test(text)) return false;
  try {
    return new Cron(text, { timezone: 'UTC', mode: '5-part', paused: true }).nextRun(SOME_START) !== null;
  } catch {
    return false;
  }
}

/** A zone of the IANA database. Offsets such as +01:00 know no summer time and are refused. */
export function isZone(text: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(text)) return false;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/**
 * The first time after `after`, strictly; undefined when there is none any more. Of `every 90m` the times are the whole
 * multiples since 1970 in UTC, so that they need no first one and a restart moves none. All is checked text.
 */
export function nextTime(cron: string, zone: string, after: UnixMs): UnixMs | undefined {
  const every = cron.startsWith(EVERY) ? parseDuration(cron.slice(EVERY.length)) : undefined;
  if (every !== undefined) return unixMs((Math.floor(after / every) + 1) * every);
  const next = toCron(cron, zone).nextRun(new Date(after));
  // A time that is not later would be due for ever.
  return next && next.getTime() > after ? unixMs(next.getTime()) : undefined;
}
