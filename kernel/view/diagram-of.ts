import type { Rule } from '../../sdk/contract/rule.ts';
import type { StepId } from '../base/id.ts';
import { own } from '../base/own.ts';
import type { Graph, Step } from '../playbook/graph.ts';
import type { Run, StepRun } from '../run/state.ts';
import type { Trail } from '../run/trail.ts';
import type { Diagram, DiagramEdge, DiagramNode } from './diagram.ts';

/**
 * The picture of a version of a playbook, and of what a run has made of it: the one place that knows both the steps and
 * the boxes. A way was taken when its step came to an end that leads there and what follows was reached.
 */
export type Told = { readonly run: Run; readonly trail: Trail };

const START = 'start!';
const END = 'end!';

export function diagramOf(name: string, graph: Graph, told: Told | null): Diagram {
  const steps = [...graph.steps.values()];
  const { run = null } = told ?? {};
  const ways = steps.flatMap((step) => waysOf(step, told));
  const isDone = run?.state === 'completed';
  const nodes: DiagramNode[] = [
    { id: START, kind: 'start', label: '', detail: '', state: run && 'succeeded', parent: null },
    ...steps.map((step) => nodeOf(step, run)),
    { id: END, kind: 'end', label: '', detail: '', state: run && (isDone ? 'succeeded' : 'pending'), parent: null },
  ];
  const first: DiagramEdge = {
    from: START,
    to: graph.entry,
    label: '',
    taken: run !== null && own(run.steps, graph.entry) !== undefined,
    onFailure: false,
  };
  return { title: name, state: run?.state ?? null, nodes, edges: [first, ...merged(ways)] };
}

function nodeOf(step: Step, run: Run | null): DiagramNode {
  const { id } = step;
  const state = run && (own(run.steps, id)?.state ?? 'pending');
  const common = { id, label: id, state, parent: null };
  switch (step.kind) {
    case 'action':
      return { ...common, kind: 'step', detail: `${step.type}: ${step.plugin}/${step.action}` };
    case 'update':
      return { ...common, kind: 'step', detail: `set the incident to ${step.set.state}` };
    case 'branch':
      return { ...common, kind: 'branch', detail: wordsOf(step.when) };
  }
}

function waysOf(step: Step, told: Told | null): readonly DiagramEdge[] {
  const way = (to: StepId | null, label: string): DiagramEdge => ({
    from: step.id,
    to: to ?? END,
    label,
    taken: told !== null && wasTaken(step, to, told),
    onFailure: false,
  });
  if (step.kind === 'branch') return [way(step.whenTrue, 'then'), way(step.whenFalse, 'else')];
  return [way(step.next, '')];
}

function wasTaken(step: Step, to: StepId | null, { run, trail }: Told): boolean {
  const state = own(run.steps, step.id);
  if (!isPast(state)) return false;
  if (step.kind === 'branch') return trail.wayOf(step.id) === to;
  return to === null ? run.state === 'completed' : isReached(own(run.steps, to));
}

const isPast = (state: StepRun | undefined): boolean => state?.state === 'succeeded';
const isReached = (state: StepRun | undefined): boolean => state !== undefined && state.state !== 'skipped';

/** Two ways from one step to another are one, with both their names. */
function merged(ways: readonly DiagramEdge[]): readonly DiagramEdge[] {
  const known = new Map<string, DiagramEdge>();
  for (const way of ways) {
    const key = `${way.from} ${way.to}`;
    const other = known.get(key);
    if (!other) known.set(key, way);
    else
      known.set(key, {
        ...way,
        label: [other.label, way.label].filter((part) => part !== '').join(', '),
        taken: other.taken || way.taken,
        onFailure: other.onFailure && way.onFailure,
      });
  }
  return [...known.values()];
}

const SIGNS: Readonly<Record<string, string>> = {
  equal: '=',
  notEqual: '≠',
  lessThan: '<',
  lessThanInclusive: '≤',
  greaterThan: '>',
  greaterThanInclusive: '≥',
};

/** A rule in a few words; a tree of conditions says how many it has. */
function wordsOf(rule: Rule): string {
  if ('all' in rule) return rule.all.length === 1 && rule.all[0] ? wordsOf(rule.all[0]) : `all of ${rule.all.length}`;
  if ('any' in rule) return rule.any.length === 1 && rule.any[0] ? wordsOf(rule.any[0]) : `any of ${rule.any.length}`;
  if ('not' in rule) return `not ${wordsOf(rule.not)}`;
  const { fact, path = '', operator, value } = rule;
  return `${fact}${path} ${own(SIGNS, operator) ?? operator} ${Array.isArray(value) ? value.join(' | ') : String(value)}`;
}
