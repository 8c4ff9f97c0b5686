import type * as Api from '../../../sdk/contract/api.ts';
import type { OrgId, RunId } from '../../base/id.ts';
import { iso } from '../../base/time.ts';
import { countsOf, type StoredEvent, type TriggerOutcome } from '../../flow/stored-event.ts';
import type { Receipt } from '../../flow/take-in.ts';

/** Shows what became of an event, and the event itself as it was taken. */
export const receiptView = (
  { event, repeat, seq, triggers, counts, woke, unmet }: Receipt,
  stateOf: StateOf,
): Api.Published['events'][number] => ({
  event,
  repeat,
  seq,
  triggers: triggers.map((one) => triggerView(one, stateOf)),
  counts,
  woke: [...woke],
  unmet,
});

/** The state of a run as it is on disk. */
type StateOf = (run: RunId) => Api.TriggerOutcome['runState'];

/** A run that was started is only just beginning; what is asked about is the one that stood in its way. */
const triggerView = (
  { playbook, trigger, outcome, reason, until, stop, run, why }: TriggerOutcome,
  stateOf: StateOf,
): Api.TriggerOutcome => ({
  playbook,
  trigger,
  outcome,
  reason: reason ?? null,
  until: until === undefined ? null : iso(until),
  stop: stop ?? null,
  run,
  runState: (outcome === 'absorbed' || outcome === 'suppressed') && run !== null ? stateOf(run) : null,
  why: [...why],
});

export const eventSummaryView = (org: OrgId, stored: StoredEvent, stateOf: StateOf): Api.EventSummary => ({
  event: stored.id,
  org,
  receivedAt: iso(stored.receivedAt),
  by: stored.by,
  source: stored.event.source,
  id: stored.event.sourceId,
  type: stored.event.type,
  triggers: stored.triggers.filter(({ outcome }) => outcome !== 'not_matched').map((one) => triggerView(one, stateOf)),
  woke: [...(stored.woke ?? [])],
});

export function eventView(org: OrgId, stored: StoredEvent, stateOf: StateOf): Api.StoredEvent {
  const { id, receivedAt, by, seq, event, triggers } = stored;
  return {
    event: id,
    org,
    receivedAt: iso(receivedAt),
    by,
    seq,
    format: event.receivedFormat,
    source: event.source,
    id: event.sourceId,
    type: event.type,
    subject: event.subject,
    time: event.time === null ? null : iso(event.time),
    data: event.data,
    triggers: triggers.map((one) => triggerView(one, stateOf)),
    counts: countsOf(stored),
    woke: [...(stored.woke ?? [])],
    unmet: stored.unmet ?? 0,
  };
}
