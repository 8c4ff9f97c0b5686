import { parseRate, type Rate } from '../base/rate.ts';
import { durationMs, type UnixMs, unixMs } from '../base/time.ts';
import { add, countOf, EMPTY, emptyBy, fewerFrom, turnTo, type Window } from '../base/window.ts';
import type { JudgedTrigger } from './schema.ts';

/**
 * How fast a trigger may go: (pace, limits, now) -> pace. Pure; the caller keeps the pace in the trigger's row and moves
 * it in the commit of the event.
 *
 * A burst begins with the match that is one too many, and is over when half as many are counted; the distance keeps a
 * flow that is just at the limit from beginning and ending one burst after the other.
 */
export type Pace = {
  /** Runs started, by length of time in milliseconds: a new version that only changes the number finds them counted. */
  readonly starts: Readonly<Record<string, Window>>;
  readonly matches: Window;
  readonly burst: { readonly since: UnixMs; readonly suppressed: number } | null;
};
export type Limits = JudgedTrigger['limits'];
/** `edge`: a burst has begun, or is over. */
export type Paced = { readonly pace: Pace; readonly edge: 'began' | 'over' | null };

export const STILL: Pace = { starts: {}, matches: EMPTY, burst: null };

const ratesOf = (limits: Limits): readonly Rate[] =>
  [limits?.rate ?? []].flat().flatMap((text) => parseRate(text) ?? []);
const burstOf = (limits: Limits): Rate | undefined => limits?.burst && parseRate(limits.burst.over);

/** One more event matched. */
export function meet(pace: Pace, limits: Limits, now: UnixMs): Paced {
  const rate = burstOf(limits);
  return settle(rate ? { ...pace, matches: add(pace.matches, now, rate.span) } : pace, limits, now);
}

/** Where the burst stands as of now. */
export function settle(pace: Pace, limits: Limits, now: UnixMs): Paced {
  const rate = burstOf(limits);
  if (!rate) return { pace: { ...pace, matches: EMPTY, burst: null }, edge: pace.burst ? 'over' : null };
  const matches = turnTo(pace.matches, now, rate.span);
  const count = countOf(matches, now, rate.span);
  if (pace.burst) {
    const isOver = count <= rate.most / 2;
    return { pace: { ...pace, matches, burst: isOver ? null : pace.burst }, edge: isOver ? 'over' : null };
  }
  const began = count > rate.most;
  return {
    pace: { ...pace, matches, burst: began ? { since: now, suppressed: 0 } : null },
    edge: began ? 'began' : null,
  };
}

/** Why no run may start now, and until when that holds if nothing more comes; undefined: one may. */
export type Held = { readonly reason: 'burst' | 'rate'; readonly until: UnixMs };
export function heldBack(pace: Pace, limits: Limits, now: UnixMs): Held | undefined {
  const burst = burstOf(limits);
  if (pace.burst && burst) {
    // The match that finds it over is counted first. Over 1 it takes the clock to end it, once nothing is counted.
    const fewer = Math.max(1, Math.floor(burst.most / 2));
    return { reason: 'burst', until: fewerFrom(pace.matches, now, burst.span, fewer) };
  }
  const free = ratesOf(limits).map(({ most, span }) => fewerFrom(pace.starts[span] ?? EMPTY, now, span, most));
  const until = unixMs(Math.max(now, ...free));
  return until > now ? { reason: 'rate', until } : undefined;
}

/** A run was started. Windows that no limit asks about any more are left behind. */
export function begin(pace: Pace, limits: Limits, now: UnixMs): Pace {
  const starts = ratesOf(limits).map(({ span }) => [span, add(pace.starts[span] ?? EMPTY, now, span)] as const);
  return { ...pace, starts: Object.fromEntries(starts) };
}

/** A match was held back by the burst. */
export const suppress = (pace: Pace): Pace =>
  pace.burst ? { ...pace, burst: { ...pace.burst, suppressed: pace.burst.suppressed + 1 } } : pace;

/** By when a burst is over if nothing more comes. */
export const calmBy = (limits: Limits, now: UnixMs): UnixMs => emptyBy(now, burstOf(limits)?.span ?? durationMs(0));
