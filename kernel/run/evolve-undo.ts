import { invariant } from '../base/assert.ts';
import type { UnixMs } from '../base/time.ts';
import type { RunEvent } from './event.ts';
import { endAttempt, onStep, openAttempt } from './fold.ts';
import type { Run, Undo } from './state.ts';

/** Folds the undoing of a step. The step itself stays what it is, succeeded, until it is rolled back. */
type UndoEvent = Extract<
  RunEvent,
  {
    kind:
      | 'undo-intended'
      | 'step-leaving'
      | 'undo-tried'
      | 'undo-retry'
      | 'undo-parked'
      | 'undo-failed'
      | 'step-rolled-back';
  }
>;

const NOT_BEGUN: Undo = {
  state: 'parked',
  mayHaveActed: false,
  retryAt: null,
  attempts: [],
  cutOffs: 0,
  error: null,
};

export function evolveUndo(run: Run, event: UndoEvent, seq: number, at: UnixMs): Run {
  return onStep(run, event.step, seq, at, (step, old) => {
    invariant(old?.state === 'succeeded', 'what is undone has succeeded');
    const before = step.undo ?? NOT_BEGUN;
    const undo = next(before, event, seq, at);
    if (event.kind === 'step-rolled-back') return { ...step, undo, state: 'rolled_back', output: event.output };
    return { ...step, undo, state: 'succeeded', output: old.output };
  });
}

function next(undo: Undo, event: UndoEvent, seq: number, at: UnixMs): Undo {
  switch (event.kind) {
    case 'undo-intended':
      return {
        ...undo,
        state: 'intended',
        mayHaveActed: !event.recordsLeaving,
        retryAt: null,
        attempts: [...undo.attempts, openAttempt(event.attempt, 'write', seq, at)],
      };
    case 'step-leaving':
      return { ...undo, mayHaveActed: true };
    case 'undo-tried':
      return { ...undo, attempts: endAttempt(undo.attempts, event.end, seq, event.error), error: event.error };
    case 'undo-retry':
      return { ...undo, state: 'retry', retryAt: event.retryAt, cutOffs: undo.cutOffs + (event.cutOff ? 1 : 0) };
    case 'undo-parked':
      return { ...undo, state: 'parked', retryAt: null };
    case 'undo-failed':
      return { ...undo, state: 'failed', error: event.error };
    case 'step-rolled-back':
      return { ...undo, state: 'done', error: null, attempts: endAttempt(undo.attempts, 'succeeded', seq, null) };
  }
}
