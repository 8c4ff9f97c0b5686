import type { OrgId, RunId, StepRunId } from '../base/id.ts';
import type { Store } from '../port/store.ts';
import { type Earlier, earlierIn } from '../run/keep.ts';
import type { Run } from '../run/state.ts';
import type { EndedRuns } from './ended-runs.ts';
import { KEYS } from './keys.ts';
import type { Registry } from './registry.ts';

/**
 * What runs that have ended say of the steps of one that keeps what they did: the last of them first, and those that it
 * has kept from itself where it never came to the step.
 */
export type EarlierOf = (run: Pick<Run, 'org' | 'keeps'>) => (step: StepRunId) => Earlier | undefined;

export function openEarlier(deps: {
  store: Pick<Store, 'get'>;
  ended: EndedRuns;
  registry: Pick<Registry, 'graph'>;
}): EarlierOf {
  const { store, ended, registry } = deps;
  const load = ({ org, keeps }: Pick<Run, 'org' | 'keeps'>): Run | null =>
    keeps === undefined ? null : ended.read(org, keeps);

  /** Whether the run that the step asked for ever began. */
  const hasBegun = (org: OrgId, child: RunId): boolean => store.get(KEYS.run(org, child)) !== undefined;

  return (run) => (step) => {
    for (let old = load(run); old; old = load(old)) {
      const graph = registry.graph(old.org, old.playbook.name, old.playbook.digest);
      const { org } = old;
      const earlier = graph && earlierIn(old, graph, step, (child) => hasBegun(org, child));
      if (earlier) return earlier;
    }
    return undefined;
  };
}
