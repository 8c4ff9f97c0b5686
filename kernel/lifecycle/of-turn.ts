import { own } from '../base/own.ts';
import { iso } from '../base/time.ts';
import type { RunEvent, StoredTurn } from '../run/event.ts';
import { closureOf, isPartial } from '../run/open-work.ts';
import { isTriedAgain } from '../run/retry.ts';
import type { Run } from '../run/state.ts';
import type { LifecycleDraft } from './event.ts';

/**
 * What a turn of a run tells the world outside. Derived from the events, and for waiting and review from the run before
 * and after, so that no way into such a state can be forgotten.
 * @param before null: the turn starts the run.
 */
export function lifecycleOfTurn(
  before: Run | null,
  run: Run,
  turn: Pick<StoredTurn, 'seq' | 'events'>,
): readonly LifecycleDraft[] {
  const told = turn.events.flatMap((event, index) =>
    lifecycleOfEvent(run, event, turn.seq + index, turn.events.slice(index + 1)),
  );
  const last = common(run, turn.seq + turn.events.length - 1);
  const now = awaited(run);
  if (now !== null && now !== (before && awaited(before)))
    told.push({ type: 'interlock.run.waiting', subject: run.id, data: { ...last, for: now } });
  if (closureOf(run) === 'needs_review' && (!before || closureOf(before) !== 'needs_review'))
    told.push({ type: 'interlock.run.needs_review', subject: run.id, data: { ...last, state: run.state } });
  return told;
}

const common = (run: Run, seq: number) => ({
  seq,
  run: run.id,
  playbook: run.playbook.name,
  digest: run.playbook.digest,
  ...(run.incident !== undefined && { incident: run.incident }),
});

type Awaited = 'approval' | 'person' | 'settlement' | 'stop' | 'pause' | 'event' | 'retry' | 'time';

/** What a run waits for, in the order in which it matters to whoever is told; null while it does not wait. */
function awaited(run: Run): Awaited | null {
  if (run.state !== 'waiting') return null;
  const steps = Object.values(run.steps);
  const waits = (what: string) => steps.some((step) => 'waitsFor' in step && step.waitsFor === what);
  if (Object.values(run.approvals).some(({ state }) => state === 'pending')) return 'approval';
  if (waits('person')) return 'person';
  if (steps.some(({ state }) => state === 'indeterminate')) return 'settlement';
  const parked = steps.filter((step) => step.state === 'ready' && step.waitsFor === 'release');
  if (parked.length > 0) return parked.some((step) => !('pause' in step)) ? 'stop' : 'pause';
  if (waits('event')) return 'event';
  return waits('retry') ? 'retry' : 'time';
}

function lifecycleOfEvent(run: Run, event: RunEvent, seq: number, later: readonly RunEvent[]): LifecycleDraft[] {
  const subject = run.id;
  const of = common(run, seq);
  switch (event.kind) {
    case 'run-started': {
      const { trigger, requester } = event;
      return [{ type: 'interlock.run.started', subject, data: { ...of, trigger, event: event.event, requester } }];
    }
    case 'step-held': {
      const { step, approval, tier } = event;
      return [
        { type: 'interlock.step.held', subject, data: { ...of, step, approval, tier } },
        {
          type: 'interlock.approval.requested',
          subject,
          data: { ...of, ...approvalOf(event), step, expiresAt: iso(event.expiresAt) },
        },
      ];
    }
    case 'approval-decided': {
      const approval = own(run.approvals, event.approval);
      if (!approval) return [];
      const data = { ...of, ...approvalOf({ ...approval, approval: approval.id }), step: approval.step };
      return event.state === 'expired'
        ? [{ type: 'interlock.approval.expired', subject, data }]
        : [{ type: 'interlock.approval.decided', subject, data: { ...data, state: event.state } }];
    }
    case 'step-succeeded': {
      const { step, attempt } = event;
      return [{ type: 'interlock.step.succeeded', subject, data: { ...of, step, attempt } }];
    }
    case 'step-kept':
      return [{ type: 'interlock.step.kept', subject, data: { ...of, step: event.step, from: event.from } }];
    case 'step-failed': {
      const { step, attempt, error } = event;
      const again = isTriedAgain(step, later);
      return [{ type: 'interlock.step.failed', subject, data: { ...of, step, attempt, class: error.class, again } }];
    }
    case 'step-indeterminate': {
      const { step, attempt } = event;
      const again = isTriedAgain(step, later);
      return [{ type: 'interlock.step.indeterminate', subject, data: { ...of, step, attempt, again } }];
    }
    case 'step-checked': {
      const { step, outcome } = event;
      return [{ type: 'interlock.step.settled', subject, data: { ...of, step, by: 'system:engine', outcome } }];
    }
    case 'step-settled':
    case 'step-by-hand': {
      const { step, by, outcome } = event;
      return [{ type: 'interlock.step.settled', subject, data: { ...of, step, by: `principal:${by}`, outcome } }];
    }
    case 'run-undoing': {
      const { state, reason } = event;
      return [{ type: 'interlock.run.undoing', subject, data: { ...of, state, reason } }];
    }
    case 'step-rolled-back':
      return [{ type: 'interlock.step.rolled_back', subject, data: { ...of, step: event.step } }];
    case 'undo-failed': {
      const { step, error } = event;
      return [{ type: 'interlock.rollback.failed', subject, data: { ...of, step, class: error.class } }];
    }
    case 'run-closed':
      return [{ type: 'interlock.run.closed', subject, data: { ...of, by: `principal:${event.by}` } }];
    case 'run-ended': {
      const { state, reason } = event;
      const end: LifecycleDraft = {
        type: 'interlock.run.ended',
        subject,
        data: { ...of, state, reason, partial: isPartial(run) },
      };
      return state === 'aborted' ? [end, { type: 'interlock.run.aborted', subject, data: { ...of, reason } }] : [end];
    }
    default:
      return [];
  }
}

const approvalOf = ({ approval, subject, tier, role, needed }: Approving) => ({
  approval,
  subject,
  tier,
  role,
  needed,
});
type Approving = Pick<Extract<RunEvent, { kind: 'step-held' }>, 'approval' | 'subject' | 'tier' | 'role' | 'needed'>;
