import type { Rule } from '../../sdk/contract/rule.ts';
import { partsOfStepRun, type StepId, stepRunId } from '../base/id.ts';
import { own } from '../base/own.ts';
import { printable } from '../base/printable.ts';
import { type Graph, type Join, type Step, wayOnFailure } from '../playbook/graph.ts';
import type { Run, StepRun } from '../run/state.ts';
import type { Trail } from '../run/trail.ts';
import type { Diagram, DiagramEdge, DiagramNode } from './diagram.ts';

/**
 * The picture of a version of a playbook, and of what a run has made of it: the one place that knows both the steps and
 * the boxes. A step inside of a foreach is one box, whatever the number of its items. A way was taken when, for some
 * item, its step came to an end that leads there and what follows was reached.
 */
export type Told = { readonly run: Run; readonly trail: Trail };

/** No step has such a name. */
const START = 'start!';
const endOf = (parent: string | null): string => (parent === null ? 'end!' : `${parent}/end!`);
const blockOf = (fork: string, lane: string): string => `${fork}/${lane}`;

export function diagramOf(name: string, graph: Graph, told: Told | null): Diagram {
  const steps = [...graph.steps.values()];
  const run = told?.run ?? null;
  const runs = Map.groupBy(Object.values(run?.steps ?? {}), ({ id }) => partsOfStepRun(id).step);
  const runsOf = (id: StepId): readonly StepRun[] => runs.get(id) ?? [];
  const parents = new Map(steps.map((step) => [step.id, parentOf(step, graph)]));
  const ways = steps.flatMap((step) => waysOf(step, parents.get(step.id) ?? null, told, runsOf));
  const stateOf = (id: StepId) => run && comeTo(runsOf(id));
  const nodes: DiagramNode[] = [dot(START, 'start', null, run !== null, run)];
  for (const step of steps) {
    const parent = parents.get(step.id) ?? null;
    nodes.push({ id: step.id, label: step.id, state: stateOf(step.id), parent, ...shapeOf(step, runsOf(step.id)) });
    if (step.kind === 'parallel')
      for (const lane of step.lanes)
        nodes.push({
          id: blockOf(step.id, lane.name),
          kind: 'block',
          label: lane.name,
          detail: '',
          state: null,
          parent: step.id,
        });
  }
  // A block needs an end of its own only where a way leads there that is none of its last step.
  for (const [end, parent] of new Map(
    ways.flatMap(({ to, parent }) => (to === endOf(parent) ? [[to, parent] as const] : [])),
  ))
    nodes.push(
      dot(
        end,
        'end',
        parent,
        ways.some((way) => way.to === end && way.taken),
        run,
      ),
    );
  const first: DiagramEdge = {
    from: START,
    to: graph.entry,
    label: '',
    taken: runsOf(graph.entry).some(isReached),
    onFailure: false,
  };
  const edges = merged(ways.map(({ parent: _, ...edge }) => edge));
  return { title: name, state: run?.state ?? null, nodes, edges: [first, ...edges] };
}

const dot = (
  id: string,
  kind: 'start' | 'end',
  parent: string | null,
  isReached: boolean,
  run: Run | null,
): DiagramNode => ({
  id,
  kind,
  label: '',
  detail: '',
  state: run && (isReached ? 'succeeded' : 'pending'),
  parent,
});

function parentOf({ within }: Step, graph: Graph): string | null {
  if (within === null) return null;
  const fork = graph.steps.get(within.fork);
  if (fork?.kind !== 'parallel') return within.fork;
  return blockOf(within.fork, fork.lanes[within.lane]?.name ?? '');
}

function shapeOf(step: Step, runs: readonly StepRun[]): Pick<DiagramNode, 'kind' | 'detail'> {
  switch (step.kind) {
    case 'action':
      return { kind: 'step', detail: `${step.type}: ${step.plugin}/${step.action}` };
    case 'update':
      return { kind: 'step', detail: `set the incident to ${step.set.state}` };
    case 'branch': {
      const [only, ...more] = step.paths;
      return {
        kind: 'branch',
        detail: only && more.length === 0 ? wordsOf(only.when) : `one of ${step.paths.length + 1} ways`,
      };
    }
    case 'wait':
      return {
        kind: 'step',
        detail: wakerOf(runs) ?? `wait for ${step.wait.kind === 'event' ? 'an event' : 'a time'}`,
      };
    case 'approval':
      return { kind: 'step', detail: `approval: tier ${step.tier}` };
    case 'playbook':
      return { kind: 'step', detail: `playbook: ${step.playbook}${step.detached ? ', not waited for' : ''}` };
    case 'parallel':
      return { kind: 'group', detail: `in parallel, ${joinOf(step.join, 'lane')}` };
    case 'fail':
      return { kind: 'step', detail: `fail: ${printable(saidBy(runs) ?? step.message, SAID_CHARS)}` };
    case 'repeat':
      return { kind: 'group', detail: `again until ${wordsOf(step.until)}, at most ${step.times} times` };
    case 'foreach':
      return { kind: 'group', detail: `for each of ${step.over}, ${joinOf(step.join, 'item')}` };
  }
}

/** The words of a `fail` that was reached; those of the items of a foreach may differ. */
function saidBy([only, ...more]: readonly StepRun[]): string | undefined {
  return only?.state === 'failed' && more.length === 0 ? only.error.message : undefined;
}
const SAID_CHARS = 120;

/** Of one step run; the items of a foreach were each woken by an event of its own. */
function wakerOf([only, ...more]: readonly StepRun[]): string | undefined {
  if (only?.state !== 'succeeded' || only.event === undefined || more.length > 0) return undefined;
  return `woken by ${only.event}`;
}

const joinOf = ({ need }: Join, what: string): string => `${need} ${what}${need === 1 ? '' : 's'} must succeed`;

/** What was not carried out here, since it was done before, is told from what was. */
const wordOf = (run: StepRun): string => (run.state === 'succeeded' && run.kept ? 'kept' : run.state);

/** What one step run has come to; of several, how many to what. */
function comeTo(runs: readonly StepRun[]): string {
  const [first] = runs;
  if (!first) return 'pending';
  if (runs.length === 1) return wordOf(first);
  const counts = Map.groupBy(runs, wordOf);
  return [...counts].map(([state, list]) => `${list.length} ${state}`).join(', ');
}

type Way = DiagramEdge & { readonly parent: string | null };

function waysOf(
  step: Step,
  parent: string | null,
  told: Told | null,
  runsOf: (id: StepId) => readonly StepRun[],
): readonly Way[] {
  const way = (to: StepId | null, label: string, leads: (state: StepRun) => boolean, onFailure = false): Way => ({
    from: step.id,
    to: to ?? endOf(parent),
    label,
    taken: told !== null && runsOf(step.id).some((state) => leads(state) && isFollowed(state, to, parent, told)),
    onFailure,
    parent,
  });
  const isPast = ({ state }: StepRun) => state === 'succeeded' || state === 'rolled_back';
  if (step.kind === 'branch') {
    const goes = (to: StepId | null) => (state: StepRun) => isPast(state) && told?.trail.wayOf(state.id) === to;
    const isTwo = step.paths.length === 1;
    return [
      ...step.paths.map(({ when, to }) => way(to, isTwo ? 'then' : wordsOf(when, true), goes(to))),
      way(step.otherwise, 'else', goes(step.otherwise)),
    ];
  }
  if (step.kind === 'fail') return [];
  const failure = wayOnFailure(step);
  const goesOn = (state: StepRun) => isPast(state) || (failure.kind === 'continue' && state.state === 'failed');
  // The last step of a block leads nowhere that need be shown; the box itself is its end.
  const on = step.next === null && parent !== null ? [] : [way(step.next, '', goesOn)];
  if (failure.kind !== 'goto') return on;
  return [...on, way(failure.to, 'on failure', ({ state }) => state === 'failed', true)];
}

/** For the same items. */
function isFollowed(from: StepRun, to: StepId | null, parent: string | null, { run }: Told): boolean {
  if (to === null) return parent !== null || run.state === 'completed';
  const state = own(run.steps, stepRunId(to, partsOfStepRun(from.id).items));
  return state !== undefined && isReached(state);
}

const isReached = ({ state }: StepRun): boolean => state !== 'skipped';

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

/**
 * A rule in a few words; a tree of conditions says how many it has.
 * @param isShort only the last part of where the value stands: for a label.
 */
function wordsOf(rule: Rule, isShort = false): string {
  if ('all' in rule) return manyOf('all', rule.all, isShort);
  if ('any' in rule) return manyOf('any', rule.any, isShort);
  if ('not' in rule) return `not ${wordsOf(rule.not, isShort)}`;
  const { fact, path = '', operator, value } = rule;
  const place = isShort ? (path.split('/').at(-1) ?? '') || fact : `${fact}${path}`;
  return `${place} ${own(SIGNS, operator) ?? operator} ${Array.isArray(value) ? value.join(' | ') : String(value)}`;
}

function manyOf(word: string, rules: readonly Rule[], isShort: boolean): string {
  const [only, ...more] = rules;
  return only && more.length === 0 ? wordsOf(only, isShort) : `${word} of ${rules.length}`;
}
