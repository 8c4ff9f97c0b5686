import type { IncidentState, Severity } from '../../sdk/contract/incident-word.ts';
import type { StepRunId } from '../base/id.ts';
import { own } from '../base/own.ts';
import type { RunEvent, StoredTurn } from '../run/event.ts';
import { isTriedAgain } from '../run/retry.ts';
import type { Run } from '../run/state.ts';
import type { Change, Entry } from './incident.ts';

/**
 * What a turn of a run adds to incidents. A run tells of itself on the timeline of the incident that it belongs to; an
 * update goes to the incident that its step names.
 * @param run after the turn.
 * @param contains whether a step of the run's playbook contains.
 */
export function changesOfTurn(
  run: Run,
  turn: Pick<StoredTurn, 'at' | 'seq' | 'events'>,
  contains: (step: StepRunId) => boolean,
): readonly Change[] {
  return turn.events.flatMap((event, index): Change[] => {
    const common = { at: turn.at, seq: turn.seq + index, by: 'system:engine', run: run.id };
    if (event.kind === 'incident-updated') return [updateOf(common, event)];
    const { incident } = run;
    if (incident === undefined) return [];
    const told = tellOf(run, event, turn.events.slice(index + 1), contains);
    return told ? [{ incident, entry: { ...common, ...told } }] : [];
  });
}

type Told = Pick<Entry, 'kind'> & Partial<Entry>;

function tellOf(
  run: Run,
  event: RunEvent,
  later: readonly RunEvent[],
  contains: (step: StepRunId) => boolean,
): Told | undefined {
  switch (event.kind) {
    case 'run-started':
      return { kind: 'run_started', by: `principal:${run.requester}`, playbook: run.playbook.name };
    case 'run-ended':
      return {
        kind: 'run_ended',
        playbook: run.playbook.name,
        outcome: event.state,
        ...(event.reason !== event.state && { note: event.reason }),
      };
    case 'step-held':
      return { kind: 'approval', step: event.step, approval: event.approval, outcome: 'requested' };
    case 'approval-decided': {
      const { step, votes = [] } = own(run.approvals, event.approval) ?? {};
      // Whoever cast the vote that decided it.
      const last = event.state === 'approved' || event.state === 'rejected' ? votes.at(-1) : undefined;
      return {
        kind: 'approval',
        approval: event.approval,
        outcome: event.state,
        ...(step && { step }),
        ...(last && { by: `principal:${last.by}` }),
      };
    }
    case 'step-succeeded':
      return contains(event.step) ? { kind: 'containment', step: event.step, outcome: 'succeeded' } : undefined;
    case 'step-failed':
      return contains(event.step) && !isTriedAgain(event.step, later)
        ? {
            kind: 'containment',
            step: event.step,
            outcome: 'failed',
            note: denialOf(run, event.step) ?? event.error.class,
          }
        : undefined;
    case 'step-indeterminate':
      return contains(event.step) && !isTriedAgain(event.step, later)
        ? { kind: 'containment', step: event.step, outcome: 'indeterminate' }
        : undefined;
    case 'step-checked':
      return contains(event.step) ? { kind: 'containment', step: event.step, outcome: event.outcome } : undefined;
    case 'step-rolled-back':
      return contains(event.step) ? { kind: 'containment', step: event.step, outcome: 'rolled_back' } : undefined;
    case 'undo-failed':
      return contains(event.step)
        ? { kind: 'containment', step: event.step, outcome: 'rollback_failed', note: event.error.class }
        : undefined;
    case 'step-settled':
    case 'step-by-hand':
      return contains(event.step)
        ? { kind: 'containment', step: event.step, by: `principal:${event.by}`, outcome: event.outcome }
        : undefined;
    default:
      return undefined;
  }
}

/** As the run's own reason says that people said no, or nothing: the class of the error is that of a policy. */
function denialOf(run: Run, step: StepRunId): string | undefined {
  const asked = own(run.steps, step)?.approval;
  const state = asked ? own(run.approvals, asked)?.state : undefined;
  return state === 'rejected' || state === 'expired' ? `approval-${state}` : undefined;
}

type Common = Pick<Entry, 'at' | 'seq' | 'by' | 'run'>;

const updateOf = (common: Common, event: Extract<RunEvent, { kind: 'incident-updated' }>): Change => ({
  incident: event.incident,
  entry: { ...common, kind: 'updated', step: event.step, ...(event.note !== null && { note: event.note }) },
  asked: { state: event.state as IncidentState, severity: event.severity as Severity | undefined },
});
