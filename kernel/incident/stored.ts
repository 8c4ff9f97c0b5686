import type { IncidentState } from '../../sdk/contract/incident-word.ts';
import type { UnixMs } from '../base/time.ts';
import type { Entry, Incident } from './incident.ts';

/**
 * Reads an incident as it is stored. The first kernels kept the timeline in the row itself, and knew of updates by steps
 * alone; what they wrote is read as if it had been written today.
 */
type Former = Pick<Incident, 'incident' | 'org' | 'updatedAt'> & {
  readonly state: string;
  readonly timeline: readonly {
    readonly at: UnixMs;
    readonly run: string;
    readonly state: string;
    readonly note: string | null;
  }[];
};

export type StoredIncident = {
  readonly incident: Incident;
  /** The timeline of a former row, which has no rows of its own yet; empty for any other. */
  readonly former: readonly Entry[];
};

export function readIncident(text: string): StoredIncident {
  const row = JSON.parse(text) as Incident | Former;
  if (!('timeline' in row)) return { incident: row, former: [] };
  const { incident, org, updatedAt, timeline } = row;
  const former = timeline.map(
    ({ at, run, state, note }): Entry => ({
      at,
      kind: 'updated',
      by: 'system:engine',
      run,
      outcome: 'moved',
      state: state as IncidentState,
      ...(note !== null && { note }),
    }),
  );
  const read: Incident = {
    incident,
    org,
    state: row.state as IncidentState,
    severity: 'unknown',
    title: null,
    source: null,
    confidence: null,
    uncertainty: null,
    createdAt: timeline[0]?.at ?? updatedAt,
    updatedAt,
    entries: former.length,
  };
  return { incident: read, former };
}
