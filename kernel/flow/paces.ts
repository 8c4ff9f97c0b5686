import type { OrgId } from '../base/id.ts';
import type { Rate } from '../base/rate.ts';
import { unixMs } from '../base/time.ts';
import { add, EMPTY, fewerFrom, type Window } from '../base/window.ts';
import type { Scheduler } from './scheduler.ts';

/**
 * How fast the calls of each connector of an org may begin. Nothing is looked at again and again: a connector that has no
 * room has one timer, for the moment when it has some. Kept in memory, so a restart begins the count anew; bounded by the
 * connectors of the orgs.
 */
export type Paces = {
  /** Whether no call of it may begin now. */
  isFull(org: OrgId, connector: string): boolean;
  /** A call begins. @returns whether it was the last one for now. */
  begin(org: OrgId, connector: string): boolean;
  /** Ends the timers: nobody is told of room any more. */
  stop(): void;
};

export function openPaces(deps: {
  rateOf: (org: OrgId, connector: string) => Rate | undefined;
  scheduler: Pick<Scheduler, 'elapsed' | 'after'>;
  /** There is room again. */
  onRoom: (org: OrgId) => void;
}): Paces {
  const { rateOf, scheduler, onRoom } = deps;
  const counted = new Map<string, Window>();
  /** Of those that are full; what takes the timer back. */
  const full = new Map<string, () => void>();
  const keyOf = (org: OrgId, connector: string) => `${org}/${connector}`;
  // Of a clock that nobody sets.
  const now = () => unixMs(Math.floor(scheduler.elapsed()));

  /** Sets the timer of one that has no room. */
  const look = (org: OrgId, connector: string): boolean => {
    const key = keyOf(org, connector);
    const rate = rateOf(org, connector);
    const at = now();
    const free = rate ? fewerFrom(counted.get(key) ?? EMPTY, at, rate.span, rate.most) : at;
    if (free <= at) return false;
    const room = () => {
      full.delete(key);
      // A timer may be a moment early.
      if (!look(org, connector)) onRoom(org);
    };
    full.set(key, scheduler.after(Math.min(free - at, LONGEST_TIMER_MS), room));
    return true;
  };

  return {
    isFull: (org, connector) => full.has(keyOf(org, connector)),
    begin(org, connector) {
      const rate = rateOf(org, connector);
      if (!rate) return false;
      const key = keyOf(org, connector);
      counted.set(key, add(counted.get(key) ?? EMPTY, now(), rate.span));
      return look(org, connector);
    },
    stop() {
      for (const takeBack of full.values()) takeBack();
      full.clear();
    },
  };
}

/** What a timer of Node can hold is a little more. */
const LONGEST_TIMER_MS = 2_000_000_000;
