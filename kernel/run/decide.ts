import { refuseBallot, tally } from '../approval/approval.ts';
import { unreachable } from '../base/assert.ts';
import type { StepId } from '../base/id.ts';
import { own } from '../base/own.ts';
import { after } from '../base/time.ts';
import type { ActionStep } from '../playbook/graph.ts';
import { askPlan, judge, reach } from './advance.ts';
import { decideCutOff, decideOutcome, decidePlanned, endTry } from './decide-outcome.ts';
import type { Decision, Facts, Input, Refusal } from './decision.ts';
import { endRun } from './end.ts';
import { isOpenToSettle } from './open-work.ts';
import { isEnded, type Run, type StepRun } from './state.ts';
import { beginTurn, type Step, type Turn } from './turn.ts';

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
 * - R6 an ended run emits nothing, except an operator's explicit settlement.
 * - R8 a run that cannot go forward is waiting or ended, never silent; every wait has a deadline.
 */
export function decide(run: Run | null, input: Input, facts: Facts): Decision {
  if (input.kind === 'start') return run ? refuse({ kind: 'stale' }) : finish(...start(input, facts));
  if (!run) return refuse({ kind: 'stale' });
  if (isEnded(run) && input.kind !== 'settle') return refuse({ kind: 'ended' });
  const turn = beginTurn(run, facts);
  switch (input.kind) {
    case 'planned': {
      const found = actionStep(run, facts, input.step);
      if (found?.run.state !== 'ready' || found.run.waitsFor !== 'plan') return refuse({ kind: 'stale' });
      return finish(turn, decidePlanned(turn, found.step, found.run, input.result));
    }
    case 'outcome': {
      const found = actionStep(run, facts, input.step);
      if (found?.run.state !== 'intended' || found.run.attempt !== input.attempt) return refuse({ kind: 'stale' });
      return finish(turn, decideOutcome(turn, found.step, found.run, input.result));
    }
    case 'leaving': {
      const state = own(run.steps, input.step);
      const mayLeave = state?.state === 'intended' && state.attempt === input.attempt && !state.mayHaveActed;
      if (!mayLeave) return refuse({ kind: 'stale' });
      if (facts.now >= run.deadlineAt) return finish(turn, stop(turn, 'timed_out', 'run-timeout'));
      turn.emit({ kind: 'step-leaving', step: input.step, attempt: input.attempt });
      return turn.done();
    }
    case 'recovered':
      return decideRecovered(turn, run, input);
    case 'vote':
      return decideVote(turn, run, input);
    case 'timer':
      return decideTimer(turn, run);
    case 'cancel':
      turn.emit({ kind: 'run-cancel', by: input.by, reason: input.reason });
      return finish(turn, stop(turn, 'cancelled', 'cancelled'));
    case 'settle':
      return decideSettle(turn, run, input);
    default:
      return unreachable(input);
  }
}

const refuse = (refusal: Refusal): Decision => ({ kind: 'refused', refusal });
const finish = (turn: Turn, step: Step): Decision => (step ? { kind: 'needs', need: step } : turn.done());

function start(input: Extract<Input, { kind: 'start' }>, facts: Facts): [Turn, Step] {
  const turn = beginTurn(null, facts);
  const { kind: _, ...pinned } = input;
  turn.emit({ kind: 'run-started', ...pinned, deadlineAt: after(facts.now, facts.graph.timeout) });
  return [turn, reach(turn, facts.graph.entry)];
}

function actionStep(run: Run, facts: Facts, id: StepId): { step: ActionStep; run: StepRun } | undefined {
  const step = facts.graph.steps.get(id);
  const state = own(run.steps, id);
  return step?.kind === 'action' && state ? { step, run: state } : undefined;
}

/** After a restart: the call was cut off, and nobody will answer it any more. */
function decideRecovered(turn: Turn, run: Run, input: Extract<Input, { kind: 'recovered' }>): Decision {
  const found = actionStep(run, turn.facts, input.step);
  if (!found) return refuse({ kind: 'stale' });
  const { step, run: state } = found;
  const isOpen =
    input.op === 'plan'
      ? state.state === 'ready' && state.waitsFor === 'plan'
      : state.state === 'intended' && state.attempt === input.attempt;
  return isOpen ? finish(turn, decideCutOff(turn, step, state)) : refuse({ kind: 'stale' });
}

function decideVote(turn: Turn, run: Run, input: Extract<Input, { kind: 'vote' }>): Decision {
  const approval = own(run.approvals, input.approval);
  if (!approval) return refuse({ kind: 'unknown-approval' });
  const why = refuseBallot(approval, input.ballot, turn.facts.now);
  if (why) return refuse({ kind: 'vote', why });
  const { by, decision, rationale } = input.ballot;
  turn.emit({ kind: 'approval-voted', approval: approval.id, by, decision, rationale });
  const voted = own(turn.run().approvals, approval.id) ?? approval;
  const state = tally(voted, turn.facts.now);
  if (state === 'pending') return turn.done();
  turn.emit({ kind: 'approval-decided', approval: approval.id, state });
  if (state !== 'approved') return finish(turn, denyHeld(turn, approval.step, state));
  const found = actionStep(turn.run(), turn.facts, approval.step);
  if (!found) return refuse({ kind: 'stale' });
  // Judged again: the world may have moved while people thought. The approval stands only for the same subject.
  return finish(turn, judge(turn, found.step, found.run.parameters, found.run.plan));
}

function decideTimer(turn: Turn, run: Run): Decision {
  const { now } = turn.facts;
  // What was due first happened first, however late anyone looks. At the deadline itself the run's end comes first.
  const expired = Object.values(run.approvals).find(
    ({ state, expiresAt }) => state === 'pending' && expiresAt <= now && expiresAt < run.deadlineAt,
  );
  if (expired) {
    turn.emit({ kind: 'approval-decided', approval: expired.id, state: 'expired' });
    return finish(turn, denyHeld(turn, expired.step, 'expired'));
  }
  if (now >= run.deadlineAt) return finish(turn, stop(turn, 'timed_out', 'run-timeout'));
  const found = run.current ? actionStep(run, turn.facts, run.current) : undefined;
  if (found?.run.state !== 'ready' || found.run.waitsFor !== 'retry' || now < found.run.retryAt)
    return refuse({ kind: 'stale' });
  const { op, parameters, plan } = found.run;
  return finish(
    turn,
    op === 'plan' ? askPlan(turn, found.step, parameters) : judge(turn, found.step, parameters, plan),
  );
}

function denyHeld(turn: Turn, step: StepId, why: string): Step {
  turn.emit({
    kind: 'step-failed',
    step,
    attempt: 0,
    error: { class: 'refused_by_policy', message: `approval ${why}` },
  });
  return endRun(turn, 'aborted', `approval-${why}`);
}

/** Ends now, whatever is under way: a call in flight is stopped, and what it may have changed is recorded as unknown. */
function stop(turn: Turn, state: 'cancelled' | 'timed_out', reason: string): Step {
  const current = turn.run().current;
  const open = current ? own(turn.run().steps, current) : undefined;
  if (open?.state === 'intended') {
    endTry(turn, open, reason);
    turn.ask({ kind: 'abort', step: open.id });
  } else if (open?.state === 'ready' && open.waitsFor === 'plan') turn.ask({ kind: 'abort', step: open.id });
  return endRun(turn, state, reason);
}

function decideSettle(turn: Turn, run: Run, input: Extract<Input, { kind: 'settle' }>): Decision {
  const state = own(run.steps, input.step);
  if (!state || !isOpenToSettle(run, state)) return refuse({ kind: 'not-indeterminate' });
  const { step, by, outcome, note } = input;
  turn.emit({ kind: 'step-settled', step, by, outcome, note });
  if (isEnded(run)) return turn.done();
  const found = actionStep(turn.run(), turn.facts, step);
  if (!found) return refuse({ kind: 'stale' });
  return finish(
    turn,
    outcome === 'succeeded' ? reach(turn, found.step.next) : endRun(turn, 'failed', 'settled-failed'),
  );
}
