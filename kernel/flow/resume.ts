import type { OrgId, RunId } from '../base/id.ts';
import type { Driver } from './drive.ts';
import { othersFirst, type Scheduler } from './scheduler.ts';

/** Runs that are told before others have their turn. */
const PER_TURN = 64;

/**
 * After the release of a stop, or the end of a pause: every run of the org that waits for it is told, so that it goes on. To
 * be told twice is harmless (R4). Ends early when the org is stopped again.
 */
export async function resumeRuns(deps: {
  driver: Pick<Driver, 'submit'>;
  org: OrgId;
  runs: readonly RunId[];
  isStopped: (org: OrgId) => boolean;
  scheduler: Pick<Scheduler, 'soon'>;
  /** Whether something of it is parked, and no pause keeps it. */
  isDue: (org: OrgId, run: RunId) => boolean;
}): Promise<void> {
  const { driver, org, runs, isStopped, isDue, scheduler } = deps;
  for (let from = 0; from < runs.length && !isStopped(org); from += PER_TURN) {
    const due = runs.slice(from, from + PER_TURN).filter((run) => isDue(org, run));
    await Promise.all(due.map((run) => driver.submit(org, run, { kind: 'resume' })));
    if (from + PER_TURN < runs.length) await othersFirst(scheduler);
  }
}
