import type { OrgId, RunId, StepRunId } from '../base/id.ts';
import type { Store } from '../port/store.ts';
import { type Earlier, earlierIn } from '../run/keep.ts';
import type { Run } from '../run/state.ts';
import { KEYS } from './keys.ts';
import type { Registry } from './registry.ts';
import { readRun } from './stored-run.ts';

/**
 * What runs that have ended say of the steps of one that keeps what they did: the last of them first, and those that it
 * has kept from itself where it never came to the step.
 */
export type EarlierOf = (run: Pick<Run, 'org' | 'keeps'>) => (step: StepRunId) => Earlier | undefined;

/** Ended runs that are kept in memory, each bounded by the steps of a run; one more is read again when needed. */
const RUNS = 64;

export function openEarlier(deps: {
  store: Pick<Store, 'range' | 'get'>;
  registry: Pick<Registry, 'graph'>;
}): EarlierOf {
  const { store, registry } = deps;
  const runs = new Map<string, Run>();

  /** Of a run that has ended and of which nothing is open to settle (again.ts): what is read once stays true. */
  const load = ({ org, keeps }: Pick<Run, 'org' | 'keeps'>): Run | null => {
    if (keeps === undefined) return null;
    const key = `${org}/${keeps}`;
    const known = runs.get(key) ?? readRun(store, org, keeps);
    if (!known?.ended) return null;
    runs.delete(key);
    if (runs.size >= RUNS) runs.delete(runs.keys().next().value ?? '');
    runs.set(key, known);
    return known;
  };

  /** Whether the run that the step asked for ever began. */
  const hasBegun = (org: OrgId, child: RunId | undefined): boolean =>
    child === undefined || store.get(KEYS.run(org, child)) !== undefined;

  return (run) => (step) => {
    for (let old = load(run); old; old = load(old)) {
      const graph = registry.graph(old.org, old.playbook.name, old.playbook.digest);
      const earlier = graph && earlierIn(old, graph, step);
      if (earlier && (earlier.done || hasBegun(old.org, earlier.child))) return earlier;
    }
    return undefined;
  };
}
