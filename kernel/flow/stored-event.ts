import type { Suppressed } from '../../sdk/contract/api-trigger.ts';
import { digestOf, digestOfJson } from '../base/digest.ts';
import type { Digest, EventId, OrgId, RunId } from '../base/id.ts';
import type { UnixMs } from '../base/time.ts';
import type { TriggerEvaluation } from '../trigger/evaluate.ts';
import type { NormalEvent } from '../trigger/event.ts';

/** An event as it is kept, and what makes two deliveries the same event. */
export type TriggerOutcome = Omit<TriggerEvaluation, 'outcome' | 'dedupKey'> & {
  readonly outcome: TriggerEvaluation['outcome'] | 'queued' | 'absorbed' | 'suppressed' | 'not_crossed';
  /** The run that this event started, that absorbed it, or that stands for the one which was not started. */
  readonly run: RunId | null;
  /** Of `suppressed`. */
  readonly reason?: Suppressed;
};

export type StoredEvent = {
  readonly id: EventId;
  readonly receivedAt: UnixMs;
  readonly by: string;
  readonly seq: number;
  readonly event: NormalEvent;
  readonly triggers: readonly TriggerOutcome[];
};

/** An event's name in the org: from source and id, so that a second delivery finds the first. */
export const eventIdOf = (org: OrgId, event: NormalEvent): EventId =>
  `evt_${digestOf(`interlock/event-id/v1\0${org}\0${event.source}\0${event.sourceId}`).slice(7, 39)}` as EventId;

/** Of what the sender says: a second delivery under the same name must say the same, in whatever order of keys. */
export const contentOf = ({ type, subject, data }: NormalEvent): Digest =>
  digestOfJson('event', { type, subject, data });
