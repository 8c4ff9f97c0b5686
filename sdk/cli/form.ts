/** The words that a person types to name something, checked before anything is sent. */
export const isApprovalOrRunId = (prefix: 'apr' | 'run', text: string): boolean =>
  text.startsWith(`${prefix}_`) && /^[a-z]{3}_[0-9a-f]{32}$/.test(text);

export const isDigest = (text: string): boolean => /^sha256:[0-9a-f]{64}$/.test(text);

/** The beginning of a digest, at least 8 digits of it, with or without `sha256:`; undefined when it is none. */
export function digestPrefix(text: string): string | undefined {
  const [, digits] = /^(?:sha256:)?([0-9a-f]{8,64})$/.exec(text) ?? [];
  return digits === undefined ? undefined : `sha256:${digits}`;
}

/** As many digits as a list shows; commands that take a digest take this too. */
export const shortDigest = (digest: string): string => digest.slice('sha256:'.length, 'sha256:'.length + 12);

/** Lower-case letters, digits, single hyphens; 1-63 characters. */
export const isName = (text: string): boolean => /^[a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,62}$/.test(text);

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30s`, `10m`, `2h` in milliseconds; undefined when it is no duration. */
export function durationMs(text: string): number | undefined {
  const [, number, unit = ''] = /^([1-9][0-9]{0,8})(ms|s|m|h|d)$/.exec(text) ?? [];
  const ms = UNIT_MS[unit];
  return number === undefined || ms === undefined ? undefined : Number(number) * ms;
}

/** A time as a person says it: so long ago, or RFC 3339. In UTC with milliseconds; undefined when it is none. */
export function instant(text: string, now: number): string | undefined {
  const ago = durationMs(text);
  const isWritten = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d))?$/.test(text);
  const date = new Date(ago === undefined ? (isWritten ? text : Number.NaN) : now - ago);
  return Number.isFinite(date.getTime()) && date.getUTCFullYear() >= 0 ? date.toISOString() : undefined;
}
