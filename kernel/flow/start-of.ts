import type { IncidentPolicy } from '../../sdk/contract/incident-policy.ts';
import type { Digest, EventId, RunId } from '../base/id.ts';
import { type Json, type JsonObject, resolvePointer } from '../base/json.ts';
import { KERNEL_VERSION } from '../base/version.ts';
import { findingOf } from '../incident/finding.ts';
import { incidentOfRun } from '../incident/of-run.ts';
import type { Principal } from '../org/principal.ts';
import type { Entropy } from '../port/clock.ts';
import type { NormalEvent } from '../trigger/event.ts';
import type { Start } from './drive.ts';
import { pinsOf } from './pins.ts';
import type { Registry } from './registry.ts';

/** Inputs of a run, as JSON text. */
const INPUT_CHARS = 65_536;

/** The start of a run that an event asks for, with everything pinned; undefined when it cannot be one. */
export function startOf(
  deps: { readonly registry: Registry; readonly entropy: Entropy },
  by: Principal,
  id: EventId,
  event: NormalEvent,
  active: { readonly playbook: string; readonly digest: string; readonly trigger: { readonly id: string } },
  run: RunId,
): Start | undefined {
  const { registry, entropy } = deps;
  const org = registry.org(by.org);
  const digest = active.digest as Digest;
  const graph = org && registry.graph(by.org, active.playbook, digest);
  if (!org || !graph) return undefined;
  const found = Object.entries(graph.inputs).map(([name, at]) => [name, resolvePointer(event.data, at)] as const);
  const given = Object.fromEntries(found.filter(([, value]) => value !== undefined)) as JsonObject;
  // The inputs of a run that has ended may be as large as a run's may be: what is said of it must not be lost for that.
  const inputs = event.receivedFormat === 'run' ? within(given, INPUT_CHARS) : given;
  // Many inputs may point at the same large field; what a run carries is bounded all the same.
  if (JSON.stringify(inputs).length > INPUT_CHARS) return undefined;
  const incident = incidentOfRun(graph.incident, inputs, incidentOfEvent(org.incidents, event));
  return {
    kind: 'start',
    run,
    org: by.org,
    playbook: { name: active.playbook, digest },
    policy: org.policy,
    ...pinsOf(registry, by.org, graph),
    trigger: active.trigger.id,
    event: id,
    eventSeq: 0,
    requester: by.id,
    trace: event.traceparent?.split('-')[1] ?? entropy.id(),
    inputs,
    kernel: KERNEL_VERSION,
    ...(incident !== undefined && { incident }),
  };
}

/** The end of a run belongs to what the run did; any other event to the finding that it carries. */
function incidentOfEvent(policy: IncidentPolicy, { receivedFormat, data }: NormalEvent): string | undefined {
  if (receivedFormat !== 'run') return findingOf(policy, data)?.incident;
  return typeof data.incident === 'string' ? data.incident : undefined;
}

/** What goes beyond is null. */
function within(inputs: JsonObject, chars: number): JsonObject {
  let left = chars;
  const entries = Object.entries(inputs).map(([name, value]): [string, Json] => {
    left -= JSON.stringify([name, value]).length;
    if (left >= 0) return [name, value];
    left += JSON.stringify(value).length - 'null'.length;
    return [name, null];
  });
  return Object.fromEntries(entries);
}
