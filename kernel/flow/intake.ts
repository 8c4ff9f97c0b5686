import type { OrgId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import { durationMs, type UnixMs } from '../base/time.ts';
import { openTurns } from '../base/turns.ts';
import type { Clock } from '../port/clock.ts';
import type { Scheduler } from './scheduler.ts';

/**
 * Whose events are next. To read and judge an event is work that nothing interrupts, and so is what follows once a commit
 * has brought many of them to the disk at once; all that the kernel does for anyone waits meanwhile. So while several orgs
 * send, few events of each are under way, and few begin before everything else has its turn: answers of cells and targets,
 * commits, questions. What one org sends, however much, delays another by no more than that.
 *
 * While only one org sends, nobody else waits for it, and as many are under way as come.
 */
export type Intake = {
  /**
   * Resolves when what the org sends may be read, with the function to be called once that is on record or refused;
   * undefined: too many wait already.
   */
  enter(org: OrgId): Promise<(() => void) | undefined>;
};

/** So long after its last event an org is still one that others share the kernel with. */
const SHARED_MS = durationMs(60_000);

export function openIntake(deps: { readonly clock: Clock; readonly scheduler: Pick<Scheduler, 'soon'> }): Intake {
  const { clock, scheduler } = deps;
  type Waiting = { readonly org: OrgId; readonly go: (leave: () => void) => void };
  /** Who sent last, and who did before that was another one. */
  let latest: { readonly org: OrgId; readonly at: UnixMs } | undefined;
  let other: typeof latest;
  const isShared = () => other !== undefined && clock.now() - other.at < SHARED_MS;

  const turns = openTurns<OrgId, Waiting>(LIMITS.eventsUnderWay.value, {
    ofOrg: () => (isShared() ? LIMITS.sharedEventsUnderWay.value : Infinity),
    ofWay: () => Infinity,
  });
  /** Begun in this turn of the event loop. */
  let begun = 0;

  const next = (): void => {
    if (turns.size() === 0) return;
    const most = isShared() ? LIMITS.sharedEventsPerTurn.value : Infinity;
    for (let taken = begun < most ? turns.take() : undefined; taken; ) {
      const { org, go } = taken;
      if (begun++ === 0) scheduler.soon(begin);
      go(() => {
        turns.done(org);
        next();
      });
      taken = begun < most ? turns.take() : undefined;
    }
  };
  const begin = (): void => {
    begun = 0;
    next();
  };

  return {
    enter(org) {
      if (latest && latest.org !== org) {
        other = latest;
        turns.review(other.org);
      }
      latest = { org, at: clock.now() };
      if (turns.waitingOf(org) >= LIMITS.eventsWaitingPerOrg.value) return Promise.resolve(undefined);
      const { promise, resolve } = Promise.withResolvers<() => void>();
      turns.push(org, { org, go: resolve });
      next();
      return promise;
    },
  };
}
