import type { Operation } from '../../sdk/contract/plugin.ts';
import type { Digest, StepRunId } from '../base/id.ts';
import type { UnixMs } from '../base/time.ts';
import { nextLane } from './fork.ts';
import type { Attempt, Run, StepRun } from './state.ts';

/** What a run waits for from outside, derived from its state, so that it cannot disagree with it. */
export type OpenCall = { readonly step: StepRunId; readonly op: Operation | 'run'; readonly attempt: number };

/** Calls, and runs, whose answer is owed. On restart these are the open intents. */
export function openCalls(run: Run): readonly OpenCall[] {
  if (run.ended) return [];
  return Object.values(run.steps).flatMap((step): OpenCall[] => {
    const { id } = step;
    if (step.state === 'intended') return [{ step: id, op: 'execute', attempt: step.attempt }];
    if (step.state === 'ready' && step.waitsFor === 'plan')
      return [{ step: id, op: 'plan', attempt: step.spent + step.cutOffs + 1 }];
    if (step.state === 'indeterminate' && step.checking) return [{ step: id, op: 'check', attempt: step.attempt }];
    if (step.state === 'open' && step.waitsFor === 'run') return [{ step: id, op: 'run', attempt: 1 }];
    if (step.undo?.state === 'intended') return [{ step: id, op: 'rollback', attempt: step.undo.attempts.length }];
    return [];
  });
}

/** Steps that wait for an event, and the key that it will have. */
export const awaitedBy = (run: Run | null): ReadonlyMap<StepRunId, Digest> =>
  new Map(
    Object.values(run && !run.ended ? run.steps : {}).flatMap((step) =>
      step.state === 'open' && step.waitsFor === 'event' ? [[step.id, step.key] as const] : [],
    ),
  );

/** Something of it waits for the end of a stop or of a pause. */
export const isParked = (run: Run): boolean =>
  run.ended === null &&
  Object.values(run.steps).some(
    (step) => (step.state === 'ready' && step.waitsFor === 'release') || step.undo?.state === 'parked',
  );

/** Something that is due at an instant. */
export type Due =
  | {
      readonly kind: 'approval' | 'retry' | 'claim' | 'wait' | 'undo' | 'lanes';
      readonly at: UnixMs;
      readonly step: StepRunId;
    }
  | { readonly kind: 'deadline'; readonly at: UnixMs };

/** What is due first, down to the run's own deadline (R8: never none). */
export function firstDue(run: Run): Due | null {
  if (run.ended) return null;
  let first: Due = { kind: 'deadline', at: run.deadlineAt };
  const consider = (due: Due) => {
    if (due.at < first.at) first = due;
  };
  for (const approval of Object.values(run.approvals))
    if (approval.state === 'pending') consider({ kind: 'approval', at: approval.expiresAt, step: approval.step });
  for (const step of Object.values(run.steps)) {
    if (step.state === 'ready' && (step.waitsFor === 'retry' || step.waitsFor === 'claim') && !run.undo)
      consider({ kind: step.waitsFor, at: step.retryAt, step: step.id });
    if (step.state === 'open' && (step.waitsFor === 'time' || step.waitsFor === 'event'))
      consider({ kind: 'wait', at: step.until, step: step.id });
    // Lanes that may begin: a turn begins a few, and the next goes on.
    const next = nextLane(run, step);
    if (next) consider({ kind: 'lanes', at: next.from, step: step.id });
    if (step.undo?.state === 'retry' && step.undo.retryAt !== null)
      consider({ kind: 'undo', at: step.undo.retryAt, step: step.id });
  }
  return first;
}

export const nextDue = (run: Run): UnixMs | null => firstDue(run)?.at ?? null;

export type Closure = 'open' | 'closed' | 'needs_review';

/** A run that ended with something unknown, or stopped after it had changed something, needs a person's eye (S 13.3). */
export function closureOf(run: Run): Closure {
  if (!run.ended) return 'open';
  if (run.closed) return 'closed';
  const steps = Object.values(run.steps);
  const unknown = steps.some(
    (step) => step.state === 'indeterminate' || (step.state !== 'succeeded' && step.attempts.some(isUnknown)),
  );
  const isLeft = steps.some(({ undo }) => undo?.state === 'failed' || undo?.attempts.some(isUnknown));
  return unknown || isLeft || isPartial(run) ? 'needs_review' : 'closed';
}

/** A person can say what became of it: its outcome is unknown, and no later try of it will tell. */
export const isOpenToSettle = (run: Run, step: StepRun): boolean =>
  (step.state === 'indeterminate' && !step.checking) ||
  (step.state === 'open' && step.waitsFor === 'person') ||
  (run.ended !== null && step.state === 'failed' && step.attempts.some(isUnknown));

/** A try that may have changed something, and nobody has said whether it did. */
export const isUnknown = (attempt: Attempt) => attempt.effect === 'write' && attempt.end === 'indeterminate';

/** Something outside was changed and the run did not complete. */
export const isPartial = (run: Run): boolean =>
  run.ended !== null &&
  run.state !== 'completed' &&
  Object.values(run.steps).some(
    (step) => hasKeptChange(step) || step.attempts.some(({ effect, end }) => effect === 'write' && end === 'succeeded'),
  );

/** What an ended run has changed is what this one stands on, and is not undone with it. */
const hasKeptChange = (step: StepRun): boolean => step.state === 'succeeded' && step.kept?.changed === true;

/**
 * All that a partial run changed outside was undone after. Not where something is unknown or a person did it by hand; and
 * not where the run may have started others, since what those did is theirs and stays.
 */
export const isUndone = (run: Run): boolean =>
  isPartial(run) && Object.keys(run.playbooks).length === 0 && !Object.values(run.steps).some(mayHaveLeft);

/** What it did, or may have done, still stands. */
const mayHaveLeft = (step: StepRun): boolean =>
  hasKeptChange(step) ||
  (step.state !== 'rolled_back' &&
    step.attempts.some(({ effect, end }) => effect === 'write' && (step.state === 'succeeded' || end !== 'failed')));
