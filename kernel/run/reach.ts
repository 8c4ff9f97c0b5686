import { approvalSubject } from '../approval/approval.ts';
import { demandFor } from '../approval/matrix.ts';
import { unreachable } from '../base/assert.ts';
import { digestOf } from '../base/digest.ts';
import type { ApprovalId, StepId } from '../base/id.ts';
import { stepRunId } from '../base/id.ts';
import { printable } from '../base/printable.ts';
import { after, unixMs } from '../base/time.ts';
import type { ApprovalStep, BranchStep, FailStep, UpdateStep } from '../playbook/graph.ts';
import { reachAction } from './action.ts';
import { bindAt, failDefined, failWith, wrong } from './bind.ts';
import { reachFork } from './fork.ts';
import { idAt } from './scope.ts';
import { reachSubPlaybook } from './sub.ts';
import { goOn, type Step, stop, type Turn } from './turn.ts';
import { reachWait } from './wait.ts';

/**
 * Forward motion: a step is reached. Every path from here to a `call` effect of an action goes through `judge` and
 * `send` (action.ts); there is no other (R1).
 */
export function reach(turn: Turn, id: StepId, items: readonly number[]): Step {
  if (turn.isOverdue()) return stop('timed_out', 'run-timeout');
  const step = turn.facts.graph.steps.get(id);
  const at = stepRunId(id, items);
  if (!step) {
    turn.emit({ kind: 'step-failed', step: at, attempt: 0, error: wrong('the pinned playbook has no such step') });
    return stop('failed', 'step-failed');
  }
  // The run and not the step: one whose failure leads on would have no bound.
  if (!turn.mayReachMore()) return stop('failed', 'too-many-step-runs');
  switch (step.kind) {
    case 'update':
      return reachUpdate(turn, step, items);
    case 'branch':
      return reachBranch(turn, step, items);
    case 'action':
      return reachAction(turn, step, items);
    case 'wait':
      return reachWait(turn, step, items);
    case 'approval':
      return reachApproval(turn, step, items);
    case 'playbook':
      return reachSubPlaybook(turn, step, items);
    case 'fail':
      return reachFail(turn, step, items);
    case 'parallel':
    case 'foreach':
    case 'repeat':
      return reachFork(turn, step, items);
    default:
      return unreachable(step);
  }
}

function reachUpdate(turn: Turn, step: UpdateStep, items: readonly number[]): Step {
  const at = stepRunId(step.id, items);
  const bound = bindAt(turn, step, items, { incident: step.incident, note: step.set.note ?? '' });
  if (typeof bound === 'string') return failDefined(turn, step, at, bound);
  if (typeof bound.incident !== 'string' || !/^[\x21-\x7e]{1,256}$/.test(bound.incident))
    return failDefined(turn, step, at, 'the incident id must be 1-256 printable characters without spaces');
  const note = typeof bound.note === 'string' && bound.note !== '' ? bound.note.slice(0, 1_000) : null;
  const { state, severity } = step.set;
  turn.emit({
    kind: 'incident-updated',
    step: at,
    incident: bound.incident,
    state,
    ...(severity !== undefined && { severity }),
    note,
  });
  return goOn(step, items, step.next);
}

function reachBranch(turn: Turn, step: BranchStep, items: readonly number[]): Step {
  const at = stepRunId(step.id, items);
  const answer = turn.facts.branches.get(at);
  if (answer === undefined) return { kind: 'branch', step: at, run: turn.run() };
  // A predicate that could not be judged is no reason to go any way.
  if (typeof answer === 'object') return failDefined(turn, step, at, `the rule cannot be judged: ${answer.fault}`);
  const to = (step.paths[answer] ?? { to: step.otherwise }).to;
  turn.emit({ kind: 'branch-taken', step: at, matched: answer === 0, path: answer, to });
  return goOn(step, items, to);
}

function reachFail(turn: Turn, step: FailStep, items: readonly number[]): Step {
  const at = stepRunId(step.id, items);
  const bound = bindAt(turn, step, items, { message: step.message });
  if (typeof bound === 'string') return failDefined(turn, step, at, bound);
  const text = typeof bound.message === 'string' ? bound.message : JSON.stringify(bound.message);
  return failWith(turn, step, at, { class: 'conflict', message: printable(text, MESSAGE_CHARS) });
}

/** A gate of the author's own: people are asked, whatever the matrix says of the tier. */
function reachApproval(turn: Turn, step: ApprovalStep, items: readonly number[]): Step {
  const at = stepRunId(step.id, items);
  const parameters = bindAt(turn, step, items, { ask: step.ask });
  if (typeof parameters === 'string') return failDefined(turn, step, at, parameters);
  const demand = demandFor(turn.facts.matrix, step.tier, true);
  const expires = Math.min(after(turn.facts.now, step.expires ?? demand.expiresIn), turn.run().deadlineAt);
  turn.emit({
    kind: 'step-held',
    step: at,
    parameters,
    approval: idAt('apr', turn.run(), at, turn.facts.now) as ApprovalId,
    subject: approvalSubject('approval', parameters, null, NO_GRANT),
    tier: step.tier,
    needed: demand.needed,
    role: demand.role,
    expiresAt: unixMs(expires),
    verdict: 'approval-step',
  });
  return undefined;
}
const MESSAGE_CHARS = 1_000;
const NO_GRANT = digestOf('interlock/approval-step/v1');
