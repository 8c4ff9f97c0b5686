import type { Operation } from '../../sdk/contract/plugin.ts';
import { unreachable } from '../base/assert.ts';
import type { PrincipalId } from '../base/id.ts';
import type { ActionStep } from '../playbook/graph.ts';
import { tryNow } from './decide-outcome.ts';
import type { StepError, StepRun } from './state.ts';
import type { Step, Turn } from './turn.ts';
import { decideUndoNotSent } from './undo.ts';

/**
 * A pause of one run. Unlike the stop switch, and unlike a cancellation, it cuts nothing off: what is under way ends, and
 * what that leads to is decided; only where something would be sent it is parked, as under a stop. Time goes on: what
 * expires expires, and the run's deadline stands.
 */

/** Its own pause is over, and whoever it held is told. A run above it, or a stop, may hold it all the same. */
export function endPause(turn: Turn, by: PrincipalId): void {
  turn.emit({ kind: 'run-resumed', by });
  turn.ask({ kind: 'resume-runs' });
}

const NOT_SENT: StepError = { class: 'unavailable', message: 'it was not sent: the run was paused' };

/**
 * A call that had to wait, and found its run paused when it was its turn. Nothing of it has left, whatever the record says
 * that may have: its try is over, counts against no retry budget, and is made again when the pause is over.
 */
export function decideNotSent(turn: Turn, step: ActionStep, run: StepRun, op: Operation): Step {
  const { id, attempt } = run;
  switch (op) {
    case 'plan':
      break;
    case 'execute':
      turn.emit({ kind: 'step-failed', step: id, attempt, error: NOT_SENT });
      break;
    case 'check':
      turn.emit({ kind: 'step-check-failed', step: id, attempt, error: NOT_SENT });
      break;
    case 'rollback':
      return decideUndoNotSent(turn, run, NOT_SENT);
    default:
      return unreachable(op);
  }
  return tryNow(turn, step, run, op);
}
