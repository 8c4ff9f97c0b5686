import { cannot, ok, type Result } from './ending.ts';
import { instant } from './form.ts';

/** The options `--since` and `--until` of a list. */
export type Span = { readonly since?: string; readonly until?: string };

/** @returns what the server takes; undefined where nothing was given. */
export function spanOf(options: Span): Result<{ readonly [name in keyof Span]-?: string | undefined }> {
  const now = Date.now();
  const since = instantOf('--since', options.since, now);
  if (!since.ok) return since;
  const until = instantOf('--until', options.until, now);
  return until.ok ? ok({ since: since.value, until: until.value }) : until;
}

function instantOf(option: string, text: string | undefined, now: number): Result<string | undefined> {
  if (text === undefined) return ok(undefined);
  const time = instant(text, now);
  return time === undefined
    ? cannot(`${option} takes a length such as 24h or 7d, or a time such as 2026-01-31T12:00:00Z.`)
    : ok(time);
}
