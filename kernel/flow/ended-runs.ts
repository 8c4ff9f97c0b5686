import type { OrgId, RunId } from '../base/id.ts';
import type { Store } from '../port/store.ts';
import { isOpenToSettle } from '../run/open-work.ts';
import type { Run } from '../run/state.ts';
import { readRun } from './stored-run.ts';

/** Runs that have ended, for whoever asks about them again and again. */
export type EndedRuns = (org: OrgId, run: RunId) => Run | null;

/** Ended runs that are kept in memory, each bounded by the steps of a run; one more is read again when needed. */
const RUNS = 64;

export function openEndedRuns(store: Pick<Store, 'range'>): EndedRuns {
  const runs = new Map<string, Run>();
  return (org, id) => {
    const key = `${org}/${id}`;
    const run = runs.get(key) ?? readRun(store, org, id);
    if (!run?.ended) return null;
    runs.delete(key);
    // A person may still say what became of it.
    if (Object.values(run.steps).some((step) => isOpenToSettle(run, step))) return run;
    if (runs.size >= RUNS) runs.delete(runs.keys().next().value ?? '');
    runs.set(key, run);
    return run;
  };
}
