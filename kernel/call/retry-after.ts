import { type DurationMs, durationMs, LONGEST_TRY, type UnixMs } from '../base/time.ts';

/** A longer header is none of the two forms. */
const CHARS = 40;

/**
 * What a `Retry-After` header asks for (RFC 9110, section 10.2.3: whole seconds, or an HTTP date).
 * @returns the pause from now, at most that of the longest try; undefined when the text is neither, or asks for none.
 */
export function pauseOf(header: string, now: UnixMs): DurationMs | undefined {
  const text = header.trim();
  if (text.length > CHARS) return undefined;
  const pause = /^[0-9]+$/.test(text) ? Number(text) * 1_000 : dateOf(text) - now;
  return pause > 0 ? durationMs(Math.min(pause, LONGEST_TRY)) : undefined;
}

/** The one form of date that senders may use; the two old ones are not worth a parser. */
const dateOf = (text: string): number =>
  /^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
