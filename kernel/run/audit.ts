import type { AuditDraft } from '../audit/record.ts';
import { unreachable } from '../base/assert.ts';
import type { PrincipalId } from '../base/id.ts';
import { own } from '../base/own.ts';
import { actorOf } from '../org/principal.ts';
import type { RunEvent } from './event.ts';
import type { Run } from './state.ts';

/**
 * The one audit record of a run event (R5). Nothing of the event's content is in it: whoever stores the event adds the
 * digest of its text as `act`, so an auditor who is shown the event can check that this is what was recorded.
 *
 * @param before the run as it was when the event was emitted; null for run-started.
 */
export function auditOf(before: Run | null, event: RunEvent): AuditDraft {
  if (event.kind === 'run-started') {
    const { org, run, requester, eventSeq, playbook } = event;
    return { org, kind: 'run.started', actor: actorOf(requester), run, cause: eventSeq, ref: playbook.name };
  }
  const run = before as Run;
  const engine = { org: run.org, run: run.id, actor: 'system:engine' };
  const person = (by: PrincipalId) => ({ ...engine, actor: actorOf(by) });
  const stepSeq = 'step' in event ? (own(run.steps, event.step)?.seq ?? run.startedSeq) : run.startedSeq;
  const tried = (attempt: number) => (attempt > 0 ? { attempt } : {});
  switch (event.kind) {
    case 'step-ready':
      return { ...engine, kind: 'step.ready', step: event.step, cause: stepSeq };
    case 'step-planned':
      return { ...engine, kind: 'step.planned', step: event.step, cause: stepSeq };
    case 'step-held':
      return { ...engine, kind: 'step.held', step: event.step, ref: event.approval, cause: stepSeq };
    case 'approval-voted': {
      const cause = own(run.steps, own(run.approvals, event.approval)?.step ?? ('' as never))?.seq ?? run.startedSeq;
      const outcome = event.decision === 'approve' ? 'approved' : 'rejected';
      return { ...person(event.by), kind: 'approval.voted', ref: event.approval, outcome, cause };
    }
    case 'approval-decided': {
      const step = own(run.approvals, event.approval)?.step;
      const cause = (step && own(run.steps, step)?.seq) ?? run.startedSeq;
      return {
        ...engine,
        kind: 'approval.decided',
        ...(step && { step }),
        ref: event.approval,
        outcome: event.state,
        cause,
      };
    }
    case 'run-released':
      return { ...engine, kind: 'run.released', cause: run.startedSeq };
    case 'step-parked':
      return { ...engine, kind: 'step.parked', step: event.step, cause: stepSeq };
    case 'step-claimed':
      return { ...engine, kind: 'step.claimed', step: event.step, cause: run.startedSeq };
    case 'step-deferred':
      return { ...engine, kind: 'step.deferred', step: event.step, ref: event.behind, cause: stepSeq };
    case 'step-opened':
      return { ...engine, kind: 'step.opened', step: event.step, outcome: event.open.waitsFor, cause: stepSeq };
    case 'lane-started':
      return { ...engine, kind: 'lane.started', step: event.step, ref: String(event.lane), cause: stepSeq };
    case 'lane-ended': {
      const { step, lane, outcome } = event;
      return { ...engine, kind: 'lane.ended', step, ref: String(lane), outcome, cause: stepSeq };
    }
    case 'step-checking':
      return { ...engine, kind: 'step.checking', step: event.step, attempt: event.attempt, cause: stepSeq };
    case 'step-checked': {
      const { step, attempt, outcome } = event;
      return { ...engine, kind: 'step.settled', step, attempt, outcome, cause: stepSeq };
    }
    case 'step-check-failed': {
      const { step, attempt, error } = event;
      return { ...engine, kind: 'step.check_failed', step, attempt, outcome: error.class, cause: stepSeq };
    }
    case 'step-by-hand': {
      const { step, by, outcome } = event;
      return { ...person(by), kind: 'step.by_hand', step, outcome, cause: stepSeq };
    }
    case 'undo-intended': {
      const { step, attempt, uses } = event;
      return { ...engine, kind: 'step.intent', step, attempt, ref: uses, cause: stepSeq };
    }
    case 'undo-tried': {
      const { step, attempt, end, error } = event;
      const kind = end === 'failed' ? 'step.failed' : 'step.indeterminate';
      return { ...engine, kind, step, attempt, outcome: error.class, cause: stepSeq };
    }
    case 'undo-retry':
      return { ...engine, kind: 'step.retry', step: event.step, attempt: event.attempt, cause: stepSeq };
    case 'undo-parked':
      return { ...engine, kind: 'step.parked', step: event.step, cause: stepSeq };
    case 'step-rolled-back':
      return { ...engine, kind: 'step.rolled_back', step: event.step, attempt: event.attempt, cause: stepSeq };
    case 'undo-failed':
      return { ...engine, kind: 'rollback.failed', step: event.step, outcome: event.error.class, cause: stepSeq };
    case 'run-undoing':
      return { ...engine, kind: 'run.undoing', outcome: event.state, cause: run.startedSeq };
    case 'run-closed':
      return { ...person(event.by), kind: 'run.closed', cause: run.ended?.seq ?? run.startedSeq };
    case 'step-intended': {
      const approval = own(run.steps, event.step)?.approval;
      const decided = approval ? own(run.approvals, approval)?.decidedSeq : undefined;
      const { step, attempt, uses } = event;
      return { ...engine, kind: 'step.intent', step, attempt, ref: uses, cause: decided ?? stepSeq };
    }
    case 'step-leaving':
      return { ...engine, kind: 'step.leaving', step: event.step, attempt: event.attempt, cause: stepSeq };
    case 'step-succeeded':
      return { ...engine, kind: 'step.succeeded', step: event.step, ...tried(event.attempt), cause: stepSeq };
    case 'step-kept':
      return { ...engine, kind: 'step.kept', step: event.step, ref: event.from, cause: stepSeq };
    case 'step-failed':
      return {
        ...engine,
        kind: 'step.failed',
        step: event.step,
        ...tried(event.attempt),
        outcome: event.error.class,
        cause: stepSeq,
      };
    case 'step-retry':
      return { ...engine, kind: 'step.retry', step: event.step, attempt: event.attempt, cause: stepSeq };
    case 'step-indeterminate':
      return {
        ...engine,
        kind: 'step.indeterminate',
        step: event.step,
        attempt: event.attempt,
        outcome: event.reason,
        cause: stepSeq,
      };
    case 'step-settled':
      return { ...person(event.by), kind: 'step.settled', step: event.step, outcome: event.outcome, cause: stepSeq };
    case 'guardrail-blocked':
      return {
        ...engine,
        kind: 'guardrail.blocked',
        step: event.step,
        ref: event.rule,
        outcome: 'denied',
        cause: stepSeq,
      };
    case 'branch-taken':
      return { ...engine, kind: 'branch.taken', step: event.step, ref: event.to ?? 'end', cause: run.startedSeq };
    case 'incident-updated':
      return {
        ...engine,
        kind: 'incident.updated',
        step: event.step,
        ref: event.incident,
        outcome: event.state,
        cause: run.startedSeq,
      };
    case 'steps-skipped':
      return { ...engine, kind: 'steps.skipped', outcome: event.reason, cause: run.startedSeq };
    case 'run-cancel':
      return { ...(event.by === null ? engine : person(event.by)), kind: 'run.cancel', cause: run.startedSeq };
    case 'run-paused':
      return { ...person(event.by), kind: 'run.paused', cause: run.startedSeq };
    case 'run-resumed':
      return { ...person(event.by), kind: 'run.resumed', cause: run.startedSeq };
    case 'run-ended':
      return { ...engine, kind: 'run.ended', outcome: event.state, cause: run.startedSeq };
    default:
      return unreachable(event);
  }
}
