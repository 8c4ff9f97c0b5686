import { partsOfStepRun, type StepRunId, stepRunId } from '../base/id.ts';
import type { Json, JsonObject } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';
import { own } from '../base/own.ts';
import type { ForkStep } from '../playbook/graph.ts';
import { bind } from '../playbook/reference.ts';
import { bindAt, failDefined } from './bind.ts';
import { type LanePlace, scopeOf } from './scope.ts';
import type { Run } from './state.ts';
import { stopLane } from './stop.ts';
import { fail, goOn, type Step, type Turn } from './turn.ts';

/** Lanes: how they begin, how they end, and what their ends together make of the step that holds them. */
export function reachFork(turn: Turn, step: ForkStep, items: readonly number[]): Step {
  const at = stepRunId(step.id, items);
  const opened = step.kind === 'parallel' ? { parameters: {}, lanes: step.lanes.length } : itemsOf(turn, step, items);
  if (typeof opened === 'string') return failDefined(turn, step, at, opened);
  const { parameters, lanes } = opened;
  const most = step.kind === 'parallel' ? lanes : step.concurrency;
  turn.emit({ kind: 'step-opened', step: at, parameters, open: { waitsFor: 'lanes', lanes, most } });
  return settleFork(turn, at);
}

function itemsOf(
  turn: Turn,
  step: Extract<ForkStep, { kind: 'foreach' }>,
  items: readonly number[],
): { readonly parameters: JsonObject; readonly lanes: number } | string {
  const bound = bindAt(turn, step, items, { items: step.over });
  if (typeof bound === 'string') return bound;
  if (!Array.isArray(bound.items)) return 'what a foreach goes over must be a list';
  const lanes = bound.items.length;
  return lanes > step.limit
    ? `the list has ${lanes} items, and the step takes ${step.limit}`
    : { parameters: bound, lanes };
}

/** A lane came to its end by itself. */
export function endLane(turn: Turn, { fork, lane }: LanePlace, outcome: 'succeeded' | 'failed'): Step {
  const value = outcome === 'succeeded' ? collected(turn, fork, lane) : undefined;
  turn.emit({ kind: 'lane-ended', step: fork, lane, outcome, ...(value !== undefined && { value }) });
  return settleFork(turn, fork);
}

/** What the step collects of a lane; null where the reference leads nowhere, so that places stay those of the items. */
function collected(turn: Turn, fork: StepRunId, lane: number): Json | undefined {
  const { step, items } = partsOfStepRun(fork);
  const known = turn.facts.graph.steps.get(step);
  if (known?.kind !== 'foreach' || known.collect === undefined) return undefined;
  const inner = { each: [...known.each, known.id] };
  const bound = bind(known.collect, scopeOf(turn.run(), inner, [...items, lane]));
  return bound.ok ? bound.value : null;
}

/**
 * Looks at the lanes, and ends the step when the join is settled. Lanes that are not needed any more are stopped, unless
 * the step lets them finish.
 */
function settleFork(turn: Turn, at: StepRunId): Step {
  const { step: id, items } = partsOfStepRun(at);
  const step = turn.facts.graph.steps.get(id);
  const lanes = lanesAt(turn.run(), at)?.lanes;
  if (!lanes || (step?.kind !== 'parallel' && step?.kind !== 'foreach')) return undefined;
  const succeeded = lanes.filter((lane) => lane === 'succeeded').length;
  const left = lanes.filter((lane) => lane === 'waiting' || lane === 'open').length;
  const need = step.join.need === 'all' ? lanes.length : step.join.need;
  const isMet = succeeded >= need;
  const isLost = succeeded + left < need;
  if (left > 0 && ((!isMet && !isLost) || step.join.rest === 'finish')) return undefined;
  for (const [lane, state] of lanes.entries())
    if (state === 'open') {
      stopLane(turn, { fork: at, lane }, isMet ? 'join-met' : 'join-lost');
      turn.emit({ kind: 'lane-ended', step: at, lane, outcome: 'stopped' });
    }
  if (isMet) {
    const output = outputOf(turn.run(), at, step, succeeded);
    if (JSON.stringify(output).length > LIMITS.stepOutputBytes.value)
      return failDefined(turn, step, at, `what is collected is larger than ${LIMITS.stepOutputBytes.value} bytes`);
    turn.emit({ kind: 'step-succeeded', step: at, attempt: 0, output });
    return goOn(step, items, step.next);
  }
  const message = `${succeeded} of ${lanes.length} lanes succeeded, and ${need} must`;
  const error = { class: 'upstream_error', message } as const;
  turn.emit({ kind: 'step-failed', step: at, attempt: 0, error });
  return fail(step, at, error, 'lanes-failed');
}

/** Begins one lane that may begin now, of whichever fork; undefined when none may. */
export function startNextLane(turn: Turn): Step {
  const run = turn.run();
  for (const { id: at } of Object.values(run.steps)) {
    const lane = nextLane(run, at);
    const { step: id, items } = partsOfStepRun(at);
    const step = turn.facts.graph.steps.get(id);
    if (lane === undefined || (step?.kind !== 'parallel' && step?.kind !== 'foreach')) continue;
    turn.emit({ kind: 'lane-started', step: at, lane });
    if (step.kind === 'foreach') return { kind: 'reach', to: step.entry, items: [...items, lane] };
    return { kind: 'reach', to: step.lanes[lane]?.entry ?? step.id, items };
  }
  return undefined;
}

/** The lane that may start now; undefined when none may. */
export function nextLane(run: Run, at: StepRunId): number | undefined {
  const open = run.ended || run.undo ? undefined : lanesAt(run, at);
  const first = open?.lanes.indexOf('waiting') ?? -1;
  if (!open || first < 0) return undefined;
  return open.lanes.filter((lane) => lane === 'open').length < open.most ? first : undefined;
}

function lanesAt(run: Run, at: StepRunId) {
  const open = own(run.steps, at);
  return open?.state === 'open' && open.waitsFor === 'lanes' ? open : undefined;
}

function outputOf(run: Run, at: StepRunId, step: ForkStep, succeeded: number): Json {
  const { lanes, values } = lanesAt(run, at) ?? { lanes: [], values: [] };
  const counts = { succeeded, failed: lanes.filter((lane) => lane === 'failed').length, lanes: lanes.length };
  if (step.kind === 'parallel')
    return { ...counts, states: Object.fromEntries(step.lanes.map(({ name }, i) => [name, lanes[i] ?? 'stopped'])) };
  if (step.collect === undefined) return counts;
  return { ...counts, results: lanes.map((_, i) => values[i] ?? null) };
}
