import type { StepId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import { entriesOf, type Graph, successors } from './graph.ts';
import type { Unplaced } from './issue.ts';
import type { Parts, StepPart } from './part.ts';
import { RESERVED_IDS } from './step.ts';

/** Ids that are given twice, targets that are no step of their block, and blocks that are too many or too deep. */
export function targetIssues({ triggers, steps, stepIds }: Parts): Unplaced[] {
  const issues: Unplaced[] = [];
  const duplicates = (list: readonly { readonly id: string | undefined; readonly at: string }[]) =>
    list.forEach(({ id, at }, i) => {
      if (id !== undefined && list.findIndex((other) => other.id === id) !== i)
        issues.push({ at: `${at}/id`, text: `the id ${id} is used twice: give each its own` });
    });
  duplicates(steps.map(({ step, at }) => ({ id: step?.id, at })));
  duplicates(triggers.map((trigger, i) => ({ id: trigger?.id, at: `/triggers/${i}` })));
  if (steps.length > LIMITS.stepsPerPlaybook.value)
    issues.push({ at: '/steps', text: `at most ${LIMITS.stepsPerPlaybook.value} steps, those of blocks included` });
  const idsOf = Map.groupBy(steps, ({ block }) => block);
  for (const part of steps) {
    const { step, at, block, depth } = part;
    if (depth > LIMITS.blockDepth.value)
      issues.push({ at, text: `blocks are at most ${LIMITS.blockDepth.value} deep` });
    if (!step) continue;
    if (RESERVED_IDS.includes(step.id))
      issues.push({ at: `${at}/id`, text: `${step.id} is reserved: choose another id` });
    for (const { name, key } of targetsOf(part)) {
      const isWord = name === 'end' || (key === 'onFailure' && RESERVED_IDS.includes(name));
      if (isWord || idsOf.get(block)?.some(({ id }) => id === name)) continue;
      const text = stepIds.has(name)
        ? `${name} stands in another block: a step leads to steps of its own block, or to end`
        : `there is no step ${name}: name a step of this playbook, or end`;
      issues.push({ at: `${at}/${key}`, text });
    }
  }
  return issues;
}

/** The ids that a step names, and the keys they stand at. */
function targetsOf({ step }: StepPart): { readonly name: string; readonly key: string }[] {
  if (!step) return [];
  if (step.type !== 'branch') {
    const named = [
      { name: 'next' in step ? step.next : undefined, key: 'next' },
      { name: 'onFailure' in step ? step.onFailure : undefined, key: 'onFailure' },
    ];
    return named.flatMap(({ name, key }) => (name === undefined ? [] : [{ name, key }]));
  }
  const paths =
    'paths' in step
      ? step.paths.map(({ then }, i) => ({ name: then, key: `paths/${i}/then` }))
      : [{ name: step.then, key: 'then' }];
  const cases = (step.cases ?? []).map(({ then }, i) => ({ name: then, key: `cases/${i}/then` }));
  return [...paths, { name: step.else, key: 'else' }, ...cases];
}

/** The shape of a graph whose ids and targets are sound: no cycle, no step that nothing leads to. */
export function shapeIssues({ steps }: Parts, graph: Graph): Unplaced[] {
  const reached = reachable(graph, graph.entry);
  if (!reached) {
    const cycle = cycleOf(graph);
    const at = steps.find(({ step }) => step?.id === cycle.at(-1))?.at ?? '/steps';
    return [{ at, text: `the steps form a cycle: ${wayOf(cycle)}. A run must be able to end` }];
  }
  return steps.flatMap(({ step, at }) =>
    !step || reached.has(step.id as StepId)
      ? []
      : [{ at, text: `no path leads to step ${step.id}: point to it, or remove it` }],
  );
}

/** Ids that are said of one cycle. */
const CYCLE_TOLD = 8;

const wayOf = (cycle: readonly StepId[]): string => {
  const told = cycle.length > CYCLE_TOLD ? [...cycle.slice(0, CYCLE_TOLD - 1), '...', ...cycle.slice(-1)] : cycle;
  return [...told, ...cycle.slice(0, 1)].join(' -> ');
};

/** The steps of a cycle, each of which leads to the next and the last to the first; none where there is no cycle. */
function cycleOf(graph: Graph): readonly StepId[] {
  const done = new Set<StepId>();
  const follow = (id: StepId, way: readonly StepId[]): readonly StepId[] | undefined => {
    if (way.includes(id)) return way.slice(way.indexOf(id));
    if (done.has(id)) return undefined;
    done.add(id);
    const step = graph.steps.get(id);
    for (const next of step ? successors(step) : []) {
      const found = next === null ? undefined : follow(next, [...way, id]);
      if (found) return found;
    }
    return undefined;
  };
  for (const id of graph.steps.keys()) {
    const found = follow(id, []);
    if (found) return found;
  }
  return [];
}

/** What can run from this step on, blocks included; undefined where a block has a cycle. */
function reachable(graph: Graph, entry: StepId): ReadonlySet<StepId> | undefined {
  const order = topological(graph, entry);
  if (!order) return undefined;
  const reached = new Set(order);
  for (const id of order) {
    const step = graph.steps.get(id);
    for (const inner of step ? entriesOf(step) : []) {
      const within = reachable(graph, inner);
      if (!within) return undefined;
      for (const one of within) reached.add(one);
    }
  }
  return reached;
}

/** Reachable steps of one block in an order in which every step comes after all that may lead to it; undefined on a cycle. */
export function topological(graph: Graph, entry: StepId): readonly StepId[] | undefined {
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
  return visit(entry) ? order : undefined;
}
