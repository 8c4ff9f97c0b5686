import type { OrgId, RunId } from '../base/id.ts';
import type { Store } from '../port/store.ts';
import type { Run } from '../run/state.ts';
import { readRun } from './stored-run.ts';

/** Runs that have ended, for whoever asks about them again and again. */
export type EndedRuns = ReturnType<typeof openEndedRuns>;

/** Ended runs that are kept in memory, each bounded by the steps of a run; one more is read again when needed. */
const RUNS = 64;

export function openEndedRuns(store: Pick<Store, 'range'>) {
  const runs = new Map<string, Run>();
  const keyOf = (org: OrgId, id: RunId) => `${org}/${id}`;
  return {
    /** As it is on the disk; null where it has not ended. */
    read(org: OrgId, id: RunId): Run | null {
      const key = keyOf(org, id);
      const run = runs.get(key) ?? readRun(store, org, id);
      if (!run?.ended) return null;
      runs.delete(key);
      if (runs.size >= RUNS) runs.delete(runs.keys().next().value ?? '');
      runs.set(key, run);
      return run;
    },
    /** A turn of it is durable: a person may say of one that has ended what became of it. */
    moved: ({ org, id }: Run): void => void runs.delete(keyOf(org, id)),
  };
}
