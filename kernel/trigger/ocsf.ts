/**
 * OCSF 1.8 Detection Finding (class 2004): the shape that triggers read. Fields that OCSF requires are checked, all
 * others pass untouched, because producers add profiles and extensions.
 *
 * An `activity_id` of 2 (Update) or 3 (Close) tells more of a finding already known. A trigger that must start one run
 * per finding asks for `activity_id` 1 or dedups on `/finding_info/uid`.
 */
import * as v from 'valibot';
import type { JsonObject } from '../base/json.ts';
import { ok, type Result } from '../base/result.ts';
import { unixMs } from '../base/time.ts';
import type { IntakeFault, NormalEvent } from './event.ts';
import { checkFields, text } from './field.ts';

export const DETECTION_FINDING = 2004;

/** Names of the activities, as they appear in the `type` of a bare OCSF event. */
const ACTIVITIES: Readonly<Record<number, string>> = {
  0: 'unknown',
  1: 'create',
  2: 'update',
  3: 'close',
  99: 'other',
};
const ACTIVITY_IDS = [0, 1, 2, 3, 99] as const;
const TYPE_UIDS = [200400, 200401, 200402, 200403, 200499] as const;

/** Last millisecond of the year 9999: what RFC 3339 can still say. */
const LAST_TIME = 253_402_300_799_999;

const Finding = v.pipe(
  v.looseObject({
    activity_id: v.picklist(ACTIVITY_IDS),
    category_uid: v.literal(2),
    class_uid: v.literal(DETECTION_FINDING),
    type_uid: v.picklist(TYPE_UIDS),
    severity_id: v.picklist([0, 1, 2, 3, 4, 5, 6, 99]),
    time: v.pipe(
      v.number(),
      v.integer('whole milliseconds since 1970'),
      v.minValue(0),
      v.maxValue(LAST_TIME, 'milliseconds since 1970, not micro- or nanoseconds'),
    ),
    metadata: v.looseObject({
      version: text(64),
      uid: v.optional(text(256)),
      product: v.looseObject({ name: v.optional(text(256)), vendor_name: v.optional(text(256)) }),
    }),
    finding_info: v.looseObject({ uid: text(256), title: v.optional(text(1_024)) }),
  }),
  v.forward(
    v.partialCheck(
      [['type_uid'], ['activity_id']],
      ({ type_uid, activity_id }) => type_uid === DETECTION_FINDING * 100 + activity_id,
      'class_uid * 100 + activity_id',
    ),
    ['type_uid'],
  ),
);

/** @returns the very object given, once it has what OCSF requires. `pointer` is where it stands in the body. */
export function checkFinding(data: JsonObject, pointer: string): Result<JsonObject, IntakeFault> {
  const checked = checkFields(Finding, data, pointer);
  return checked.ok ? ok(data) : checked;
}

/**
 * A bare OCSF event has no envelope: its own fields stand in. `metadata.uid` names the event; without it the finding,
 * its activity and its time do, so that an update is not taken for a repeat of the creation.
 */
export function normalizeOcsf(data: JsonObject, traceparent: string | null): Result<NormalEvent, IntakeFault> {
  const checked = checkFields(Finding, data, '');
  if (!checked.ok) return checked;
  const { activity_id, finding_info, metadata, time } = checked.value;
  const { vendor_name, name } = metadata.product;
  return ok({
    source: ['urn:ocsf', vendor_name ?? '', name ?? '']
      .map((part, n) => (n ? encodeURIComponent(part) : part))
      .join(':'),
    sourceId: metadata.uid ?? `${finding_info.uid}/${activity_id}/${time}`,
    type: `ocsf.detection_finding.${ACTIVITIES[activity_id]}`,
    subject: null,
    time: unixMs(time),
    receivedFormat: 'ocsf',
    traceparent,
    data,
  });
}
