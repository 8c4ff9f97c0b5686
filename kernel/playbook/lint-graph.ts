import type { StepId } from '../base/id.ts';
import { type Graph, successors } from './graph.ts';
import type { Unplaced } from './issue.ts';
import type { Parts } from './part.ts';
import type { Playbook } from './schema.ts';

/** Ids that are given twice, and targets that are no step. */
export function targetIssues({ triggers, steps, stepIds }: Parts): Unplaced[] {
  const issues: Unplaced[] = [];
  const duplicates = (list: readonly ({ id: string } | undefined)[], where: string) =>
    list.forEach((one, i) => {
      if (one && list.findIndex((other) => other?.id === one.id) !== i)
        issues.push({ at: `/${where}/${i}/id`, text: `the id ${one.id} is used twice: give each its own` });
    });
  duplicates(steps, 'steps');
  duplicates(triggers, 'triggers');
  steps.forEach((step, i) => {
    if (!step) return;
    const known = (name: string | undefined, key: string) => {
      if (name !== undefined && name !== 'end' && !stepIds.has(name))
        issues.push({
          at: `/steps/${i}/${key}`,
          text: `there is no step ${name}: name a step of this playbook, or end`,
        });
    };
    if (step.id === 'end') issues.push({ at: `/steps/${i}/id`, text: 'end is reserved: choose another id' });
    if (step.type === 'branch') {
      known(step.then, 'then');
      known(step.else, 'else');
    } else known(step.next, 'next');
  });
  return issues;
}

/** The shape of a graph whose ids and targets are sound: no cycle, no step that nothing leads to. */
export function shapeIssues(playbook: Playbook, graph: Graph): Unplaced[] {
  const issues: Unplaced[] = [];
  const order = topological(graph);
  if (!order) return [{ at: '/steps', text: 'the steps form a cycle: a run must be able to end' }];
  playbook.steps.forEach((step, i) => {
    if (!order.includes(step.id as StepId))
      issues.push({ at: `/steps/${i}`, text: `no path leads to step ${step.id}: point to it, or remove it` });
  });
  return issues;
}

/** Reachable steps in an order in which every step comes after all that may lead to it; undefined on a cycle. */
export function topological(graph: Graph): readonly StepId[] | undefined {
  const order: StepId[] = [];
  const state = new Map<StepId, 'open' | 'done'>();
  const visit = (id: StepId): boolean => {
    if (state.get(id) === 'done') return true;
    if (state.get(id) === 'open') return false;
    state.set(id, 'open');
    const step = graph.steps.get(id);
    const fine = (step ? successors(step) : []).every((next) => next === null || visit(next));
    state.set(id, 'done');
    order.unshift(id);
    return fine;
  };
  return visit(graph.entry) ? order : undefined;
}
