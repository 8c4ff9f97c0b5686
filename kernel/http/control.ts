import type * as Api from '../../sdk/contract/api-run.ts';
import { PROBLEMS, type ProblemKind } from '../../sdk/contract/problem.ts';
import type { VoteRefusal } from '../approval/approval.ts';
import type { Result } from '../base/result.ts';
import type { AgainFault } from '../flow/again.ts';
import type { ControlFault, Paused } from '../flow/control.ts';
import type { Run } from '../run/state.ts';
import { data, problem } from './answer.ts';

/** Prints what became of a vote, a cancellation or a settlement. */
export const controlAnswer = (done: Result<Run, ControlFault>, show: (run: Run) => Response): Response =>
  done.ok ? show(done.value) : problem(problemOf(done.error));

/** Prints what became of a pause or a resume. */
export const pauseAnswer = (done: Result<Paused, ControlFault>, view: (run: Run) => Api.Run): Response =>
  done.ok ? data({ ...view(done.value.run), changed: done.value.changed }) : problem(problemOf(done.error));

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

const AGAIN: Readonly<Record<AgainFault, ProblemKind>> = {
  not_found: 'not-found',
  sub_run: 'sub-run',
  not_ended: 'run-not-ended',
  unsettled: 'run-not-settled',
  not_last: 'run-not-last',
  event_gone: 'event-not-kept',
  no_trigger: 'trigger-not-active',
  stopped: 'start-stopped',
  too_many_runs: 'too-many-runs',
  playbook_busy: 'playbook-busy',
  impossible: 'start-impossible',
};

/** Prints what became of a run that somebody asked for. */
export function againAnswer(done: Result<Run, AgainFault>, show: (run: Run) => Response): Response {
  if (done.ok) return show(done.value);
  const kind = AGAIN[done.error];
  // What is full has a place again when a run ends.
  return problem(kind, PROBLEMS[kind].status === 429 ? { headers: { 'retry-after': '5' } } : {});
}

export const AGAIN_PROBLEMS = Object.values(AGAIN);
export const VOTE_PROBLEMS = Object.values(VOTES);
