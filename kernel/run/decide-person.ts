import { refuseBallot, tally } from '../approval/approval.ts';
import { partsOfStepRun, type StepRunId } from '../base/id.ts';
import { own } from '../base/own.ts';
import { judge } from './action.ts';
import type { Input, Refusal } from './decision.ts';
import { closureOf, isOpenToSettle } from './open-work.ts';
import { isLive } from './scope.ts';
import { isEnded, type Run, type StepError } from './state.ts';
import { fail, goOn, type Step, stop, type Turn } from './turn.ts';

/** What people say to a run: votes, what became of a step, and that they have looked at how it ended. */
type Answer = Step | { readonly refusal: Refusal };
const refused = (refusal: Refusal): Answer => ({ refusal });

export function decideVote(turn: Turn, run: Run, input: Extract<Input, { kind: 'vote' }>): Answer {
  const approval = own(run.approvals, input.approval);
  if (!approval) return refused({ kind: 'unknown-approval' });
  // Whoever has told the run something since it asked had a say in it, too (R2): as a voter, and as one who has voted.
  const { senders } = run;
  const why = refuseBallot({ ...approval, ...(senders && { senders }) }, input.ballot, turn.facts.now);
  if (why) return refused({ kind: 'vote', why });
  const { by, decision, rationale } = input.ballot;
  turn.emit({ kind: 'approval-voted', approval: approval.id, by, decision, rationale });
  const asked = own(turn.run().approvals, approval.id) ?? approval;
  const voted = { ...asked, votes: asked.votes.filter((vote) => !senders?.includes(vote.by)) };
  const state = tally(voted, turn.facts.now);
  if (state === 'pending') return undefined;
  turn.emit({ kind: 'approval-decided', approval: approval.id, state });
  if (state !== 'approved') return denyHeld(turn, approval.step, state);
  const step = turn.facts.graph.steps.get(partsOfStepRun(approval.step).step);
  const held = own(turn.run().steps, approval.step);
  if (!step || !held) return refused({ kind: 'stale' });
  if (step.kind === 'approval') {
    const output = { approval: approval.id, by: voted.votes.map((vote) => vote.by) };
    turn.emit({ kind: 'step-succeeded', step: held.id, attempt: 0, output });
    return goOn(step, partsOfStepRun(held.id).items, step.next);
  }
  if (step.kind !== 'action') return refused({ kind: 'stale' });
  // Judged again: the world may have moved while people thought. The approval stands only for the same subject.
  return judge(turn, step, held.id, held.parameters, held.plan);
}

/** People said no, or nothing. An action's refusal ends the run; at a gate of its own the author may say what then. */
export function denyHeld(turn: Turn, id: StepRunId, why: string): Step {
  const error: StepError = { class: 'refused_by_policy', message: `approval ${why}` };
  turn.emit({ kind: 'step-failed', step: id, attempt: 0, error });
  const step = turn.facts.graph.steps.get(partsOfStepRun(id).step);
  if (step?.kind === 'approval' && step.onFailure.kind !== 'fail') return fail(step, id, error, `approval-${why}`);
  return stop('aborted', `approval-${why}`);
}

type Settlement = Extract<Input, { kind: 'settle' }>;

export function decideSettle(turn: Turn, run: Run, input: Settlement): Answer {
  const state = own(run.steps, input.step);
  if (!state || !isOpenToSettle(run, state)) return refused({ kind: 'not-indeterminate' });
  const { step: id, by, outcome, note } = input;
  turn.emit({ kind: 'step-settled', step: id, by, outcome, note });
  // Of a run that has ended, or a lane that was stopped, it is only said what became of it.
  if (isEnded(run) || run.undo || !isLive(run, turn.facts.graph, id)) return undefined;
  const step = turn.facts.graph.steps.get(partsOfStepRun(id).step);
  if (step?.kind !== 'action') return refused({ kind: 'stale' });
  if (outcome === 'succeeded') return goOn(step, partsOfStepRun(id).items, step.next);
  return fail(step, id, { class: 'upstream_error', message: note }, 'settled-failed');
}

/** A person did by hand what failed, or gives it up: there is nothing more to try after that. */
export function decideByHand(turn: Turn, { step: id, by, outcome, note }: Settlement): Answer {
  const step = turn.facts.graph.steps.get(partsOfStepRun(id).step);
  const state = own(turn.run().steps, id);
  // The settlement that led here, sent again: it is no word about what was done by hand since (R4).
  const isRepeat = state?.state === 'open' && state.waitsFor === 'person' && state.error.message === note;
  if (isRepeat && outcome === 'failed') return refused({ kind: 'not-indeterminate' });
  if (!step) return refused({ kind: 'stale' });
  turn.emit({ kind: 'step-by-hand', step: id, by, outcome, note });
  if (outcome === 'failed') return stop('failed', 'by-hand-failed');
  return goOn(step, partsOfStepRun(id).items, 'next' in step ? step.next : null);
}

export function decideClose(turn: Turn, run: Run, input: Extract<Input, { kind: 'close' }>): Answer {
  if (closureOf(run) !== 'needs_review') return refused({ kind: 'nothing-to-close' });
  turn.emit({ kind: 'run-closed', by: input.by, note: input.note });
  return undefined;
}
