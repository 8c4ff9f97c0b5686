/**
 * Falco's JSON output (http_output, also as Falcosidekick forwards it) as an OCSF 1.8 Detection Finding.
 * The original stands whole under `unmapped.falco`. Keys of `output_fields` hold dots (`proc.name`): a rule reaches
 * them by JSON Pointer, `/unmapped/falco/output_fields/proc.name`.
 */
import * as v from 'valibot';
import { parseAddress } from '../../sdk/contract/cidr.ts';
import { digestOfJson } from '../base/digest.ts';
import { isObject, type Json, type JsonObject } from '../base/json.ts';
import { ok, type Result } from '../base/result.ts';
import { parseTimestamp, type UnixMs } from '../base/time.ts';
import type { IntakeFault, NormalEvent } from './event.ts';
import { checkFields, text, timestamp } from './field.ts';
import { DETECTION_FINDING } from './ocsf.ts';

/** Falco's priorities (those of syslog, RFC 5424 table 2) as OCSF `severity_id`. */
const SEVERITIES = {
  emergency: 6,
  alert: 5,
  critical: 5,
  error: 4,
  warning: 3,
  notice: 2,
  informational: 1,
  debug: 1,
} as const;

/** MITRE ATT&CK tactics by the tag that Falco's rules carry. */
const TACTICS: Readonly<Record<string, readonly [uid: string, name: string]>> = {
  mitre_reconnaissance: ['TA0043', 'Reconnaissance'],
  mitre_resource_development: ['TA0042', 'Resource Development'],
  mitre_initial_access: ['TA0001', 'Initial Access'],
  mitre_execution: ['TA0002', 'Execution'],
  mitre_persistence: ['TA0003', 'Persistence'],
  mitre_privilege_escalation: ['TA0004', 'Privilege Escalation'],
  mitre_defense_evasion: ['TA0005', 'Defense Evasion'],
  mitre_credential_access: ['TA0006', 'Credential Access'],
  mitre_discovery: ['TA0007', 'Discovery'],
  mitre_lateral_movement: ['TA0008', 'Lateral Movement'],
  mitre_collection: ['TA0009', 'Collection'],
  mitre_exfiltration: ['TA0010', 'Exfiltration'],
  mitre_command_and_control: ['TA0011', 'Command and Control'],
  mitre_impact: ['TA0040', 'Impact'],
};

const PRIORITIES = Object.keys(SEVERITIES) as readonly (keyof typeof SEVERITIES)[];

const Alert = v.looseObject({
  /** Added by Falcosidekick; Falco alone has none. */
  uuid: v.optional(text(256)),
  rule: text(512),
  priority: v.pipe(v.string(), v.maxLength(16), v.toLowerCase(), v.picklist(PRIORITIES)),
  time: timestamp,
  output: v.pipe(v.string(), v.maxLength(65_536)),
  /** Go writes an empty list or map as null. */
  output_fields: v.nullable(v.looseObject({})),
  tags: v.nullish(v.pipe(v.array(v.pipe(v.string(), v.maxLength(128))), v.maxLength(64))),
  hostname: v.optional(v.pipe(v.string(), v.maxLength(255))),
  source: v.optional(v.pipe(v.string(), v.maxLength(128))),
});
type Alert = v.InferOutput<typeof Alert>;

/** Five keys that every Falco alert has. Whether their values are right is asked afterwards, with a better answer. */
export const looksLikeFalco = (data: JsonObject): boolean =>
  ['rule', 'priority', 'time', 'output', 'output_fields'].every((key) => Object.hasOwn(data, key));

/** @returns the finding. `pointer` is where the alert stands in the body. */
export function findingFromFalco(data: JsonObject, pointer: string): Result<JsonObject, IntakeFault> {
  const checked = checkFields(Alert, data, pointer);
  return checked.ok ? ok(toFinding(checked.value, data)) : checked;
}

/** A bare alert gets the envelope that Falcosidekick would have put around it. */
export function normalizeFalco(data: JsonObject, traceparent: string | null): Result<NormalEvent, IntakeFault> {
  const checked = checkFields(Alert, data, '');
  if (!checked.ok) return checked;
  const alert = checked.value;
  return ok({
    source: 'https://falco.org',
    sourceId: uidOf(alert, data),
    type: 'falco.rule.output.v1',
    subject: alert.hostname || null,
    time: timeOf(alert),
    receivedFormat: 'falco',
    traceparent,
    data: toFinding(alert, data),
  });
}

/** Without a uuid the content is the name: a repeated delivery is then still the same event. */
const uidOf = (alert: Alert, original: JsonObject): string => alert.uuid ?? digestOfJson('falco-alert', original);
const timeOf = (alert: Alert): UnixMs | null => parseTimestamp(alert.time) ?? null;

function toFinding(alert: Alert, original: JsonObject): JsonObject {
  const fields = isObject(original.output_fields) ? original.output_fields : {};
  return {
    activity_id: 1,
    category_uid: 2,
    class_uid: DETECTION_FINDING,
    type_uid: DETECTION_FINDING * 100 + 1,
    severity_id: SEVERITIES[alert.priority],
    status_id: 1,
    time: timeOf(alert),
    message: alert.output,
    metadata: {
      version: '1.8.0',
      uid: uidOf(alert, original),
      product: { name: 'Falco', vendor_name: 'The Falco Project' },
      original_time: alert.time,
      ...(alert.source && { log_name: alert.source }),
    },
    finding_info: { uid: uidOf(alert, original), title: alert.rule, attacks: attacksOf(alert.tags ?? []) },
    ...(alert.hostname && { device: deviceOf(alert.hostname, fields) }),
    actor: actorOf(fields),
    observables: observablesOf(fields),
    unmapped: { falco: original },
  };
}

/** Falco does not say which technique serves which tactic, so each stands in an entry of its own. */
function attacksOf(tags: readonly string[]): Json[] {
  return tags.flatMap((tag): Json[] => {
    const [uid, name] = (Object.hasOwn(TACTICS, tag) && TACTICS[tag]) || [];
    if (uid && name) return [{ tactic: { uid, name } }];
    const technique = /^(T[0-9]{4})(\.[0-9]{3})?$/.exec(tag);
    if (!technique?.[1]) return [];
    return [{ technique: { uid: technique[1] }, ...(technique[2] && { sub_technique: { uid: tag } }) }];
  });
}

const deviceOf = (hostname: string, fields: JsonObject): JsonObject => ({
  hostname,
  uid: hostname,
  type_id: 0,
  ...group('container', { uid: fields['container.id'], name: fields['container.name'] }),
});

const actorOf = (fields: JsonObject): JsonObject => ({
  ...group('process', { name: fields['proc.name'], cmd_line: fields['proc.cmdline'], pid: fields['proc.pid'] }),
  ...group('user', { name: fields['user.name'] }),
});

/** Only texts and numbers that are there, and the group only if any is: null would look like an answer. */
function group(name: string, fields: Readonly<Record<string, Json | undefined>>): JsonObject {
  const present = Object.entries(fields).filter(([, value]) => typeof value === 'string' || typeof value === 'number');
  return present.length > 0 ? { [name]: Object.fromEntries(present) as JsonObject } : {};
}

/**
 * Where the connection went: the remote end, or the server end, which is what Falco's C2 rule prints as `c2_addr`.
 * OCSF observable types: 1 host name, 2 IP address.
 */
function observablesOf(fields: JsonObject): Json[] {
  const ip = [fields['fd.rip'], fields['fd.sip'], fields.c2_addr].find(
    (value) => typeof value === 'string' && parseAddress(value) !== undefined,
  );
  const domain = [fields['fd.sip.name'], fields.c2_domain].find(
    (value) => typeof value === 'string' && value !== '' && parseAddress(value) === undefined,
  );
  return [
    ...(ip === undefined ? [] : [{ name: 'dst_endpoint.ip', type_id: 2, type: 'IP Address', value: ip }]),
    ...(domain === undefined ? [] : [{ name: 'dst_endpoint.domain', type_id: 1, type: 'Hostname', value: domain }]),
  ];
}
