/**
 * CloudEvents 1.0.2: structured and batched JSON (JSON event format) and binary HTTP (HTTP protocol binding), read by a
 * schema of our own, stricter than the common libraries: nothing is invented, nothing unknown is skipped over.
 *
 * The caller has parsed and bounded the JSON. `pointer` says where an envelope stands: empty, or a place in a batch.
 */
import * as v from 'valibot';
import type { OrgId } from '../base/id.ts';
import { isObject, type Json, type JsonBounds, type JsonObject, parseJson } from '../base/json.ts';
import { ok, type Result } from '../base/result.ts';
import { parseTimestamp, unixMs } from '../base/time.ts';
import {
  type EventFormat,
  type IntakeFault,
  intakeFault,
  type NormalEvent,
  OWN_SOURCES,
  toTraceparent,
} from './event.ts';
import { findingFromFalco, looksLikeFalco } from './falco.ts';
import { checkFields, text, timestamp, uriReference } from './field.ts';
import { isJsonMediaType } from './media-type.ts';
import { checkFinding, DETECTION_FINDING } from './ocsf.ts';

export type Envelope = {
  readonly org: OrgId;
  readonly format: EventFormat;
  readonly pointer: string;
  /** From the transport; an event's own `traceparent` goes before it. */
  readonly traceparent: string | null;
  readonly bounds: JsonBounds;
};

const Attributes = v.strictObject({
  specversion: v.literal('1.0'),
  id: text(256),
  // Whoever could name a time of a schedule beforehand would keep it from firing.
  source: v.pipe(
    uriReference,
    v.check((source) => !source.toLowerCase().startsWith(OWN_SOURCES), "another source: this one is the kernel's own"),
  ),
  type: text(256),
  subject: v.optional(text(512)),
  time: v.optional(timestamp),
  dataschema: v.optional(uriReference),
  datacontenttype: v.optional(
    v.pipe(v.string(), v.maxLength(256), v.check(isJsonMediaType, 'a JSON media type, or none: application/json')),
  ),
});
type Attributes = v.InferOutput<typeof Attributes>;

const MAX_EXTENSIONS = 32;
const EXTENSION_NAME = /^[a-z0-9]{1,20}$/;
/** Boolean, Integer (32 bit) and String are what the type system of CloudEvents leaves of JSON. */
const Extension = v.union(
  [v.boolean(), v.pipe(v.number(), v.integer(), v.minValue(-(2 ** 31)), v.maxValue(2 ** 31 - 1)), text(1_024)],
  'a text, a whole number of 32 bits, true or false',
);

/** An event in structured mode as one schema, for whoever sends them; `readEvent` judges part by part. */
export const CloudEventSchema = v.objectWithRest(
  {
    ...Attributes.entries,
    /** OCSF or Falco as it is, or any other object. `data_base64` may stand in its place. */
    data: v.optional(v.record(v.string(), v.unknown())),
    data_base64: v.optional(v.string()),
  },
  Extension,
);

/** Structured mode: attributes, extensions and data stand side by side in one object. */
export function readStructured(event: JsonObject, at: Envelope): Result<NormalEvent, IntakeFault> {
  const { data, data_base64, ...context } = event;
  if (data_base64 === undefined || data_base64 === null) return readEvent(context, data, at);
  const pointer = `${at.pointer}/data_base64`;
  if (data !== undefined) return intakeFault('bad_field', 'stands beside "data"; send one of them', pointer);
  const decoded = decodeBase64(data_base64, at.bounds);
  if (decoded === undefined)
    return intakeFault('bad_field', 'is not the base64 of a JSON text; send the event as "data"', pointer);
  return readEvent(context, decoded, at);
}

/**
 * Binary mode: attributes and extensions are `ce-` headers, percent-encoded; the body is the data.
 * `headers` has lower-case names.
 */
export function readBinary(
  headers: ReadonlyMap<string, string>,
  contentType: string | null,
  data: Json,
  at: Envelope,
): Result<NormalEvent, IntakeFault> {
  const context: [string, string][] = [];
  for (const [header, raw] of headers) {
    if (!header.startsWith('ce-')) continue;
    const value = decodeHeader(raw);
    if (value === undefined)
      return intakeFault('bad_field', 'a ce- header is not percent-encoded UTF-8 (HTTP binding, 3.1.3.2)', at.pointer);
    context.push([header.slice(3), value]);
  }
  if (contentType !== null) {
    // The binding maps datacontenttype to Content-Type alone, so that the two cannot differ.
    if (headers.has('ce-datacontenttype'))
      return intakeFault('bad_field', 'stands beside the Content-Type header; remove it', '/datacontenttype');
    context.push(['datacontenttype', contentType]);
  }
  return readEvent(Object.fromEntries(context), data, at);
}

function readEvent(context: JsonObject, data: Json | undefined, at: Envelope): Result<NormalEvent, IntakeFault> {
  const known: Record<string, Json> = {};
  const extensions = new Map<string, Json>();
  for (const [name, value] of Object.entries(context)) {
    // JSON format, section 2.2: null is the same as absent.
    if (value === null) continue;
    if (Object.hasOwn(Attributes.entries, name)) known[name] = value;
    else extensions.set(name, value);
  }
  const checked = checkFields(Attributes, known, at.pointer);
  if (!checked.ok) return checked;
  const extensionFault = checkExtensions(extensions, at);
  if (extensionFault) return extensionFault;
  if (!isObject(data)) return intakeFault('bad_field', 'is required: a JSON object', `${at.pointer}/data`);
  const normalized = normalizeData(data, `${at.pointer}/data`);
  if (!normalized.ok) return normalized;
  return ok({
    ...identity(checked.value, normalized.value),
    receivedFormat: at.format,
    traceparent: toTraceparent(extensions.get('traceparent')) ?? at.traceparent,
    data: normalized.value.data,
  });
}

const identity = ({ source, id, type, subject, time }: Attributes, { data, isFinding }: Normalized) => ({
  source,
  sourceId: id,
  type,
  subject: subject ?? null,
  time:
    (time === undefined ? undefined : parseTimestamp(time)) ??
    (isFinding && typeof data.time === 'number' ? unixMs(data.time) : null),
});

/** Never names an extension in a fault: the sender chose the name. */
function checkExtensions(extensions: ReadonlyMap<string, Json>, { org, pointer }: Envelope) {
  if (extensions.size > MAX_EXTENSIONS)
    return intakeFault('bad_field', `has more than ${MAX_EXTENSIONS} extension attributes`, pointer);
  for (const [name, value] of extensions) {
    if (!EXTENSION_NAME.test(name))
      return intakeFault(
        'bad_field',
        'has an attribute whose name is not 1-20 lower-case letters and digits; check its spelling',
        pointer,
      );
    if (!v.is(Extension, value))
      return intakeFault('bad_field', 'has an extension that is not a text, an integer or a boolean', pointer);
  }
  const tenant = extensions.get('tenantid');
  if (tenant !== undefined && tenant !== org)
    return intakeFault(
      'org_mismatch',
      'names another org than the address it was sent to; send it there, or leave it out',
      `${pointer}/tenantid`,
    );
  return undefined;
}

type Normalized = { readonly data: JsonObject; readonly isFinding: boolean };

/** Findings come out in one shape, however they were wrapped; what is neither OCSF 2004 nor Falco stays as it is. */
function normalizeData(data: JsonObject, pointer: string): Result<Normalized, IntakeFault> {
  const isOcsf = data.class_uid === DETECTION_FINDING;
  if (!isOcsf && !looksLikeFalco(data)) return ok({ data, isFinding: false });
  const finding = isOcsf ? checkFinding(data, pointer) : findingFromFalco(data, pointer);
  return finding.ok ? ok({ data: finding.value, isFinding: true }) : finding;
}

/** @returns undefined when it is not base64 (RFC 4648 section 4, padded) of a JSON text within the bounds. */
function decodeBase64(value: Json, bounds: JsonBounds): Json | undefined {
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(value) || value.length % 4 !== 0) return undefined;
  const parsed = parseJson(
    Uint8Array.from(atob(value), (char) => char.charCodeAt(0)),
    bounds,
  );
  return parsed.ok ? parsed.value : undefined;
}

/** HTTP binding 3.1.3.2: undo a quoted string, then percent-decode once. @returns undefined when it is not UTF-8. */
function decodeHeader(raw: string): string | undefined {
  const quoted = /^"(?:[^"\\]|\\.)*"$/s.test(raw);
  const plain = quoted ? raw.slice(1, -1).replaceAll(/\\(.)/gs, '$1') : raw;
  try {
    const value = decodeURIComponent(plain);
    return value.isWellFormed() ? value : undefined;
  } catch {
    return undefined;
  }
}
