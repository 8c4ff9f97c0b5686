import type { Digest, OrgId, RunId, StepId, StepRunId } from '../base/id.ts';
import { partsOfStepRun } from '../base/id.ts';
import { awaitedBy } from '../run/open-work.ts';
import type { Run } from '../run/state.ts';

/**
 * Which steps wait for which events, as the runs are staged. Kept in memory only: it is read off the runs that have not
 * ended, which are in memory themselves.
 */
/** A step of a playbook that some run waits at: what is asked of an event is bounded by these, not by the runs. */
export type Awaited = { readonly playbook: string; readonly digest: Digest; readonly step: StepId };
export type Waiting = { readonly run: RunId; readonly step: StepRunId };
/** `waiting`: how many steps of runs do; `since`: the revision that it came with. */
type Shape = Awaited & { waiting: number; readonly since: number };
type OfOrg = {
  readonly shapes: Map<string, Shape>;
  readonly byKey: Map<Digest, Map<string, Waiting>>;
  readonly byRun: Map<RunId, ReadonlyMap<StepRunId, Digest>>;
  /** Grows with each shape that was not there. */
  revision: number;
};

const NOTHING = { shapes: [], revision: 0 };

/** @param isClaimed Whether the event of this step has come already. */
export function openAwaited(isClaimed: (org: OrgId, run: RunId, step: StepRunId) => boolean) {
  const orgs = new Map<OrgId, OfOrg>();

  const shapeOf = ({ playbook: { name, digest } }: Run, stepRun: StepRunId) => {
    const { step } = partsOfStepRun(stepRun);
    return { id: `${name}/${digest}/${step}`, shape: { playbook: name, digest, step } };
  };
  const idOf = (run: RunId, step: StepRunId) => `${run}/${step}`;

  const begin = (of: OfOrg, run: Run, step: StepRunId, key: Digest) => {
    const { id, shape } = shapeOf(run, step);
    const known = of.shapes.get(id);
    if (known) known.waiting++;
    else {
      of.revision++;
      of.shapes.set(id, { ...shape, waiting: 1, since: of.revision });
    }
    const waiting = of.byKey.get(key) ?? new Map<string, Waiting>();
    of.byKey.set(key, waiting.set(idOf(run.id, step), { run: run.id, step }));
  };
  const end = (of: OfOrg, run: Run, step: StepRunId, key: Digest) => {
    const { id } = shapeOf(run, step);
    const shape = of.shapes.get(id);
    if (shape && --shape.waiting === 0) of.shapes.delete(id);
    const waiting = of.byKey.get(key);
    if (waiting?.delete(idOf(run.id, step)) && waiting.size === 0) of.byKey.delete(key);
  };

  return {
    /** The run as it is staged. */
    noted(run: Run): void {
      const is = awaitedBy(run);
      const known = orgs.get(run.org);
      const was = known?.byRun.get(run.id);
      if (!was && is.size === 0) return;
      const of = known ?? { shapes: new Map(), byKey: new Map(), byRun: new Map(), revision: 0 };
      orgs.set(run.org, of);
      for (const [step, key] of was ?? []) if (is.get(step) !== key) end(of, run, step, key);
      const begun = [...is].filter(([step, key]) => was?.get(step) === key || !isClaimed(run.org, run.id, step));
      for (const [step, key] of begun) if (was?.get(step) !== key) begin(of, run, step, key);
      if (begun.length > 0) of.byRun.set(run.id, new Map(begun));
      else of.byRun.delete(run.id);
    },

    of(org: OrgId): { readonly shapes: readonly Shape[]; readonly revision: number } {
      const of = orgs.get(org);
      return of ? { shapes: [...of.shapes.values()], revision: of.revision } : NOTHING;
    },

    /** Those that were not waited at when it had this revision. */
    since(org: OrgId, revision: number): readonly Shape[] {
      const of = orgs.get(org);
      return of && of.revision !== revision ? [...of.shapes.values()].filter(({ since }) => since > revision) : [];
    },

    /** Whether a step waits for the event with this key. */
    isWanted: (org: OrgId, key: Digest): boolean => orgs.get(org)?.byKey.has(key) ?? false,

    /** The steps that do, those first that have waited longest. */
    waitingFor: (org: OrgId, key: Digest): readonly Waiting[] => [...(orgs.get(org)?.byKey.get(key)?.values() ?? [])],

    /** How many do. */
    countFor: (org: OrgId, key: Digest): number => orgs.get(org)?.byKey.get(key)?.size ?? 0,

    /** Whether this step does. */
    has: (org: OrgId, run: RunId, step: StepRunId, key: Digest): boolean =>
      orgs.get(org)?.byKey.get(key)?.has(idOf(run, step)) ?? false,

    /** Takes out steps that wait for it and that it may wake, those first that have waited longest. */
    claim(org: OrgId, key: Digest, most: number, mayWake: (waiting: Waiting) => boolean): readonly Waiting[] {
      const waiting = orgs.get(org)?.byKey.get(key);
      if (!waiting) return [];
      const claimed: Waiting[] = [];
      for (const [id, each] of waiting) {
        if (claimed.length >= most) break;
        if (!mayWake(each)) continue;
        claimed.push(each);
        waiting.delete(id);
      }
      if (waiting.size === 0) orgs.get(org)?.byKey.delete(key);
      return claimed;
    },
  };
}
