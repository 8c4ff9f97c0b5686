import type { Digest, OrgId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import { type Graph, usesOf } from '../playbook/graph.ts';
import type { Registry } from './registry.ts';

/**
 * What a run rests on from its start to its end (S 13.4): the versions of plugins and playbooks that its steps use, and
 * the steps of those playbooks, down to the bound. What is not there is left out, and the step that wants it fails.
 */
export type Pins = {
  readonly plugins: Readonly<Record<string, Digest>>;
  readonly playbooks: Readonly<Record<string, Digest>>;
};

export function pinsOf(registry: Registry, org: OrgId, graph: Graph): Pins {
  const plugins = new Map<string, Digest>();
  const playbooks = new Map<string, Digest>();
  let level: readonly Graph[] = [graph];
  for (let depth = 0; depth <= LIMITS.subRunDepth.value && level.length > 0; depth++) {
    const next: Graph[] = [];
    for (const uses of level.map(usesOf)) {
      for (const name of uses.plugins) {
        const plugin = registry.org(org)?.plugins.get(name);
        if (plugin) plugins.set(name, plugin.digest);
      }
      for (const name of uses.playbooks) {
        const active = playbooks.has(name) ? undefined : registry.active(org, name);
        if (!active) continue;
        playbooks.set(name, active.digest);
        next.push(active.graph);
      }
    }
    level = next;
  }
  return { plugins: Object.fromEntries(plugins), playbooks: Object.fromEntries(playbooks) };
}
