import type { OrgId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import { openSharing } from '../base/sharing.ts';
import { openTurns } from '../base/turns.ts';
import type { Clock } from '../port/clock.ts';
import { openRest } from './rest.ts';
import type { Scheduler } from './scheduler.ts';

/**
 * Whose events are next. To read and judge an event is work that nothing interrupts, and so is what follows once a commit
 * has brought many of them to the disk at once; all that the kernel does for anyone waits meanwhile. So while several orgs
 * send, few events of each are under way, one alone when the loop is due a rest, and each begins in a turn of the event loop
 * of its own. What one org sends, however much, delays another by no more than that.
 *
 * While only one org sends, nobody else waits for it, and as many are under way as come.
 */
export type Intake = {
  /** Resolves when an event of the org may be read; undefined: too many wait already. */
  enter(org: OrgId): Promise<Turn | undefined>;
};

/** The turn of one event. One of the two is to be called once that is on record, or refused. */
export type Turn = {
  end(): void;
  /** Resolves when the next event of the same request may be judged. */
  again(): Promise<void>;
};

/** About as long as an event takes to the disk. */
const REST_MS = 2;

export function openIntake(deps: {
  readonly clock: Clock;
  readonly scheduler: Pick<Scheduler, 'soon' | 'after' | 'worked'>;
}): Intake {
  const { clock, scheduler } = deps;
  /** `begin` tells whoever waits. */
  type Waiting = { readonly begin: () => void };
  const sharing = openSharing<OrgId>(clock.now);
  const rest = openRest(scheduler.worked);
  const turns = openTurns<OrgId, Waiting>(() => LIMITS.eventsUnderWay.value, {
    // One may always be: whoever sends little waits for nothing but his turn.
    ofOrg: () => (!sharing.isShared() ? Infinity : rest.isDue() ? 1 : LIMITS.sharedEventsUnderWay.value),
    ofWay: () => Infinity,
  });
  /** Something has begun in this turn of the event loop, and nothing else is to. */
  let hasBegun = false;

  const next = (): void => {
    while (!hasBegun && turns.mayTake()) {
      if (sharing.isShared()) {
        hasBegun = true;
        scheduler.soon(() => {
          hasBegun = false;
          next();
        });
      }
      turns.take()?.begin();
    }
  };
  /** Its place is kept a little longer while the loop is due a rest: an org alone with its next event would leave it none. */
  const rested = (task: () => void): void => {
    if (sharing.isShared() && rest.isDue()) scheduler.after(REST_MS, task);
    else task();
  };
  const wait = (org: OrgId, push: 'push' | 'pushFirst'): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    turns[push](org, { begin: resolve });
    next();
    return promise;
  };

  return {
    async enter(org) {
      const before = sharing.note(org);
      // It was alone until now: its limit has changed.
      if (before !== undefined) turns.review(before);
      if (turns.waitingOf(org) >= LIMITS.eventsWaitingPerOrg.value) return undefined;
      await wait(org, 'push');
      return {
        end: () =>
          rested(() => {
            turns.done(org);
            next();
          }),
        async again() {
          await new Promise<void>(rested);
          turns.done(org);
          // Before others of its org: what is read already is to be over before more is.
          return wait(org, 'pushFirst');
        },
      };
    },
  };
}
