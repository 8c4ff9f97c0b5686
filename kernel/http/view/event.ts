import type * as Api from '../../../sdk/contract/api.ts';
import type { OrgId } from '../../base/id.ts';
import { iso } from '../../base/time.ts';
import type { Receipt, StoredEvent, TriggerOutcome } from '../../flow/ingest.ts';

/** Shows what became of an event, and the event itself as it was taken. */
export const receiptView = ({ event, repeat, seq, triggers }: Receipt): Api.Published['events'][number] => ({
  event,
  repeat,
  seq,
  triggers: triggers.map(triggerView),
});

const triggerView = ({ playbook, trigger, outcome, run, why }: TriggerOutcome): Api.TriggerOutcome => ({
  playbook,
  trigger,
  outcome,
  run,
  why: [...why],
});

export const eventView = (org: OrgId, { id, receivedAt, by, seq, event, triggers }: StoredEvent): Api.StoredEvent => ({
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
  triggers: triggers.map(triggerView),
});
