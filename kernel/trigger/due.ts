import { hash } from 'node:crypto';
import { LIMITS } from '../base/limits.ts';
import { durationMs, parseDuration, type UnixMs, unixMs } from '../base/time.ts';
import { EVERY, nextTime } from './cron.ts';
import type { ScheduledTrigger } from './schema.ts';

/**
 * What a schedule does when it is looked at: (trigger, place, now) -> step. Pure. Each time of it is named by the instant
 * it was set for, and the place only ever moves to a later one, so that no time fires twice, whatever the clock does and
 * however often anyone looks.
 */
export type Place = {
  /** What the times were reckoned by, five fields or `every 90m`; another schedule has other times. */
  readonly cron: string;
  readonly zone: string;
  /** The next time that has not fired. */
  readonly at: UnixMs;
  /** The last that has. */
  readonly fired: UnixMs | null;
  /** How many missed times in a row were made up for. */
  readonly madeUp: number;
};

export type Step = {
  /** The time that fires now. */
  readonly fires: UnixMs | null;
  /** Times were passed over for good. */
  readonly missed: boolean;
  /** Undefined: there is no further time. */
  readonly place: Place | undefined;
};

/** What is later than this was missed: the kernel was not running. */
const GRACE = durationMs(60_000);
const DEFAULT_ZONE = 'UTC';

/** Where the schedule stands as of now: the place it had if nothing changed, else the first time from now on. */
export function placeOf(trigger: ScheduledTrigger, before: Place | null, now: UnixMs): Place | undefined {
  const { zone = DEFAULT_ZONE } = trigger;
  const cron = trigger.cron ?? `${EVERY}${trigger.every}`;
  if (before?.cron === cron && before.zone === zone) return before;
  const fired = before?.fired ?? null;
  return move({ cron, zone, at: now, fired, madeUp: 0 }, unixMs(Math.max(now, fired ?? 0)), fired);
}

/** When the time of a place is due. The spread is reckoned from its name, so that it is the same after a restart. */
export function dueAt({ jitter }: ScheduledTrigger, name: string, at: UnixMs): UnixMs {
  const spread = jitter === undefined ? undefined : parseDuration(jitter);
  if (!spread) return at;
  return unixMs(at + (hash('sha256', `${name} ${at}`, 'buffer').readUIntBE(0, 6) % spread));
}

/** @param name of the trigger in the whole kernel, for the spread. */
export function stepOf(trigger: ScheduledTrigger, name: string, place: Place, now: UnixMs): Step {
  const { at } = place;
  const due = dueAt(trigger, name, at);
  if (due > now) return { fires: null, missed: false, place };
  if (now - due <= GRACE) return { fires: at, missed: false, place: move({ ...place, madeUp: 0 }, at, at) };
  switch (trigger.missed ?? 'skip') {
    case 'once': {
      const isAlone = (nextTime(place.cron, place.zone, at) ?? Infinity) > now;
      return { fires: at, missed: !isAlone, place: move(place, unixMs(Math.max(now, at)), at) };
    }
    case 'all':
      if (place.madeUp < LIMITS.missedFirings.value)
        return { fires: at, missed: false, place: move({ ...place, madeUp: place.madeUp + 1 }, at, at) };
  }
  // To the first that is not too late.
  return {
    fires: null,
    missed: true,
    place: move({ ...place, madeUp: 0 }, unixMs(Math.max(at, now - GRACE)), place.fired),
  };
}

function move(place: Place, after: UnixMs, fired: UnixMs | null): Place | undefined {
  const at = nextTime(place.cron, place.zone, after);
  return at === undefined ? undefined : { ...place, at, fired };
}
