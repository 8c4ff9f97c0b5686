import type { IncidentState, Severity } from '../../sdk/contract/incident-word.ts';
import { digestOf } from '../base/digest.ts';
import type { OrgId } from '../base/id.ts';
import type { JsonObject } from '../base/json.ts';
import { err, ok, type Result } from '../base/result.ts';
import { type Change, type Incident, mayMove } from '../incident/incident.ts';
import { readIncident } from '../incident/stored.ts';
import type { Principal } from '../org/principal.ts';
import type { Clock } from '../port/clock.ts';
import { KEYS } from './keys.ts';
import type { Ledger } from './ledger.ts';
import { incidentRows } from './tell.ts';

/** What people do to incidents, and what triggers may ask about one. */
export type NoteForm = {
  readonly note?: string | undefined;
  readonly state?: IncidentState | undefined;
  readonly severity?: Severity | undefined;
};
export type IncidentFault =
  | { readonly kind: 'not_found' }
  | { readonly kind: 'not_a_move'; readonly from: IncidentState };

export type Incidents = ReturnType<typeof openIncidents>;

export function openIncidents(deps: { ledger: Ledger; clock: Clock }) {
  const { ledger, clock } = deps;
  const read = (org: OrgId, id: string): Incident | undefined => {
    const text = ledger.read(KEYS.incident(org, id));
    return text === undefined ? undefined : readIncident(text).incident;
  };

  return {
    /**
     * The fact `incident` of a trigger's rule: as staged, so that a decision stands on the latest.
     * @returns null when there is no such incident.
     */
    incidentFact(org: OrgId, id: string): JsonObject | null {
      const found = read(org, id);
      if (!found) return null;
      const { incident, state, severity, title, source, confidence, uncertainty } = found;
      return { incident, state, severity, title, source, confidence, uncertainty };
    },

    /** A person's word on an incident that is there. Unlike a run or an event, a person is told when a move is none. */
    async note(by: Principal, id: string, form: NoteForm): Promise<Result<void, IncidentFault>> {
      const before = read(by.org, id);
      if (!before) return err({ kind: 'not_found' });
      const { note, state, severity } = form;
      if (state !== undefined && state !== before.state && !mayMove(before.state, state, 'note'))
        return err({ kind: 'not_a_move', from: before.state });
      const actor = `principal:${by.id}`;
      const entry: Change['entry'] = {
        at: clock.now(),
        seq: ledger.nextSeq(),
        kind: 'note',
        by: actor,
        ...(note !== undefined && { note }),
      };
      const act = digestOf(JSON.stringify({ incident: id, ...form }));
      await ledger.stage({
        audit: [
          {
            org: by.org,
            kind: 'incident.updated',
            actor,
            ref: id,
            act,
            ...(state !== undefined && { outcome: state }),
          },
        ],
        rows: incidentRows(by.org, [{ incident: id, entry, asked: { state, severity } }], ledger.read),
      });
      return ok(undefined);
    },
  };
}
