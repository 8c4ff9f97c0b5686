import type { Operation } from '../../sdk/contract/plugin.ts';
import { unreachable } from '../base/assert.ts';
import { partsOfStepRun, type StepRunId } from '../base/id.ts';
import { own } from '../base/own.ts';
import { after, unixMs } from '../base/time.ts';
import { isPerson } from '../org/principal.ts';
import type { ActionStep, Step as GraphStep } from '../playbook/graph.ts';
import { advance } from './advance.ts';
import { type CutOffBy, cutOffText } from './cut-off.ts';
import { decideChecked, decideCutOff, decideOutcome, decidePlanned, tryAgain } from './decide-outcome.ts';
import { decideByHand, decideClose, decideSettle, decideVote } from './decide-person.ts';
import { decideTimer, endAtDeadline } from './decide-timer.ts';
import type { Decision, Facts, Input, Need, Refusal } from './decision.ts';
import { decideNotSent, endPause } from './pause.ts';
import { isLive } from './scope.ts';
import { isEnded, type Run, type StepRun } from './state.ts';
import { endChild, leaveChild, startChild } from './sub.ts';
import { beginTurn, type Step, stop, type Turn } from './turn.ts';
import { abandonUndo, decideUndoCutOff, decideUndone, undoAgain } from './undo.ts';
import { arrive } from './wait.ts';

/**
 * (run, input, facts) -> decision. Pure and synchronous: no clock, no ids, no I/O, no judge. Where a judgement is
 * lacking the decision is `needs`; the caller gets it and decides again from the start, so a decision is always made
 * on one consistent set of facts.
 *
 * Invariants, checked in simulation:
 * - R1 an effect leaves only after a durable intent, an allowing verdict, and (where the tier asks) an approval bound to
 *   that exact action and plan.
 * - R2 a vote by the requester, a second vote by one person, or a vote without the role never counts; expiry never
 *   means yes.
 * - R3 replaying stored events gives the stored run.
 * - R4 the same input twice changes nothing the second time.
 * - R6 an ended run emits nothing, except an operator's explicit settlement, and the end of a pause under which it ended.
 * - R8 a run that cannot go forward is waiting, undoing or ended, never silent; every wait has a deadline.
 */
export function decide(run: Run | null, input: Input, facts: Facts): Decision {
  if (input.kind === 'start') return run ? refuse({ kind: 'stale' }) : finish(...start(input, facts));
  if (!run) return refuse({ kind: 'stale' });
  if (isEnded(run) && !isForEnded(run, input)) return refuse({ kind: 'ended' });
  const turn = beginTurn(run, facts);
  const step = decideInput(turn, run, input);
  return step !== undefined && 'refusal' in step ? refuse(step.refusal) : finish(turn, step);
}

/** What a person may still say of a run that has ended. */
const isForEnded = (run: Run, { kind }: Input): boolean =>
  kind === 'settle' || kind === 'close' || (kind === 'end-pause' && run.paused !== undefined);

/** What a rule returns that finds nothing to decide: the input does not fit the run as it is now. */
type Answer = Step | { readonly refusal: Refusal };
const STALE: Answer = { refusal: { kind: 'stale' } };

function decideInput(turn: Turn, run: Run, input: Exclude<Input, { kind: 'start' }>): Answer {
  const { facts } = turn;
  switch (input.kind) {
    case 'release': {
      if (run.state !== 'pending') return STALE;
      turn.emit({ kind: 'run-released' });
      return { kind: 'reach', to: facts.graph.entry, items: [] };
    }
    case 'resume':
      return resume(turn, run);
    case 'planned': {
      const found = actionOf(run, facts, input.step);
      if (found?.run.state !== 'ready' || found.run.waitsFor !== 'plan') return STALE;
      return decidePlanned(turn, found.step, found.run, input.result);
    }
    case 'outcome': {
      const found = actionOf(run, facts, input.step);
      if (found?.run.state !== 'intended' || found.run.attempt !== input.attempt) return STALE;
      return decideOutcome(turn, found.step, found.run, input.result);
    }
    case 'checked': {
      const found = actionOf(run, facts, input.step);
      const isAsked = found?.run.state === 'indeterminate' && found.run.checking;
      if (!found || !isAsked || found.run.attempt !== input.attempt) return STALE;
      return decideChecked(turn, found.step, found.run, input.result);
    }
    case 'undone': {
      const found = actionOf(run, facts, input.step);
      const { undo } = found?.run ?? {};
      if (!found || undo?.state !== 'intended' || undo.attempts.length !== input.attempt) return STALE;
      return decideUndone(turn, found.step, found.run, input.result);
    }
    case 'leaving':
      return decideLeaving(turn, run, input.step, input.attempt);
    case 'arrived': {
      const found = waiting(run, facts, input.step, 'event');
      if (found?.kind !== 'wait') return STALE;
      return arrive(turn, found, input);
    }
    case 'child-started':
    case 'child-ended': {
      const found = waiting(run, facts, input.step, 'run');
      const state = own(run.steps, input.step);
      const isMine = state?.state === 'open' && state.waitsFor === 'run' && state.child === input.child;
      if (found?.kind !== 'playbook' || !isMine) return STALE;
      if (input.kind === 'child-ended') return endChild(turn, found, input);
      return state.detached ? leaveChild(turn, found, input) : STALE;
    }
    case 'recovered':
    case 'not-sent':
      return decideCallLost(turn, run, input);
    case 'vote':
      return decideVote(turn, run, input);
    case 'timer':
      return decideTimer(turn);
    case 'cancel':
      // The kernel stops what nobody waits for any more, and may ask for that again: undoing is what comes of it.
      if (run.undo && !isPerson(input.by)) return STALE;
      turn.emit({ kind: 'run-cancel', by: input.by, reason: input.reason });
      if (run.paused && input.by !== null && isPerson(input.by)) {
        endPause(turn, input.by);
        // What it did is to be undone, which the pause has held up.
        if (run.undo) return goOnWithParked(turn);
      }
      // One that is told to stop while it is undoing does not go on with it: whoever says so wants an end.
      return run.undo ? abandonUndo(turn, 'undo-cancelled') : stop('cancelled', 'cancelled');
    case 'pause':
      if (run.paused) return { refusal: { kind: 'unchanged' } };
      turn.emit({ kind: 'run-paused', by: input.by, reason: input.reason });
      return undefined;
    case 'end-pause':
      if (!run.paused) return { refusal: { kind: 'unchanged' } };
      endPause(turn, input.by);
      return isEnded(run) ? undefined : goOnWithParked(turn);
    case 'settle': {
      const state = own(run.steps, input.step);
      const isByHand = state?.state === 'open' && state.waitsFor === 'person';
      return isByHand ? decideByHand(turn, input) : decideSettle(turn, run, input);
    }
    case 'close':
      return decideClose(turn, run, input);
    default:
      return unreachable(input);
  }
}

const refuse = (refusal: Refusal): Decision => ({ kind: 'refused', refusal });
function finish(turn: Turn, step: Step): Decision {
  const need = advance(turn, step);
  return need ? { kind: 'needs', need } : turn.done();
}

function start(input: Extract<Input, { kind: 'start' }>, facts: Facts): [Turn, Step] {
  const turn = beginTurn(null, facts);
  const { kind: _, queued, until, ...pinned } = input;
  const own = after(facts.now, facts.graph.timeout);
  const deadlineAt = until === undefined ? own : unixMs(Math.min(own, until));
  turn.emit({ kind: 'run-started', ...pinned, deadlineAt, ...(queued && { queued: true }) });
  return [turn, queued ? undefined : { kind: 'reach', to: facts.graph.entry, items: [] }];
}

/** An action step, and its run while it is still to go on. */
function actionOf(run: Run, facts: Facts, id: StepRunId): { step: ActionStep; run: StepRun } | undefined {
  const step = facts.graph.steps.get(partsOfStepRun(id).step);
  const state = own(run.steps, id);
  return step?.kind === 'action' && state ? { step, run: state } : undefined;
}

/** The step of a run that is open and waits for this. */
function waiting(run: Run, facts: Facts, id: StepRunId, what: 'event' | 'run'): GraphStep | undefined {
  const state = own(run.steps, id);
  if (state?.state !== 'open' || state.waitsFor !== what || !isLive(run, facts.graph, id)) return undefined;
  return facts.graph.steps.get(partsOfStepRun(id).step);
}

/** A call that records its leaving asks whether it still may. */
function decideLeaving(turn: Turn, run: Run, id: StepRunId, attempt: number): Answer {
  const state = own(run.steps, id);
  const tried =
    state?.state === 'intended'
      ? { attempt: state.attempt, mayHaveActed: state.mayHaveActed }
      : state?.undo?.state === 'intended' && {
          attempt: state.undo.attempts.length,
          mayHaveActed: state.undo.mayHaveActed,
        };
  if (!tried || tried.attempt !== attempt || tried.mayHaveActed || turn.facts.stopped) return STALE;
  if (!turn.maySend()) return { refusal: { kind: 'paused' } };
  if (turn.isOverdue()) return run.undo ? abandonUndo(turn, 'undo-timeout') : stop('timed_out', 'run-timeout');
  turn.emit({ kind: 'step-leaving', step: id, attempt });
  return undefined;
}

/** After a restart, a stop or a pause: the call was cut off, or never left, and nobody will answer it any more. */
function decideCallLost(turn: Turn, run: Run, input: Extract<Input, { kind: 'recovered' | 'not-sent' }>): Answer {
  const found = actionOf(run, turn.facts, input.step);
  if (!found || !isOwed(found.run, input)) return STALE;
  const { step, run: state } = found;
  if (input.kind === 'not-sent') return decideNotSent(turn, step, state, input.op);
  const why: CutOffBy = input.stop ?? 'restart';
  switch (input.op) {
    case 'plan':
    case 'execute':
      return decideCutOff(turn, step, state, why);
    case 'check':
      return decideChecked(turn, step, state, {
        kind: 'failed',
        error: { class: 'unavailable', message: cutOffText(why) },
      });
    case 'rollback':
      return decideUndoCutOff(turn, step, state, why);
    default:
      return unreachable(input.op);
  }
}

/** Whether the step waits for the answer to this call. */
function isOwed(step: StepRun, { op, attempt }: { readonly op: Operation; readonly attempt: number }): boolean {
  switch (op) {
    case 'plan':
      return step.state === 'ready' && step.waitsFor === 'plan';
    case 'execute':
      return step.state === 'intended' && step.attempt === attempt;
    case 'check':
      return step.state === 'indeterminate' && step.checking && step.attempt === attempt;
    case 'rollback':
      return step.undo?.state === 'intended' && step.undo.attempts.length === attempt;
    default:
      return unreachable(op);
  }
}

/** Things may be sent again. */
function resume(turn: Turn, run: Run): Answer {
  if (!turn.maySend()) return STALE;
  return goOnWithParked(turn) ?? (turn.run() === run ? STALE : undefined);
}

/** What was parked goes on where it stood, some of it in each turn. */
function goOnWithParked(turn: Turn): Need | undefined {
  if (!turn.maySend()) return undefined;
  // Whatever is looked at first: from its deadline on it sends nothing.
  if (turn.isOverdue()) return advance(turn, endAtDeadline(turn));
  for (const { id, undo } of Object.values(turn.run().steps)) {
    if (undo?.state === 'parked') advance(turn, undoAgain(turn, id));
    const now = own(turn.run().steps, id);
    if (!turn.mayTakeUpMore()) break;
    if (turn.run().ended || now?.state !== 'ready' || now.waitsFor !== 'release') continue;
    const step = turn.facts.graph.steps.get(partsOfStepRun(id).step);
    const need = step ? advance(turn, goOnWith(turn, step, now)) : undefined;
    if (need) return need;
  }
  return undefined;
}

function goOnWith(turn: Turn, step: GraphStep, run: Extract<StepRun, { state: 'ready' }>): Step {
  if (step.kind === 'playbook') return startChild(turn, step, run.id, run.parameters);
  if (step.kind !== 'action' || run.waitsFor !== 'release') return undefined;
  return tryAgain(turn, step, run);
}
