import type { OrgId, RunId } from '../base/id.ts';
import { isEnded, type Run } from '../run/state.ts';

/** Which runs of each org have not ended. */
export type RunsInFlight = ReturnType<typeof openRunsInFlight>;

export function openRunsInFlight() {
  const byOrg = new Map<OrgId, Set<RunId>>();
  return {
    noted(run: Run): void {
      const open = byOrg.get(run.org) ?? new Set();
      if (isEnded(run)) open.delete(run.id);
      else open.add(run.id);
      byOrg.set(run.org, open);
    },
    count: (org: OrgId): number => byOrg.get(org)?.size ?? 0,
    of: (org: OrgId): readonly RunId[] => [...(byOrg.get(org) ?? [])],
    all: (): readonly (readonly [OrgId, RunId])[] =>
      [...byOrg].flatMap(([org, runs]) => [...runs].map((run) => [org, run] as const)),
  };
}
