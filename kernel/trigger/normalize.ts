/**
 * Takes a request body of any supported kind to normal events: chooses the reader by content type and headers, bounds
 * size, depth and number, and stops at the first fault. A batch is taken whole or not at all.
 *
 * What comes out of a fault is a kind, a place and a sentence, all ours: nothing of the input is ever repeated.
 */
import type { OrgId } from '../base/id.ts';
import { isObject, type Json, type JsonFault, type JsonObject, parseJson } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';
import { ok, type Result } from '../base/result.ts';
import { type Envelope, readBinary, readStructured } from './cloudevent.ts';
import { type IntakeFault, intakeFault, type NormalEvent, toTraceparent } from './event.ts';
import { looksLikeFalco, normalizeFalco } from './falco.ts';
import { isJsonMediaType, parseMediaType } from './media-type.ts';
import { normalizeOcsf } from './ocsf.ts';

export type IntakeRequest = {
  /** The Content-Type header. A message without one (NATS binary mode) may name it as `ce-datacontenttype`. */
  readonly contentType: string | null;
  /** Header names in any case; only `ce-*` and `traceparent` are read. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** The org of the request. Events that name another are refused. */
  readonly org: OrgId;
};

const EVENT_BYTES = LIMITS.eventBytes.value;
const BODY_BYTES = LIMITS.bodyBytes.value;
const BATCH_EVENTS = LIMITS.batchEvents.value;
const BOUNDS = { depth: LIMITS.jsonDepth.value, keys: LIMITS.jsonKeys.value };

const STRUCTURED = 'application/cloudevents+json';
const BATCHED = 'application/cloudevents-batch+json';

/** @returns at least one event, in the order of the body, or the first fault. Never throws. */
export function normalizeBody(input: IntakeRequest): Result<readonly NormalEvent[], IntakeFault> {
  const { body } = input;
  const headers = new Map(Object.entries(input.headers).map(([name, value]) => [name.toLowerCase(), value]));
  const isBinary = [...headers.keys()].some((name) => name.startsWith('ce-'));
  const contentType = input.contentType ?? (isBinary ? (headers.get('ce-datacontenttype') ?? 'application/json') : '');
  const essence = parseMediaType(contentType)?.essence;
  const isBatch = essence === BATCHED;
  if (body.byteLength > (isBatch ? BODY_BYTES : EVENT_BYTES)) return tooLarge(isBatch);
  if (!isJsonMediaType(contentType) || (essence?.startsWith('application/cloudevents') && !isCloudEvents(essence)))
    return intakeFault('unsupported_media_type', `Set Content-Type to application/json, ${STRUCTURED} or ${BATCHED}.`);

  const parsed = parseJson(body, BOUNDS);
  if (!parsed.ok) return intakeFault(parsed.error, JSON_FAULTS[parsed.error]);
  const at = (format: Envelope['format'], pointer = ''): Envelope => ({
    org: input.org,
    format,
    pointer,
    traceparent: toTraceparent(headers.get('traceparent')),
    bounds: BOUNDS,
  });
  if (isBatch) return readBatch(parsed.value, body.byteLength, (pointer) => at('cloudevents-batch', pointer));
  if (essence !== STRUCTURED && isBinary)
    return one(readBinary(headers, input.contentType, parsed.value, at('cloudevents-binary')));
  if (!isObject(parsed.value)) return intakeFault('unknown_format', NOT_AN_OBJECT);
  if (essence === STRUCTURED || Object.hasOwn(parsed.value, 'specversion'))
    return one(readStructured(parsed.value, at('cloudevents-structured')));
  return one(readBare(parsed.value, at('ocsf').traceparent));
}

const isCloudEvents = (essence: string): boolean => essence === STRUCTURED || essence === BATCHED;

function readBatch(
  batch: Json,
  bytes: number,
  at: (pointer: string) => Envelope,
): Result<readonly NormalEvent[], IntakeFault> {
  if (!Array.isArray(batch)) return intakeFault('unknown_format', 'A batch is a JSON array of CloudEvents.');
  if (batch.length === 0) return intakeFault('empty_batch', 'Send at least one event.');
  if (batch.length > BATCH_EVENTS)
    return intakeFault('batch_too_large', `Send at most ${BATCH_EVENTS} events in one batch.`);
  const events: NormalEvent[] = [];
  for (const [index, item] of batch.entries()) {
    const pointer = `/${index}`;
    if (!isObject(item)) return intakeFault('bad_field', 'is not a CloudEvent: a JSON object is wanted', pointer);
    // A body below the limit of one event cannot hold an event above it.
    if (bytes > EVENT_BYTES && Buffer.byteLength(JSON.stringify(item)) > EVENT_BYTES) return tooLarge(false, pointer);
    const event = readStructured(item, at(pointer));
    if (!event.ok) return event;
    events.push(event.value);
  }
  return ok(events);
}

/** JSON without an envelope: what a sensor posts by itself. */
function readBare(data: JsonObject, traceparent: string | null): Result<NormalEvent, IntakeFault> {
  if (Object.hasOwn(data, 'class_uid')) return normalizeOcsf(data, traceparent);
  if (looksLikeFalco(data)) return normalizeFalco(data, traceparent);
  return intakeFault('unknown_format', UNKNOWN);
}

const one = (event: Result<NormalEvent, IntakeFault>): Result<readonly NormalEvent[], IntakeFault> =>
  event.ok ? ok([event.value]) : event;

const tooLarge = (isBatch: boolean, pointer?: string) =>
  intakeFault(
    'too_large',
    isBatch ? `A batch has at most ${BODY_BYTES} bytes.` : `An event has at most ${EVENT_BYTES} bytes.`,
    pointer,
  );

const NOT_AN_OBJECT = `Send one JSON object. Only CloudEvents go as a list, and then as ${BATCHED}.`;
const UNKNOWN =
  'Send a CloudEvents 1.0 envelope (with "specversion", or ce- headers), an OCSF Detection Finding (with "class_uid" ' +
  '2004), or a Falco alert (with "rule", "priority", "time", "output" and "output_fields").';

const JSON_FAULTS: Readonly<Record<JsonFault, string>> = {
  not_utf8: 'The body is not UTF-8 text.',
  not_json: 'The body is not JSON.',
  too_deep: `The body is nested deeper than ${BOUNDS.depth} levels.`,
  too_many_keys: `The body has more than ${BOUNDS.keys} keys and array items.`,
  forbidden_key: 'The body has a key named __proto__; remove it.',
};
