import type { JsonObject } from '../base/json.ts';
import { bind } from '../playbook/reference.ts';
import { isIncidentId } from './incident.ts';

/**
 * The incident that a run belongs to: the one that its playbook names, else the one of the event that starts it. A name
 * that has no value in this run, or is none, is no reason not to answer the event; the run then belongs to nothing.
 * @param template of the playbook, with references to inputs.
 * @param ofEvent the incident that the event reports, if any.
 */
export function incidentOfRun(
  template: string | undefined,
  inputs: JsonObject,
  ofEvent: string | undefined,
): string | undefined {
  if (template === undefined) return ofEvent;
  const bound = bind(template, { inputs, steps: {} });
  return bound.ok && isIncidentId(bound.value) ? bound.value : undefined;
}
