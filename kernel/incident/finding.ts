import type { IncidentPolicy } from '../../sdk/contract/incident-policy.ts';
import { type Json, type JsonObject, resolvePointer } from '../base/json.ts';
import { own } from '../base/own.ts';
import { type Asked, isIncidentId } from './incident.ts';

/** Reads a finding out of an event's data, as the org's policy says where its parts stand and what they mean. */
export type Finding = { readonly incident: string; readonly asked: Asked };

/** What is made of an OCSF finding where an org says nothing else; policies/incidents/ocsf.json says the same. */
export const OCSF_FINDINGS: IncidentPolicy = {
  apiVersion: 'interlock/incidents/v1',
  from: [{ at: '/class_uid', is: 2004 }],
  id: '/finding_info/uid',
  title: '/finding_info/title',
  confidence: '/confidence_score',
  state: [
    { at: '/status_id', values: { 1: 'new', 2: 'triaged', 3: 'closed', 4: 'resolved', 5: 'closed' } },
    { at: '/activity_id', values: { 3: 'resolved' } },
  ],
  severity: [
    {
      at: '/severity_id',
      values: { 0: 'unknown', 1: 'informational', 2: 'low', 3: 'medium', 4: 'high', 5: 'critical', 6: 'fatal' },
    },
  ],
};

const TITLE_CHARS = 256;

/** @returns undefined when the event carries none, or one whose id cannot name an incident. */
export function findingOf(policy: IncidentPolicy, data: JsonObject): Finding | undefined {
  if (!policy.from.some(({ at, is }) => resolvePointer(data, at) === is)) return undefined;
  const incident = resolvePointer(data, policy.id);
  if (!isIncidentId(incident)) return undefined;
  const at = (pointer: string | undefined): Json | undefined =>
    pointer === undefined ? undefined : resolvePointer(data, pointer);
  const number = (value: Json | undefined) => (typeof value === 'number' ? value : undefined);
  const title = at(policy.title);
  return {
    incident,
    asked: {
      state: meaningIn(policy.state, data),
      severity: meaningIn(policy.severity, data),
      title: typeof title === 'string' ? title.slice(0, TITLE_CHARS).toWellFormed() : undefined,
      confidence: number(at(policy.confidence)),
      uncertainty: number(at(policy.uncertainty)),
    },
  };
}

type Meaning<Word extends string> = readonly { readonly at: string; readonly values: Readonly<Record<string, Word>> }[];

function meaningIn<Word extends string>(places: Meaning<Word>, data: JsonObject): Word | undefined {
  for (const { at, values } of places) {
    const value = resolvePointer(data, at);
    const isScalar = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
    const word = isScalar ? own(values, String(value)) : undefined;
    if (word !== undefined) return word;
  }
  return undefined;
}
