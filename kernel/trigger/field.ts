/** The kinds of field that the intake schemas are made of. Each states its form in words, for whoever must mend it. */
import * as v from 'valibot';
import { ok, type Result } from '../base/result.ts';
import { parseTimestamp } from '../base/time.ts';
import { toSchemaIssues } from '../rule/issue.ts';
import { type IntakeFault, intakeFault } from './event.ts';

/** A CloudEvents String (types, section "String"): no control characters. `parseJson` has refused lone surrogates. */
export const text = (max: number) =>
  v.pipe(v.string(), v.regex(/^\P{Cc}+$/u, 'a text that is not empty and has no control characters'), v.maxLength(max));

/** Characters of RFC 3986; whether the whole is a good reference is the sender's affair, we only compare it. */
export const uriReference = v.pipe(
  v.string(),
  v.regex(/^(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$/, 'a URI reference (RFC 3986)'),
  v.maxLength(1_024),
);

export const timestamp = v.pipe(
  v.string(),
  v.maxLength(48),
  v.check(
    (value) => parseTimestamp(value) !== undefined,
    'an RFC 3339 timestamp from 1970 on, such as 2026-11-20T14:33:40Z',
  ),
);

/** Checks a value against a schema; the first issue becomes the fault. `pointer` is where the value stands. */
export function checkFields<T>(
  schema: v.GenericSchema<unknown, T>,
  value: unknown,
  pointer: string,
): Result<T, IntakeFault> {
  const parsed = v.safeParse(schema, value, { abortEarly: true });
  if (parsed.success) return ok(parsed.output);
  const [issue] = toSchemaIssues(parsed.issues, pointer);
  return intakeFault('bad_field', issue.text, issue.pointer);
}
