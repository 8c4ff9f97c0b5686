import * as v from 'valibot';
import { IncidentId } from '../../sdk/contract/api-word.ts';
import type { OrgId } from '../base/id.ts';
import type { Json, JsonObject } from '../base/json.ts';
import type { Incident } from '../incident/incident.ts';
import { readIncident } from '../incident/stored.ts';
import { KEYS } from './keys.ts';

/**
 * The fact `incident` of a trigger's rule: what is staged of the incident that an event names. Remembers what it has
 * read, because an event is judged over several turns: a decision that rests on an incident which has moved meanwhile
 * is made again.
 */
export function openIncidentFacts(read: (key: string) => string | undefined, org: OrgId) {
  const seen = new Map<string, string | undefined>();
  return {
    incidentOf(id: Json): Json | undefined {
      if (!v.is(IncidentId, id)) return undefined;
      const key = KEYS.incident(org, id);
      if (!seen.has(key)) seen.set(key, read(key));
      const text = seen.get(key);
      return text === undefined ? undefined : factOf(readIncident(text).incident);
    },
    haveMoved: (): boolean => [...seen].some(([key, text]) => read(key) !== text),
  };
}

/** What is not known of it is absent, so that a rule which asks for it is undecided. */
const factOf = ({ state, severity, confidence, uncertainty }: Incident): JsonObject => ({
  state,
  ...(severity !== 'unknown' && { severity }),
  ...(confidence !== null && { confidence }),
  ...(uncertainty !== null && { uncertainty }),
});
