import type { StepId } from '../base/id.ts';
import { type Graph, type Step, successors } from './graph.ts';
import type { Unplaced } from './issue.ts';
import { topological } from './lint-graph.ts';
import type { Parts } from './part.ts';
import { referencesIn } from './reference.ts';

/** For each step those that have run on every path to it; undefined when the graph is not sound. */
export type RanBefore = ReadonlyMap<StepId, ReadonlySet<StepId>>;

export function ranBefore(graph: Graph): RanBefore | undefined {
  const order = topological(graph);
  if (!order) return undefined;
  const before = new Map<StepId, ReadonlySet<StepId>>([[graph.entry, new Set()]]);
  for (const id of order) {
    const step = graph.steps.get(id) as Step;
    const ran = new Set([...(before.get(id) ?? []), ...(step.kind === 'action' ? [id] : [])]);
    for (const next of successors(step)) {
      if (next === null) continue;
      const known = before.get(next);
      before.set(next, known ? new Set([...known].filter((one) => ran.has(one))) : ran);
    }
  }
  return before;
}

/**
 * A reference to a step is allowed only where that step has run on every path that leads here.
 * @param before undefined: the paths are not known, and of a step it is only asked whether there is one.
 */
export function referenceIssues({ steps, stepIds, inputs }: Parts, before: RanBefore | undefined): Unplaced[] {
  const issues: Unplaced[] = [];
  steps.forEach((step, i) => {
    if (!step) return;
    const hasRun = (name: string) =>
      before ? before.get(step.id as StepId)?.has(name as StepId) === true : stepIds.has(name);
    const notRun = (name: string) =>
      before
        ? `steps.${name} has not run on every path to ${step.id}`
        : `there is no step ${name} to take steps.${name} of`;
    const texts =
      step.type === 'branch'
        ? {}
        : step.type === 'update_state'
          ? { incident: step.incident, set: { note: step.set.note } }
          : { with: step.with };
    for (const { at, reference } of referencesIn(texts, `/steps/${i}`)) {
      const [name = ''] = reference?.path ?? [];
      if (!reference) issues.push({ at, text: 'a {{ reference }} is malformed: use inputs.NAME or steps.ID.FIELD' });
      else if (reference.root === 'inputs' && !inputs.has(name))
        issues.push({ at, text: `inputs.${name} is not declared: add it to inputs with its JSON Pointer` });
      else if (reference.root === 'steps' && !hasRun(name)) issues.push({ at, text: notRun(name) });
    }
    if (step.type !== 'branch') return;
    for (const name of factsOf(step.when))
      if (name.startsWith('steps.') && !hasRun(name.slice(6)))
        issues.push({ at: `/steps/${i}/when`, text: notRun(name.slice(6)) });
      else if (!name.startsWith('steps.') && name !== 'inputs' && name !== 'event')
        issues.push({
          at: `/steps/${i}/when`,
          text: `${name} is not a fact of a branch: use event, inputs or steps.ID`,
        });
  });
  return issues;
}

/** Names of the facts that a rule asks about. */
function factsOf(rule: unknown): string[] {
  if (typeof rule !== 'object' || rule === null) return [];
  if ('all' in rule || 'any' in rule) return Object.values(rule).flat().flatMap(factsOf);
  if ('not' in rule) return factsOf(rule.not);
  return 'fact' in rule && typeof rule.fact === 'string' ? [rule.fact] : [];
}
