import * as v from 'valibot';
import { INCIDENT_STATES, SEVERITIES } from './incident-word.ts';
import { closedObject } from './wanted.ts';

/**
 * How an org reads incidents out of events: where in the data each thing stands, and what its values mean. The first
 * place whose value has a meaning counts.
 */
const pointer = v.pipe(
  v.string(),
  v.maxLength(512),
  v.regex(/^(?:\/(?:[^~/]|~[01])*)+$/, 'a JSON Pointer, e.g. /finding_info/uid'),
);
const meaningOf = <const Words extends readonly string[]>(words: Words) =>
  v.pipe(
    v.array(
      closedObject({
        at: pointer,
        /** From the value, as text, to the word it means. */
        values: v.pipe(v.record(v.pipe(v.string(), v.maxLength(64)), v.picklist(words)), v.maxEntries(64)),
      }),
    ),
    v.maxLength(8),
  );

export const IncidentPolicySchema = closedObject({
  $schema: v.optional(v.string()),
  apiVersion: v.literal('interlock/incidents/v1'),
  /** Which events carry a finding: those whose data has one of these values there. Empty: none do. */
  from: v.optional(
    v.pipe(v.array(closedObject({ at: pointer, is: v.union([v.string(), v.number(), v.boolean()]) })), v.maxLength(16)),
    [],
  ),
  /** The id of the incident. */
  id: v.optional(pointer, '/finding_info/uid'),
  title: v.optional(pointer),
  /** Numbers, as the reporter gives them. */
  confidence: v.optional(pointer),
  uncertainty: v.optional(pointer),
  state: v.optional(meaningOf(INCIDENT_STATES), []),
  severity: v.optional(meaningOf(SEVERITIES), []),
});
export type IncidentPolicy = v.InferOutput<typeof IncidentPolicySchema>;
