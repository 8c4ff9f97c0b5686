import { cannot, ok, type Result } from './ending.ts';
import { instant } from './form.ts';

/** @returns what the server takes, or undefined where nothing was given. */
export function instantOf(option: string, text: string | undefined, now: number): Result<string | undefined> {
  if (text === undefined) return ok(undefined);
  const time = instant(text, now);
  return time === undefined
    ? cannot(`${option} takes a length such as 24h or 7d, or a time such as 2026-01-31T12:00:00Z.`)
    : ok(time);
}
