import { partsOfStepRun, type StepRunId, stepRunId } from '../base/id.ts';
import type { Json, JsonObject } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';
import { own } from '../base/own.ts';
import { after, type UnixMs } from '../base/time.ts';
import type { ForkStep, RepeatStep } from '../playbook/graph.ts';
import { bind } from '../playbook/reference.ts';
import { bindAt, failDefined, failWith } from './bind.ts';
import { type LanePlace, scopeOf } from './scope.ts';
import type { Run, StepRun } from './state.ts';
import { isWithin, stopLane } from './stop.ts';
import { goOn, type Step, type Turn } from './turn.ts';

/** Lanes: how they begin, how they end, and what their ends together make of the step that holds them. */
export function reachFork(turn: Turn, step: ForkStep, items: readonly number[]): Step {
  const at = stepRunId(step.id, items);
  const opened = openedAs(turn, step, items);
  if (typeof opened === 'string') return failDefined(turn, step, at, opened);
  const { parameters, lanes, most } = opened;
  turn.emit({ kind: 'step-opened', step: at, parameters, open: { waitsFor: 'lanes', lanes, most } });
  return settleFork(turn, at);
}

type Opened = { readonly parameters: JsonObject; readonly lanes: number; readonly most: number };

function openedAs(turn: Turn, step: ForkStep, items: readonly number[]): Opened | string {
  if (step.kind === 'parallel') return { parameters: {}, lanes: step.lanes.length, most: step.lanes.length };
  if (step.kind === 'repeat') return { parameters: {}, lanes: step.times, most: 1 };
  const bound = bindAt(turn, step, items, { items: step.over });
  if (typeof bound === 'string') return bound;
  if (!Array.isArray(bound.items)) return 'what a foreach goes over must be a list';
  const lanes = bound.items.length;
  return lanes > step.limit
    ? `the list has ${lanes} items, and the step takes ${step.limit}`
    : { parameters: bound, lanes, most: step.concurrency };
}

/** A lane came to its end by itself. */
export function endLane(turn: Turn, { fork, lane }: LanePlace, outcome: 'succeeded' | 'failed'): Step {
  const step = forkOf(turn, fork);
  if (step?.kind === 'repeat') return endRound(turn, step, { fork, lane }, outcome);
  const value = outcome === 'succeeded' ? collected(turn, fork, lane) : undefined;
  turn.emit({ kind: 'lane-ended', step: fork, lane, outcome, ...(value !== undefined && { value }) });
  return settleFork(turn, fork);
}

/** What the step collects of a lane; null where the reference leads nowhere, so that places stay those of the items. */
function collected(turn: Turn, fork: StepRunId, lane: number): Json | undefined {
  const step = forkOf(turn, fork);
  if (!step || step.kind === 'parallel' || step.collect === undefined) return undefined;
  const inner = { each: [...step.each, step.id] };
  const bound = bind(step.collect, scopeOf(turn.run(), turn.facts.graph, inner, [...partsOfStepRun(fork).items, lane]));
  return bound.ok ? bound.value : null;
}

/** A round is over: the rule says whether it was the last, and the number of rounds whether there may be one more. */
function endRound(turn: Turn, step: RepeatStep, { fork, lane }: LanePlace, outcome: 'succeeded' | 'failed'): Step {
  const { items } = partsOfStepRun(fork);
  const end = (rest: { readonly notBefore?: UnixMs } = {}) =>
    turn.emit({ kind: 'lane-ended', step: fork, lane, outcome, ...rest });
  const rounds = lane + 1;
  if (outcome === 'failed') {
    end();
    return failWith(turn, step, fork, { class: 'upstream_error', message: `round ${rounds} failed` }, 'round-failed');
  }
  const round = stepRunId(step.id, [...items, lane]);
  const answer = turn.facts.branches.get(round);
  if (answer === undefined) return { kind: 'branch', step: round, run: turn.run() };
  if (typeof answer === 'object') {
    end();
    return failDefined(turn, step, fork, `until cannot be judged: ${answer.fault}`);
  }
  if (answer === 0) {
    const value = collected(turn, fork, lane);
    end();
    const output = { rounds, ...(value !== undefined && { result: value }) };
    if (isTooLarge(output)) return failDefined(turn, step, fork, TOO_LARGE);
    turn.emit({ kind: 'step-succeeded', step: fork, attempt: 0, output });
    return goOn(step, items, step.next);
  }
  if (isUnknown(turn, { fork, lane })) {
    end();
    const message = `of round ${rounds} nobody knows whether all of it happened, so it is not repeated`;
    return failWith(turn, step, fork, { class: 'conflict', message }, 'round-unknown');
  }
  if (rounds < step.times) {
    end({ notBefore: after(turn.facts.now, step.pause) });
    return undefined;
  }
  end();
  const message = `what it repeats until did not hold after ${rounds} round${rounds === 1 ? '' : 's'}`;
  return failWith(turn, step, fork, { class: 'timeout', message });
}

/** Something of the lane was cut off, as in a lane of its own that was not needed any more, and may have happened. */
const isUnknown = (turn: Turn, { fork, lane }: LanePlace): boolean =>
  Object.values(turn.run().steps).some(({ id, state }) => state === 'indeterminate' && isWithin(turn, id, fork, lane));

/** Counted result by result, up to the limit: what all lanes give may be hundreds of times as large. */
function isTooLarge({ results, ...rest }: { readonly results?: readonly Json[] } & JsonObject): boolean {
  let left = LIMITS.stepOutputBytes.value - JSON.stringify(results ? { ...rest, results: [] } : rest).length;
  for (const [place, result] of (results ?? []).entries()) {
    left -= JSON.stringify(result).length + (place > 0 ? 1 : 0);
    if (left < 0) return true;
  }
  return left < 0;
}
const TOO_LARGE = `what is collected is larger than ${LIMITS.stepOutputBytes.value} bytes`;

/** The step of the graph that holds lanes and runs as this. */
function forkOf(turn: Turn, at: StepRunId): ForkStep | undefined {
  const step = turn.facts.graph.steps.get(partsOfStepRun(at).step);
  return step?.kind === 'parallel' || step?.kind === 'foreach' || step?.kind === 'repeat' ? step : undefined;
}

/**
 * Looks at the lanes, and ends the step when the join is settled. Lanes that are not needed any more are stopped, unless
 * the step lets them finish.
 */
function settleFork(turn: Turn, at: StepRunId): Step {
  const { items } = partsOfStepRun(at);
  const step = forkOf(turn, at);
  const lanes = lanesAt(turn.run(), at)?.lanes;
  if (!lanes || !step || step.kind === 'repeat') return undefined;
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
    if (isTooLarge(output)) return failDefined(turn, step, at, TOO_LARGE);
    turn.emit({ kind: 'step-succeeded', step: at, attempt: 0, output });
    return goOn(step, items, step.next);
  }
  const message = `${succeeded} of ${lanes.length} lanes succeeded, and ${need} must`;
  return failWith(turn, step, at, { class: 'upstream_error', message }, 'lanes-failed');
}

/** Begins one lane that may begin now, of whichever fork; undefined when none may. */
export function startNextLane(turn: Turn): Step {
  const run = turn.run();
  for (const held of Object.values(run.steps)) {
    const next = nextLane(run, held);
    const at = held.id;
    const step = next && forkOf(turn, at);
    if (!next || !step || next.from > turn.facts.now) continue;
    const { lane } = next;
    const { items } = partsOfStepRun(at);
    turn.emit({ kind: 'lane-started', step: at, lane });
    if (step.kind !== 'parallel') return { kind: 'reach', to: step.entry, items: [...items, lane] };
    return { kind: 'reach', to: step.lanes[lane]?.entry ?? step.id, items };
  }
  return undefined;
}

/** The lane that may start, and from when on; undefined when none may. */
export function nextLane(run: Run, step: StepRun): { readonly lane: number; readonly from: UnixMs } | undefined {
  if (run.ended || run.undo || step.state !== 'open' || step.waitsFor !== 'lanes') return undefined;
  const lane = step.lanes.indexOf('waiting');
  if (lane < 0) return undefined;
  // They begin in their order, so none behind that one is open.
  let open = 0;
  for (let before = 0; before < lane; before++) if (step.lanes[before] === 'open') open++;
  return open < step.most ? { lane, from: step.notBefore ?? step.at } : undefined;
}

function lanesAt(run: Run, at: StepRunId) {
  const open = own(run.steps, at);
  return open?.state === 'open' && open.waitsFor === 'lanes' ? open : undefined;
}

function outputOf(run: Run, at: StepRunId, step: Exclude<ForkStep, RepeatStep>, succeeded: number) {
  const { lanes, values } = lanesAt(run, at) ?? { lanes: [], values: [] };
  const counts = { succeeded, failed: lanes.filter((lane) => lane === 'failed').length, lanes: lanes.length };
  if (step.kind === 'parallel')
    return { ...counts, states: Object.fromEntries(step.lanes.map(({ name }, i) => [name, lanes[i] ?? 'stopped'])) };
  if (step.collect === undefined) return counts;
  return { ...counts, results: lanes.map((_, i) => values[i] ?? null) };
}
