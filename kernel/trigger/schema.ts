/**
 * A trigger, as a playbook document writes it: which events start a run, what they must carry, and what is a repeat.
 */
import * as v from 'valibot';
import { NAME_PATTERN, notTaken } from '../../sdk/contract/name.ts';
import { closedObject } from '../../sdk/contract/wanted.ts';
import { POINTER_PATTERN } from '../base/json.ts';
import { isDurationUpTo, LONGEST_WAIT } from '../base/time.ts';
import { ruleOver } from '../rule/schema.ts';

/** Into the event's data. The whole of it is no field. */
const fieldPointer = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(512),
  v.regex(POINTER_PATTERN, 'a JSON Pointer (RFC 6901) into the event, such as /finding_info/uid'),
);

const keyPointer = v.pipe(
  fieldPointer,
  v.check((pointer) => pointer !== '/time', 'a field that is the same in a repeat; /time differs in every event'),
);

const uniqueItems = (items: string[]) => new Set(items).size === items.length;

export const TriggerSchema = closedObject({
  id: v.pipe(v.string(), v.regex(NAME_PATTERN, 'lower-case letters, digits and single hyphens, at most 63'), notTaken),
  on: v.literal('event'),
  /** Facts: `event` (the data), `envelope` ({ source, type, subject, format }). */
  where: ruleOver(['event', 'envelope']),
  /** Fields that must be there, and not null, before the trigger may fire. */
  requires: v.optional(
    v.pipe(v.array(fieldPointer), v.minLength(1), v.maxLength(64), v.check(uniqueItems, 'each pointer once')),
  ),
  /**
   * Events whose key fields are all the same within the window start one run. `drop` and `coalesce` both say that the
   * run which is going on absorbs the repeat; they differ in what its timeline shows.
   */
  dedup: v.optional(
    closedObject({
      key: v.pipe(v.array(keyPointer), v.minLength(1), v.maxLength(8), v.check(uniqueItems, 'each pointer once')),
      window: v.pipe(
        v.string(),
        v.check((text) => isDurationUpTo(text, LONGEST_WAIT), 'a duration up to 30d, such as 30m or 4h'),
      ),
      repeat: v.picklist(['drop', 'coalesce']),
    }),
  ),
});
export type Trigger = v.InferOutput<typeof TriggerSchema>;
