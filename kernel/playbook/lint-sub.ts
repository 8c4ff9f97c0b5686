import { LIMITS } from '../base/limits.ts';
import { type Graph, usesOf } from './graph.ts';
import type { Unplaced } from './issue.ts';
import type { Catalog } from './lint.ts';
import type { Parts } from './part.ts';

/** Steps that start a playbook: it must be active, take what it is given, and never come back to this one. */
export function subPlaybookIssues(name: string | undefined, { steps }: Parts, catalog: Catalog): Unplaced[] {
  return steps.flatMap(({ step, at }): Unplaced[] => {
    if (step?.type !== 'playbook') return [];
    if (step.uses === name) return [{ at: `${at}/uses`, text: 'a playbook cannot be a step of itself' }];
    const graph = catalog.playbook?.(step.uses);
    if (!graph)
      return [
        { at: `${at}/uses`, text: `the playbook ${step.uses} is not active: activate it first, or check the name` },
      ];
    const known = Object.keys(graph.inputs);
    const unknown = Object.keys(step.with).filter((key) => !known.includes(key));
    if (unknown.length > 0)
      return [
        { at: `${at}/with`, text: `a key here is no input of ${step.uses}: it has ${known.join(', ') || 'none'}` },
      ];
    const fault = depthFault(graph, name, catalog);
    return fault ? [{ at: `${at}/uses`, text: fault }] : [];
  });
}

/** Goes down level by level, so that a circle among others ends at the bound as well. */
function depthFault(graph: Graph, name: string | undefined, catalog: Catalog): string | undefined {
  let level = usesOf(graph).playbooks;
  for (let depth = 2; level.length > 0; depth++) {
    if (name !== undefined && level.includes(name)) return 'it starts this playbook again: a circle would never end';
    if (depth > LIMITS.subRunDepth.value)
      return `playbooks that start playbooks are at most ${LIMITS.subRunDepth.value} deep`;
    level = [...new Set(level.flatMap((one) => [...(usesAt(one, catalog) ?? [])]))];
  }
  return undefined;
}

const usesAt = (name: string, catalog: Catalog): readonly string[] | undefined => {
  const graph = catalog.playbook?.(name);
  return graph && usesOf(graph).playbooks;
};
