import type { StepId } from '../base/id.ts';
import { own } from '../base/own.ts';
import type { UnixMs } from '../base/time.ts';
import type { Attempt, Run, StepRun } from './state.ts';

/** What a run waits for from outside, derived from its state, so that it cannot disagree with it. */
export type OpenCall = { readonly step: StepId; readonly op: 'plan' | 'execute'; readonly attempt: number };

/** Calls whose answer is owed. On restart these are the open intents. */
export function openCalls(run: Run): readonly OpenCall[] {
  if (run.ended) return [];
  const calls: OpenCall[] = [];
  for (const step of Object.values(run.steps)) {
    if (step.state === 'intended') calls.push({ step: step.id, op: 'execute', attempt: step.attempt });
    else if (step.state === 'ready' && step.waitsFor === 'plan')
      calls.push({ step: step.id, op: 'plan', attempt: step.spent + step.cutOffs + 1 });
  }
  return calls;
}

/** The next instant at which something is due: a retry, an expiry, or the run's own deadline (R8: never none). */
export function nextDue(run: Run): UnixMs | null {
  if (run.ended) return null;
  let due = run.deadlineAt;
  for (const approval of Object.values(run.approvals))
    if (approval.state === 'pending' && approval.expiresAt < due) due = approval.expiresAt;
  const current = run.current ? own(run.steps, run.current) : undefined;
  if (current?.state === 'ready' && current.waitsFor === 'retry' && current.retryAt < due) due = current.retryAt;
  return due;
}

export type Closure = 'open' | 'closed' | 'needs_review';

/** A run that ended with something unknown, or stopped after it had changed something, needs a person's eye (S 13.3). */
export function closureOf(run: Run): Closure {
  if (!run.ended) return 'open';
  const steps = Object.values(run.steps);
  const unknown = steps.some(
    (step) => step.state === 'indeterminate' || (step.state !== 'succeeded' && step.attempts.some(isUnknown)),
  );
  if (unknown) return 'needs_review';
  return isPartial(run) ? 'needs_review' : 'closed';
}

/** A person can say what became of it: its outcome is unknown, and no later try of it will tell. */
export const isOpenToSettle = (run: Run, step: StepRun): boolean =>
  step.state === 'indeterminate' ||
  (run.ended !== null && step.state === 'failed' && step.attempts.slice(-1).some(isUnknown));

/** A try that may have changed something, and nobody has said whether it did. */
const isUnknown = (attempt: Attempt) => attempt.effect === 'write' && attempt.end === 'indeterminate';

/** Something outside was changed and the run did not complete. */
export const isPartial = (run: Run): boolean =>
  run.ended !== null &&
  run.state !== 'completed' &&
  Object.values(run.steps).some((step) =>
    step.attempts.some((attempt) => attempt.effect === 'write' && attempt.end === 'succeeded'),
  );
