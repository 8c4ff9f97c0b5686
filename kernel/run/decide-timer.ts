import { partsOfStepRun, type StepRunId } from '../base/id.ts';
import { own } from '../base/own.ts';
import { begin } from './action.ts';
import { advance } from './advance.ts';
import { tryAgain } from './decide-outcome.ts';
import { denyHeld } from './decide-person.ts';
import type { Need } from './decision.ts';
import { startNextLane } from './fork.ts';
import { type Due, firstDue } from './open-work.ts';
import { type Step, stop, type Turn } from './turn.ts';
import { abandonUndo, undoAgain } from './undo.ts';
import { expire, pass } from './wait.ts';

/** Due things that one turn looks at; the row of the run stays due while there are more. */
const PER_TURN = 16;

/**
 * Time has come for something. What was due first happened first, however late anyone looks. At the deadline itself the
 * run's end comes first, and from then on nothing is made up for but what had run out before.
 * @returns what it lacks, or null when nothing was due.
 */
export function decideTimer(turn: Turn): { readonly refusal: { readonly kind: 'stale' } } | Need | undefined {
  const { now } = turn.facts;
  let done = 0;
  for (; done < PER_TURN; done++) {
    const due = firstDue(turn.run());
    if (due === null || due.at > now || !turn.mayTakeUpMore()) break;
    const isLate = turn.isOverdue() && due.kind !== 'approval';
    // The next turn begins the next few.
    if (due.kind === 'lanes' && !isLate && !turn.mayStartLane()) break;
    const need = advance(turn, due.kind === 'deadline' || isLate ? endAtDeadline(turn) : fire(turn, due));
    if (need) return need;
  }
  return done === 0 ? { refusal: { kind: 'stale' } } : undefined;
}

export const endAtDeadline = (turn: Turn): Step =>
  turn.run().undo ? abandonUndo(turn, 'undo-timeout') : stop('timed_out', 'run-timeout');

function fire(turn: Turn, due: Exclude<Due, { kind: 'deadline' }>): Step {
  const { step: id, kind } = due;
  const step = turn.facts.graph.steps.get(partsOfStepRun(id).step);
  switch (kind) {
    case 'approval':
      return expireApproval(turn, id);
    case 'lanes':
      return startNextLane(turn);
    case 'undo':
      return undoAgain(turn, id);
    case 'wait': {
      const open = own(turn.run().steps, id);
      if (step?.kind !== 'wait' || open?.state !== 'open') return stop('failed', 'step-failed');
      return open.waitsFor === 'time' ? pass(turn, step, id, {}) : expire(turn, step, id);
    }
    case 'claim': {
      const ready = own(turn.run().steps, id);
      if (step?.kind !== 'action' || ready?.state !== 'ready') return stop('failed', 'step-failed');
      return begin(turn, step, id, ready.parameters);
    }
    case 'retry': {
      const ready = own(turn.run().steps, id);
      if (step?.kind !== 'action' || ready?.state !== 'ready' || ready.waitsFor !== 'retry')
        return stop('failed', 'step-failed');
      return tryAgain(turn, step, ready);
    }
  }
}

function expireApproval(turn: Turn, id: StepRunId): Step {
  const { approval } = own(turn.run().steps, id) ?? {};
  if (!approval) return stop('failed', 'step-failed');
  turn.emit({ kind: 'approval-decided', approval, state: 'expired' });
  return denyHeld(turn, id, 'expired');
}
