import type { OrgId, RunId } from '../base/id.ts';
import { isEnded, type Run } from '../run/state.ts';
import type { Driver } from './drive.ts';
import type { Query } from './query.ts';
import type { Scheduler } from './scheduler.ts';

/** Lets a caller wait for the end of a run instead of asking again and again. */
export function openWaiting(deps: { query: Query; driver: Driver; scheduler: Scheduler }) {
  const { query, driver, scheduler } = deps;
  const waiters = new Map<RunId, Set<(run: Run | undefined) => void>>();
  let over = false;

  return {
    /** Resolves with the run when its end is on disk, or as it is after `timeoutMs`. Null when there is none. */
    async waitForRun(org: OrgId, id: RunId, timeoutMs: number): Promise<Run | null> {
      // A run that is under way has not ended on disk, so there is nothing to read before it does. One that is not may
      // have ended in a turn that is still on its way to the disk: it is read, and waited for if it looks open.
      const mayWait = timeoutMs > 0 && !over;
      if (!mayWait || !driver.isActive(org, id)) {
        const now = query.run(org, id);
        if (!now || isEnded(now) || !mayWait) return now;
      }
      const { promise, resolve } = Promise.withResolvers<Run | undefined>();
      const waiting = waiters.get(id) ?? new Set();
      waiters.set(id, waiting.add(resolve));
      const takeBack = scheduler.after(timeoutMs, () => resolve(undefined));
      const ended = await promise;
      takeBack();
      waiting.delete(resolve);
      if (waiting.size === 0) waiters.delete(id);
      return ended ?? query.run(org, id);
    },

    /** A run's end is durable: wakes whoever waits for it. */
    ended(run: Run): void {
      for (const wake of waiters.get(run.id) ?? []) wake(run);
      waiters.delete(run.id);
    },

    /** Answers everyone who waits with the run as it is, and lets nobody wait from now on. */
    endWaits(): void {
      over = true;
      for (const waiting of waiters.values()) for (const wake of waiting) wake(undefined);
    },
  };
}
