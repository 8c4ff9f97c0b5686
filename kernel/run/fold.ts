import type { Approval } from '../approval/approval.ts';
import type { StepRunId } from '../base/id.ts';
import { own } from '../base/own.ts';
import type { UnixMs } from '../base/time.ts';
import type { Attempt, Run, StepCommon, StepRun, StepState } from './state.ts';

/** What the folds of all events share: how one step run, and one try of it, become the next. */

/** What a step takes along from one state to the next; of a step that was not reached yet, what it begins with. */
function commonOf(id: StepRunId, step: StepRun | undefined): StepCommon {
  const { attempt = 0, parameters = {}, plan = null, approval = null, attempts = [] } = step ?? {};
  const { spent = 0, cutOffs = 0, undo = null, child } = step ?? {};
  const common = { id, attempt, parameters, plan, approval, attempts, spent, cutOffs, undo };
  return child === undefined ? common : { ...common, child };
}

/**
 * What the fold of a turn begins with: a run whose steps and approvals nobody else holds. They are written to, since a copy
 * of a thousand of them for each event is what a large run would cost most.
 */
export const ownCopy = (run: Run): Run => ({ ...run, steps: { ...run.steps }, approvals: { ...run.approvals } });

/** Defined and not assigned: a name may be one that every object knows. */
const put = <K extends string, T>(map: Readonly<Record<K, T>>, key: K, value: T): void =>
  void Object.defineProperty(map, key, { value, writable: true, enumerable: true, configurable: true });

/** @param change gets what the step takes along, and the step as it was, if it was reached. */
export function onStep(
  run: Run,
  id: StepRunId,
  seq: number,
  at: UnixMs,
  change: (step: StepCommon, old: StepRun | undefined) => StepCommon & StepState,
): Run {
  const old = own(run.steps, id);
  const after: StepRun = { ...change(commonOf(id, old), old), seq, at };
  put(run.steps, id, after);
  return run;
}

export function withApproval(run: Run, approval: Approval): Run {
  put(run.approvals, approval.id, approval);
  return run;
}

export const openAttempt = (number: number, effect: Attempt['effect'], seq: number, at: UnixMs): Attempt => ({
  number,
  effect,
  intentSeq: seq,
  intentAt: at,
  end: null,
  endSeq: null,
  error: null,
});

/** Closes the attempt that is open, if one is; a step that failed before its first intent has none. */
export function endAttempt(
  attempts: readonly Attempt[],
  end: Exclude<Attempt['end'], null>,
  endSeq: number,
  error: Attempt['error'],
): readonly Attempt[] {
  return attempts.map((attempt) => (attempt.end === null ? { ...attempt, end, endSeq, error } : attempt));
}

/** A step that waited to be tried again and will not be is what its last try was: unknown, or failed. */
export function settleLast(step: StepRun): StepRun {
  const last = step.attempts.at(-1);
  if (step.state === 'open' && step.waitsFor === 'person')
    return { ...commonOf(step.id, step), seq: step.seq, at: step.at, state: 'failed', error: step.error };
  if ((step.state !== 'ready' && step.state !== 'held') || !last) return step;
  const kept = { ...commonOf(step.id, step), seq: step.seq, at: step.at };
  if (last.end === 'indeterminate')
    return { ...kept, state: 'indeterminate', reason: 'run-ended-before-a-retry', checking: false };
  return { ...kept, state: 'failed', error: last.error ?? { class: 'unavailable', message: 'not tried again' } };
}
