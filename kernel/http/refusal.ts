import type { Principal } from '../org/principal.ts';

/**
 * Puts refused access on the record, at most one record a second for each principal, so that whoever hammers at a
 * closed door cannot fill the log. What was left out is counted, and the next record says how many.
 */
const PERIOD_MS = 1_000;
/** Principals that are remembered. */
const KNOWN = 4_096;

export type Refusals = (by: Principal, operation: string) => Promise<void>;

export function openRefusals(deps: {
  readonly record: (by: Principal, what: string) => Promise<void>;
  /** Unix milliseconds. */
  readonly now: () => number;
}): Refusals {
  const { record, now } = deps;
  const recent = new Map<string, { readonly at: number; unrecorded: number }>();

  return (by, operation) => {
    const key = `${by.org}/${by.id}`;
    const last = recent.get(key);
    const at = now();
    // A clock that was set back must not silence the log.
    if (last && at >= last.at && at - last.at < PERIOD_MS) {
      last.unrecorded++;
      return Promise.resolve();
    }
    recent.delete(key);
    if (recent.size >= KNOWN) recent.delete(recent.keys().next().value ?? '');
    recent.set(key, { at, unrecorded: 0 });
    return record(by, last && last.unrecorded > 0 ? `${operation};unrecorded=${last.unrecorded}` : operation);
  };
}
