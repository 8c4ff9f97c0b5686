/** What may be stored as a secret value. Owns the reasons. */
import { err, ok, type Result } from '../base/result.ts';

/** A shorter value is found by chance in ordinary text, so it could not be scrubbed without ruining answers. */
export const MIN_SECRET_CHARS = 8;
const MAX_SECRET_CHARS = 4_096;

/** @returns the value, or a sentence that says what is wrong with it (and never holds it). */
export function judgeSecretValue(value: string): Result<string, string> {
  if (value.length < MIN_SECRET_CHARS) {
    return err(
      `the value is shorter than ${MIN_SECRET_CHARS} characters: it would turn up by chance in answers and could not be ` +
        'removed from them; issue a longer credential',
    );
  }
  if (value.length > MAX_SECRET_CHARS) return err(`the value is longer than ${MAX_SECRET_CHARS} characters`);
  // A secret rides in a header: only what can stand there is worth storing.
  if (!/^[\x20-\x7e]*$/.test(value)) return err('the value has a line break or a character outside printable ASCII');
  return value.trim() === value ? ok(value) : err('the value begins or ends with a space; store it without');
}
