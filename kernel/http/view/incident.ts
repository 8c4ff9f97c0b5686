import type * as Api from '../../../sdk/contract/api-incident.ts';
import { iso } from '../../base/time.ts';
import type { Entry, Incident } from '../../incident/incident.ts';

/** Shows incidents and the entries of their timelines: dates as text, what is not there as null. */
export const incidentSummary = (incident: Incident): Api.IncidentSummary => {
  const { entries: _, createdAt, updatedAt, ...rest } = incident;
  return { ...rest, createdAt: iso(createdAt), updatedAt: iso(updatedAt) };
};

export const incidentView = (incident: Incident, timeline: readonly Entry[]): Api.Incident => ({
  ...incidentSummary(incident),
  timeline: timeline.map(entryView),
});

export const entryView = (entry: Entry): Api.TimelineEntry => ({
  at: iso(entry.at),
  seq: entry.seq ?? null,
  kind: entry.kind,
  by: entry.by,
  event: entry.event ?? null,
  run: entry.run ?? null,
  playbook: entry.playbook ?? null,
  step: entry.step ?? null,
  approval: entry.approval ?? null,
  outcome: entry.outcome ?? null,
  state: entry.state ?? null,
  from: entry.from ?? null,
  note: entry.note ?? null,
});
