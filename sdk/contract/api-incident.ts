import * as v from 'valibot';
import { ApprovalId, EventId, IncidentId, Instant, Name, RunId, Sentence, Seq } from './api-word.ts';
import { ENTRY_KINDS, INCIDENT_STATES, SEVERITIES } from './incident-word.ts';

/** Incidents, as the API shows them, and what people may say to them. */
const State = v.picklist(INCIDENT_STATES);
const Severity = v.picklist(SEVERITIES);

export const TimelineEntry = v.object({
  at: Instant,
  /** Place in the audit log; null in entries from before it was kept. */
  seq: v.nullable(Seq),
  kind: v.picklist(ENTRY_KINDS),
  by: v.string(),
  event: v.nullable(EventId),
  run: v.nullable(RunId),
  playbook: v.nullable(Name),
  step: v.nullable(v.string()),
  approval: v.nullable(ApprovalId),
  /** Of an asked state `moved`, `kept` or `refused`; else how the run, the approval or the step ended. */
  outcome: v.nullable(v.string()),
  /** The state that was asked for, and the one before. */
  state: v.nullable(State),
  from: v.nullable(State),
  note: v.nullable(v.string()),
});
export type TimelineEntry = v.InferOutput<typeof TimelineEntry>;

const summary = {
  incident: IncidentId,
  org: Name,
  state: State,
  severity: Severity,
  title: v.nullable(v.string()),
  /** Who reported it first. */
  source: v.nullable(v.string()),
  /** As the reporter gives them; null where it does not. */
  confidence: v.nullable(v.number()),
  uncertainty: v.nullable(v.number()),
  createdAt: Instant,
  updatedAt: Instant,
};
export const IncidentSummary = v.object(summary);
export type IncidentSummary = v.InferOutput<typeof IncidentSummary>;

/** With its latest entries, the newest last. The whole timeline is a list of its own. */
export const Incident = v.object({ ...summary, timeline: v.array(TimelineEntry) });
export type Incident = v.InferOutput<typeof Incident>;

/** At least one of them. */
export const NoteForm = v.pipe(
  v.strictObject({ note: v.optional(Sentence), state: v.optional(State), severity: v.optional(Severity) }),
  v.check((form) => Object.values(form).some((value) => value !== undefined), 'a note, a state or a severity'),
);
