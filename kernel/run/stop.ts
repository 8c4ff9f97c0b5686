import { partsOfStepRun, type StepRunId } from '../base/id.ts';
import { own } from '../base/own.ts';
import { type LanePlace, laneOf } from './scope.ts';
import type { Ending, StepError, StepRun } from './state.ts';
import type { Step, Turn } from './turn.ts';
import { beginUndo } from './undo.ts';

/** Stops what is under way: of a run that will not complete, or of a lane that is not needed any more. */

/** What is under way is stopped, and what was carried out is undone where that is declared. */
export function stopRun(turn: Turn, { state, reason, failure }: Ending): Step {
  for (const step of Object.values(turn.run().steps)) stopStep(turn, step, reason);
  return beginUndo(turn, { state, reason, ...(failure && { failure }) });
}

/** Everything in one lane, and in the lanes of its forks. */
export function stopLane(turn: Turn, { fork, lane }: LanePlace, reason: string): void {
  const within = Object.values(turn.run().steps).filter((step) => isWithin(turn, step.id, fork, lane));
  const skipped = within.flatMap((step) => (stopStep(turn, step, reason) ? [step.id] : []));
  if (skipped.length > 0) turn.emit({ kind: 'steps-skipped', steps: skipped, reason });
}

/** Whether the step run stands in this lane, or in a lane of a fork in it. */
export function isWithin(turn: Turn, id: StepRunId, fork: StepRunId, lane: number): boolean {
  for (let at: StepRunId | undefined = id; at !== undefined; ) {
    const { step, items } = partsOfStepRun(at);
    const known = turn.facts.graph.steps.get(step);
    const place: LanePlace | null = known ? laneOf(turn.facts.graph, known, items) : null;
    if (place?.fork === fork && place.lane === lane) return true;
    at = place?.fork;
  }
  return false;
}

/**
 * Stops what is under way of one step: a call is aborted, and what it may have changed is recorded as unknown.
 * @returns whether it stands open all the same, and has to be recorded as one that will not go on.
 */
function stopStep(turn: Turn, step: StepRun, reason: string): boolean {
  switch (step.state) {
    case 'intended':
      endTry(turn, step, reason);
      turn.ask({ kind: 'abort', step: step.id });
      return false;
    case 'ready':
      // A plan that has arrived is no call any more.
      if (step.waitsFor === 'plan' && !step.plan) turn.ask({ kind: 'abort', step: step.id });
      return true;
    case 'indeterminate':
      if (!step.checking) return false;
      turn.ask({ kind: 'abort', step: step.id });
      turn.emit({ kind: 'step-check-failed', step: step.id, attempt: step.attempt, error: stoppedBy(reason) });
      return false;
    case 'held':
      withdraw(turn, step);
      return true;
    case 'open':
      // What a detached step has asked for is on its own, whether it is there already or about to be.
      if (step.waitsFor === 'run' && !step.detached) turn.ask({ kind: 'stop-run', child: step.child });
      return true;
    default:
      return false;
  }
}

const stoppedBy = (reason: string): StepError => ({ class: 'unavailable', message: `stopped: ${reason}` });

function withdraw(turn: Turn, step: StepRun): void {
  const approval = step.approval ? own(turn.run().approvals, step.approval) : undefined;
  if (approval?.state === 'pending') turn.emit({ kind: 'approval-decided', approval: approval.id, state: 'withdrawn' });
}

/** A try ends without an answer: unknown where something may have changed, failed where nothing can have. */
export function endTry(turn: Turn, run: Extract<StepRun, { state: 'intended' }>, reason: string): void {
  const { id: step, attempt } = run;
  if (run.mayHaveActed) turn.emit({ kind: 'step-indeterminate', step, attempt, reason });
  else turn.emit({ kind: 'step-failed', step, attempt, error: stopped(reason) });
}

export const stopped = (reason: string): StepError => ({
  class: 'unavailable',
  message: `stopped before it changed anything: ${reason}`,
});
