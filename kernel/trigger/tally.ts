import type { Suppressed } from '../../sdk/contract/api-trigger.ts';
import { type UnixMs, unixMs } from '../base/time.ts';

/**
 * What became of a trigger's matches, hour by hour, for the last 24 hours. A few numbers for each hour that had any, so
 * that it fits the trigger's row.
 */
export type Fate = 'started' | 'queued' | 'absorbed' | 'failed' | Suppressed;
export type Hour = { readonly hour: number; readonly fates: Readonly<Partial<Record<Fate, number>>> };

const HOUR_MS = 3_600_000;
/** The current hour and the 24 before it: at least the last 24 hours, at most 25. */
const HOURS = 25;

const hourOf = (now: UnixMs) => Math.floor(now / HOUR_MS);

/** Of a clock that was set back: what was counted in hours that are now to come is left out. */
const lately = (hours: readonly Hour[], now: UnixMs) =>
  hours.filter(({ hour }) => hour <= hourOf(now) && hour > hourOf(now) - HOURS);

/** @returns the hours with one more. */
export function note(hours: readonly Hour[], now: UnixMs, fate: Fate): readonly Hour[] {
  const kept = lately(hours, now);
  const hour = hourOf(now);
  const last = kept.at(-1);
  const fates = last?.hour === hour ? last.fates : {};
  const before = last?.hour === hour ? kept.slice(0, -1) : kept;
  return [...before, { hour, fates: { ...fates, [fate]: (fates[fate] ?? 0) + 1 } }];
}

/** The sums as of now. */
export function sumOf(hours: readonly Hour[], now: UnixMs): Readonly<Partial<Record<Fate, number>>> {
  const sums: Partial<Record<Fate, number>> = {};
  for (const { fates } of lately(hours, now))
    for (const [fate, count] of Object.entries(fates) as [Fate, number][]) sums[fate] = (sums[fate] ?? 0) + count;
  return sums;
}

/** When the oldest hour of a sum as of now began. */
export const sumSince = (now: UnixMs): UnixMs => unixMs((hourOf(now) - HOURS + 1) * HOUR_MS);
