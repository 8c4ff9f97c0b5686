import type { DurationMs, UnixMs } from './time.ts';

/**
 * Counts what happened lately in a few numbers, whatever the number of events: the time is cut into slices of a tenth
 * of the span, and the current slice and the ten before it are counted. So a count is never too low: it covers at least
 * the whole span behind now, and at most a tenth of it more. Whoever lets something happen only while the count is below
 * N lets no more than N happen in any time of that span, and holds something back for at most a tenth of it too long.
 *
 * A clock that is set back takes nothing from the count: what was counted in slices that are now to come is counted
 * into the current one.
 */
export type Window = {
  /** Number of the current slice since 1970. */
  readonly slice: number;
  /** The current slice first. As few as hold something. */
  readonly counts: readonly number[];
};

const SLICES = 10;

export const EMPTY: Window = { slice: 0, counts: [] };

const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
const sliceAt = (now: UnixMs, span: DurationMs) => Math.floor((now * SLICES) / span);

/** The window as of now: slices that are too old are gone. */
export function turnTo(window: Window, now: UnixMs, span: DurationMs): Window {
  const slice = sliceAt(now, span);
  const passed = slice - window.slice;
  if (passed === 0) return window;
  if (passed < 0) return { slice, counts: [sum(window.counts)] };
  const kept = window.counts.slice(0, Math.max(0, SLICES + 1 - passed));
  return { slice, counts: sum(kept) === 0 ? [] : [...Array(passed).fill(0), ...kept].slice(0, SLICES + 1) };
}

export const countOf = (window: Window, now: UnixMs, span: DurationMs): number => sum(turnTo(window, now, span).counts);

export function add(window: Window, now: UnixMs, span: DurationMs): Window {
  const { slice, counts } = turnTo(window, now, span);
  const [current = 0, ...before] = counts;
  return { slice, counts: [current + 1, ...before] };
}

/** From when on fewer than `most` (at least 1) are counted, if nothing more comes. */
export function fewerFrom(window: Window, now: UnixMs, span: DurationMs, most: number): UnixMs {
  const { slice, counts } = turnTo(window, now, span);
  let passed = 0;
  while (sum(counts.slice(0, SLICES + 1 - passed)) >= most && passed <= SLICES) passed++;
  return passed === 0 ? now : (Math.ceil(((slice + passed) * span) / SLICES) as UnixMs);
}

/** By when the window is empty, if nothing more comes. */
export const emptyBy = (now: UnixMs, span: DurationMs): UnixMs => (now + span + Math.ceil(span / SLICES)) as UnixMs;
