import { partsOfStepRun, type StepRunId } from '../base/id.ts';
import { after, durationMs } from '../base/time.ts';
import type { ActionStep } from '../playbook/graph.ts';
import { type CutOffBy, cutOffText } from './cut-off.ts';
import type { Outcome } from './decision.ts';
import { endRun, skipRest } from './end.ts';
import { asOnce, backoff, isRetriable, jitterOf, mayRepeat, retryPolicy } from './retry.ts';
import { keyOf } from './scope.ts';
import type { Ending, StepError, StepRun } from './state.ts';
import type { Step, Turn } from './turn.ts';
import { UNDO_TIME } from './undo-time.ts';

/**
 * Compensation (S 13.3): what a run carried out, and declared to be undone, is undone when the run does not complete.
 * One step after the other, the last first. It is covered by the verdict and the approval of the step that it undoes:
 * whoever agreed was shown that it can be undone. A failure is on record and loud, and the others are undone all the same.
 */
export function beginUndo(turn: Turn, ending: Ending): Step {
  if (undoable(turn).length === 0) return endRun(turn, ending);
  skipRest(turn, ending.reason, true);
  turn.emit({ kind: 'run-undoing', ...ending, deadlineAt: after(turn.facts.now, UNDO_TIME) });
  return undoNext(turn);
}

type Undoable = { readonly step: ActionStep; readonly run: Extract<StepRun, { state: 'succeeded' }> };

/** What is left to undo, the last first. A step that changes nothing outside has nothing to undo. */
function undoable(turn: Turn): readonly Undoable[] {
  return Object.values(turn.run().steps)
    .flatMap((run): Undoable[] => {
      const step = turn.facts.graph.steps.get(partsOfStepRun(run.id).step);
      const isOpen = run.state === 'succeeded' && run.undo?.state !== 'failed';
      const hasActed = run.attempts.some(({ effect, end }) => effect === 'write' && end === 'succeeded');
      return step?.kind === 'action' && step.rollback && isOpen && hasActed ? [{ step, run }] : [];
    })
    .sort((a, b) => b.run.seq - a.run.seq);
}

function undoNext(turn: Turn): Step {
  const [next] = undoable(turn);
  if (!next) return endRun(turn, turn.run().undo ?? { state: 'failed', reason: 'undone' });
  return sendUndo(turn, next.step, next.run);
}

function sendUndo(turn: Turn, step: ActionStep, run: Undoable['run']): Step {
  const action = turn.facts.action(step.plugin, step.action);
  if (!action?.rollsBack)
    return giveUp(turn, run.id, { class: 'not_found', message: 'the action cannot be undone any more' });
  if (!turn.maySend()) {
    turn.emit({ kind: 'undo-parked', step: run.id });
    return undefined;
  }
  const attempt = (run.undo?.attempts.length ?? 0) + 1;
  const key = keyOf(turn.run(), run.id, 'rollback');
  const recordsLeaving = !mayRepeat(action);
  const uses = `${step.plugin}/${step.action}#rollback`;
  turn.emit({ kind: 'undo-intended', step: run.id, attempt, uses, key, recordsLeaving });
  const { parameters, plan, output } = run;
  turn.ask({ kind: 'call', op: 'rollback', step: run.id, attempt, parameters, plan, output, key, recordsLeaving });
  return undefined;
}

function giveUp(turn: Turn, at: StepRunId, error: StepError): Step {
  turn.emit({ kind: 'undo-failed', step: at, error });
  return undoNext(turn);
}

/** A call of `rollback` ended. */
export function decideUndone(turn: Turn, step: ActionStep, run: StepRun, answered: Outcome): Step {
  const action = turn.facts.action(step.plugin, step.action);
  const attempt = run.undo?.attempts.length ?? 1;
  const outcome = action && mayRepeat(action) ? answered : asOnce(answered);
  if (outcome.kind === 'succeeded') {
    const output = run.state === 'succeeded' ? run.output : null;
    turn.emit({ kind: 'step-rolled-back', step: run.id, attempt, output });
    return undoNext(turn);
  }
  const error: StepError =
    outcome.kind === 'failed' ? outcome.error : { class: 'timeout', message: `nobody knows: ${outcome.reason}` };
  turn.emit({ kind: 'undo-tried', step: run.id, attempt, end: outcome.kind, error });
  const policy = action && retryPolicy(step, action);
  const tries = attempt - (run.undo?.cutOffs ?? 0);
  const again =
    policy !== undefined &&
    tries < policy.attempts &&
    (outcome.kind === 'failed' ? isRetriable(policy, error.class) : action !== undefined && mayRepeat(action));
  if (!again || policy === undefined) return giveUp(turn, run.id, error);
  const asked = outcome.kind === 'failed' ? (outcome.retryAfterMs ?? 0) : 0;
  return undoLater(turn, run, Math.max(asked, backoff(policy, tries, spreadOf(turn, run, attempt))), false);
}

const spreadOf = (turn: Turn, { id }: StepRun, attempt: number): number =>
  jitterOf(`${turn.run().id}/${id}/rollback/${attempt}`);

function undoLater(turn: Turn, run: StepRun, waitMs: number, cutOff: boolean): Step {
  const attempt = (run.undo?.attempts.length ?? 1) + 1;
  const retryAt = after(turn.facts.now, durationMs(waitMs));
  turn.emit({ kind: 'undo-retry', step: run.id, attempt, retryAt, cutOff });
  return undefined;
}

/** As for any call (decide-outcome.ts): an end of the kernel says nothing of the target. */
export function decideUndoCutOff(turn: Turn, step: ActionStep, run: StepRun, why: CutOffBy): Step {
  const { undo } = run;
  const action = turn.facts.action(step.plugin, step.action);
  const attempt = undo?.attempts.length ?? 1;
  const error: StepError = { class: 'unavailable', message: cutOffText(why) };
  const isUnknown = undo?.mayHaveActed === true;
  turn.emit({ kind: 'undo-tried', step: run.id, attempt, end: isUnknown ? 'indeterminate' : 'failed', error });
  const policy = action && retryPolicy(step, action);
  if (!policy || !action || (isUnknown && !mayRepeat(action))) return giveUp(turn, run.id, error);
  const spread = spreadOf(turn, run, attempt);
  return undoLater(turn, run, backoff({ ...policy, most: UNDO_TIME }, (undo?.cutOffs ?? 0) + 1, spread), true);
}

/** It was not sent, for a pause: its try is over, and is none that the retry budget counts. */
export function decideUndoNotSent(turn: Turn, run: StepRun, error: StepError): Step {
  const attempt = run.undo?.attempts.length ?? 1;
  turn.emit({ kind: 'undo-tried', step: run.id, attempt, end: 'failed', error });
  turn.emit({ kind: 'undo-retry', step: run.id, attempt: attempt + 1, retryAt: turn.facts.now, cutOff: true });
  return undoAgain(turn, run.id);
}

/** A try that was due, or that had to wait for the end of a stop or of a pause. */
export function undoAgain(turn: Turn, at: StepRunId): Step {
  const next = undoable(turn).find(({ run }) => run.id === at);
  return next ? sendUndo(turn, next.step, next.run) : undefined;
}

/** No more time, or nobody wants it any more: what is not undone stays as it was done, and somebody has to look. */
export function abandonUndo(turn: Turn, why: 'undo-timeout' | 'undo-cancelled'): Step {
  const error: StepError = { class: 'timeout', message: `it was not undone: ${why}` };
  for (const { run } of undoable(turn)) {
    const { undo } = run;
    if (undo?.state === 'intended') {
      const end = undo.mayHaveActed ? 'indeterminate' : 'failed';
      turn.emit({ kind: 'undo-tried', step: run.id, attempt: undo.attempts.length, end, error });
      turn.ask({ kind: 'abort', step: run.id });
    }
    turn.emit({ kind: 'undo-failed', step: run.id, error });
  }
  return endRun(turn, turn.run().undo ?? { state: 'failed', reason: why });
}
