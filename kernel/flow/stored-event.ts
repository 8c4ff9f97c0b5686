import type { StoppedBy, Suppressed } from '../../sdk/contract/api-trigger.ts';
import { digestOf, digestOfJson } from '../base/digest.ts';
import type { Digest, EventId, OrgId, RunId, StepRunId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import type { UnixMs } from '../base/time.ts';
import type { JudgedCounts, TriggerEvaluation } from '../trigger/evaluate.ts';
import type { NormalEvent } from '../trigger/event.ts';

/** An event as it is kept, and what makes two deliveries the same event. */
export type TriggerOutcome = Omit<TriggerEvaluation, 'outcome' | 'dedupKey'> & {
  readonly outcome: TriggerEvaluation['outcome'] | 'queued' | 'absorbed' | 'suppressed' | 'not_crossed';
  /** The run that this event started, that absorbed it, or that stands for the one which was not started. */
  readonly run: RunId | null;
  /** Of `suppressed`. */
  readonly reason?: Suppressed;
  /**
   * Until when what held it back would hold back the next: of a cooldown surely, of a rate and a burst if nothing more
   * comes. Absent where that was not known, and in events from before it was kept.
   */
  readonly until?: UnixMs;
  /** Of the reason `stopped`. Not in events from before it was kept. */
  readonly stop?: StoppedBy;
};

export type StoredEvent = {
  readonly id: EventId;
  readonly receivedAt: UnixMs;
  readonly by: string;
  readonly seq: number;
  readonly event: NormalEvent;
  readonly triggers: readonly TriggerOutcome[];
  /** Absent where every trigger was judged and told, as kernels did that kept no index. */
  readonly counts?: JudgedCounts;
  /** Absent where it was none. */
  readonly woke?: readonly Woken[];
  /** How many steps waited for its key and asked for more than it says; absent where none did, or nobody counted. */
  readonly unmet?: number;
};

/** A step that waited for the event. */
export type Woken = { readonly run: RunId; readonly step: StepRunId };

/** What is kept of what came out: all that did anything or could not be told, and the first that did not match. */
export function toldOf(outcomes: readonly TriggerOutcome[]): readonly TriggerOutcome[] {
  let notMatched = 0;
  return outcomes.filter(({ outcome }) => outcome !== 'not_matched' || ++notMatched <= LIMITS.triggersTold.value);
}

export const countsOf = ({ triggers, counts }: StoredEvent): JudgedCounts =>
  counts ?? {
    judged: triggers.length,
    notMatched: triggers.filter(({ outcome }) => outcome === 'not_matched').length,
    ruledOut: 0,
  };

/** An event's name in the org: from source and id, so that a second delivery finds the first. */
export const eventIdOf = (org: OrgId, event: Pick<NormalEvent, 'source' | 'sourceId'>): EventId =>
  `evt_${digestOf(`interlock/event-id/v1\0${org}\0${event.source}\0${event.sourceId}`).slice(7, 39)}` as EventId;

/** Of what the sender says: a second delivery under the same name must say the same, in whatever order of keys. */
export const contentOf = ({ type, subject, data }: NormalEvent): Digest =>
  digestOfJson('event', { type, subject, data });
