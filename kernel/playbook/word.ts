import * as v from 'valibot';
import { NAME_PATTERN, notTaken } from '../../sdk/contract/name.ts';
import { isDurationUpTo, LONGEST_TRY, LONGEST_WAIT } from '../base/time.ts';

/** The words that a playbook document is made of: names, durations, pointers, and texts with references. */
export const name = v.pipe(
  v.string(),
  v.regex(NAME_PATTERN, 'use lower-case letters, digits and single hyphens'),
  notTaken,
);
export const target = v.union([v.literal('end'), name]);
const isTry = (text: string) => isDurationUpTo(text, LONGEST_TRY);
/** Of a run, or of a step that waits: how long it may last, whatever it waits for. */
export const waitLength = textThat(
  (text) => isDurationUpTo(text, LONGEST_WAIT),
  'use a whole number and a unit, e.g. 30m or 4h, up to 30d',
);
/** Of one call. */
export const tryLength = textThat(isTry, 'use a whole number and a unit, e.g. 5s or 30m, up to 24h');
export const backoff = textThat((text) => {
  const parts = text.split('..');
  return parts.length === 2 && parts.every(isTry);
}, 'use first..most, e.g. 1s..30s, each up to 24h');
export const pointer = v.pipe(
  v.string(),
  v.regex(/^(?:\/(?:[^~/]|~[01])*)+$/, 'use a JSON Pointer, e.g. /device/hostname'),
);
/** A text that may hold references. */
export const template = (chars: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(chars));
/** A text that is one reference, because a value with its type is wanted. */
export const oneReference = v.pipe(
  v.string(),
  v.maxLength(512),
  v.regex(/^\{\{[^{}]+\}\}$/, 'use one reference, e.g. "{{ inputs.hosts }}"'),
);

/** What it looks like is said of a number too: whoever writes `pause: 1` wants to know the unit. */
function textThat(fits: (text: string) => boolean, how: string) {
  return v.pipe(v.string(how), v.check(fits, how));
}
