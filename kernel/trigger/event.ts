/**
 * The one form in which the kernel knows an event, and the one way in which taking one in can fail.
 * The adapters beside this file (cloudevent, ocsf, falco) make the former or the latter; nothing else does.
 */
import type { JsonObject } from '../base/json.ts';
import { type Err, err } from '../base/result.ts';
import type { UnixMs } from '../base/time.ts';

export type EventFormat =
  | 'cloudevents-structured'
  | 'cloudevents-binary'
  | 'cloudevents-batch'
  | 'falco'
  | 'ocsf'
  /** Made by the kernel itself: a schedule was due, or a run has ended. */
  | 'schedule'
  | 'run';

/** Sources that begin like this are the kernel's own; nobody else may send under them. */
export const OWN_SOURCES = 'interlock:';
/** Of the ends of runs: with the id of the run it names the event that its end is. */
export const RUN_SOURCE = `${OWN_SOURCES}run`;

export type NormalEvent = {
  /** Who sent it: a CloudEvents `source` (URI reference), or what the adapter makes of the sender. */
  readonly source: string;
  /** CloudEvents `id`. With `source` it names the occurrence: a second delivery has the same pair. */
  readonly sourceId: string;
  readonly type: string;
  readonly subject: string | null;
  /** When it happened, as the sender says. Never part of a dedup key. */
  readonly time: UnixMs | null;
  readonly receivedFormat: EventFormat;
  /** W3C Trace Context; null when absent or malformed, because a broken trace must not cost an event. */
  readonly traceparent: string | null;
  /** OCSF 1.8 class 2004 for Falco and OCSF findings, however they were wrapped; other CloudEvents data as it came. */
  readonly data: JsonObject;
};

/** Of the end of a run: the playbooks of the runs that have started one another by their ends, up to that one. */
export const chainOf = ({ chain }: JsonObject): readonly string[] =>
  Array.isArray(chain) ? chain.filter((name): name is string => typeof name === 'string') : [];

/** `pointer` is made of names from our schemas and places in a batch. `text` says how to mend it. No input in either. */
export type IntakeFault = {
  readonly kind:
    | 'too_large'
    | 'not_utf8'
    | 'not_json'
    | 'too_deep'
    | 'too_many_keys'
    | 'forbidden_key'
    | 'unsupported_media_type'
    | 'unknown_format'
    | 'bad_field'
    | 'org_mismatch'
    | 'empty_batch'
    | 'batch_too_large';
  readonly pointer?: string;
  readonly text: string;
};

export const intakeFault = (kind: IntakeFault['kind'], text: string, pointer?: string): Err<IntakeFault> =>
  err(pointer === undefined ? { kind, text } : { kind, pointer, text });

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** W3C Trace Context section 3.2: an invalid header is ignored. */
export const toTraceparent = (value: unknown): string | null =>
  typeof value === 'string' && TRACEPARENT.test(value) ? value : null;
