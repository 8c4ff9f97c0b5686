import { LIMITS } from '../base/limits.ts';
import type { KnownSecrets } from '../port/secret-source.ts';

/**
 * The values that providers lent to an org, for the scrubber: those that are held, and those that were held lately,
 * because what a step sent may come back to the next one. In memory only, and no more of them than is searched for in time.
 */
type Value = {
  readonly name: string;
  /** The same object as long as it is known. */
  readonly known: KnownSecrets[number];
  holders: number;
  /** When it is forgotten after nobody holds it any more, by the scheduler's time. */
  until: number;
};

/** What an ended lease may still be found as, in milliseconds. */
const KEPT_MS = LIMITS.lentValueMinutes.value * 60_000;

export type LentValues = ReturnType<typeof openLentValues>;

export function openLentValues(elapsed: () => number) {
  const values = new Map<string, Value>();
  let list: KnownSecrets = [];
  let isStale = false;

  const forget = () => {
    const now = elapsed();
    // The latest value of a name that does not end is not among them: there are no more of those than names.
    const ended = [...values].filter(([, { holders, until }]) => holders === 0 && Number.isFinite(until));
    // Those that go first are last.
    ended.sort(([, a], [, b]) => b.until - a.until);
    for (const [i, [key, { until }]] of ended.entries()) {
      if (until > now && i < LIMITS.lentValuesKept.value) continue;
      values.delete(key);
      isStale = true;
    }
  };

  return {
    /** Somebody is about to be lent it. */
    hold(name: string, text: string): void {
      const key = `${name}\n${text}`;
      const known = values.get(key);
      if (known) known.holders += 1;
      else {
        values.set(key, { name, known: { name, reveal: () => text }, holders: 1, until: 0 });
        isStale = true;
      }
      // What was the latest of its name, and is not any more, goes in time.
      for (const [other, value] of values)
        if (other !== key && value.name === name && value.until === Number.POSITIVE_INFINITY)
          value.until = elapsed() + KEPT_MS;
    },
    /** @param forMs how long the value may open something yet; `Infinity`: until another one is lent under its name. */
    letGo(name: string, text: string, forMs: number): void {
      const value = values.get(`${name}\n${text}`);
      if (!value) return;
      value.holders -= 1;
      value.until = Math.max(value.until, elapsed() + Math.max(forMs, 0) + KEPT_MS);
    },
    /** The same list until it changes. */
    all() {
      forget();
      if (isStale) list = [...values.values()].map(({ known }) => known);
      isStale = false;
      return list;
    },
  };
}
