import type { ProblemKind } from '../../sdk/contract/problem.ts';
import type { VoteRefusal } from '../approval/approval.ts';
import type { Result } from '../base/result.ts';
import type { ControlFault } from '../flow/control.ts';
import type { Run } from '../run/state.ts';
import { problem } from './answer.ts';

/** Prints what became of a vote, a cancellation or a settlement. */
export const controlAnswer = (done: Result<Run, ControlFault>, show: (run: Run) => Response): Response =>
  done.ok ? show(done.value) : problem(problemOf(done.error));

const VOTES: Readonly<Record<VoteRefusal, ProblemKind>> = {
  'not-pending': 'approval-not-pending',
  expired: 'approval-expired',
  'role-missing': 'vote-role-missing',
  'requester-may-not-vote': 'vote-by-requester',
  'already-voted': 'vote-repeated',
  'subject-changed': 'subject-changed',
  // The form asks for one already; the machine asks again.
  'rationale-missing': 'invalid-body',
};

function problemOf(fault: ControlFault): ProblemKind {
  switch (fault.kind) {
    case 'not_found':
      return 'not-found';
    case 'run_ended':
      return 'run-ended';
    case 'not_indeterminate':
      return 'step-not-indeterminate';
    case 'nothing_to_close':
      return 'nothing-to-close';
    case 'vote_refused':
      return VOTES[fault.why];
  }
}

export const VOTE_PROBLEMS = Object.values(VOTES);
