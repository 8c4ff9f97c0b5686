import type { Range, Row, Store, Write } from '../../port/store.ts';

/** What a test may make of one write: do it, lose it, or do it and report a failure. */
export type WriteFault = 'none' | 'lost' | 'failed-but-done';

/**
 * The record in memory, for simulation and tests. It polices the port's rules (one batch in flight, no write after a
 * failure), so that code which is only right by luck fails here first.
 */
export function openMemoryStore(options: { readonly fault?: (write: number) => WriteFault } = {}): Store {
  const rows = new Map<string, string>();
  let keys: string[] | undefined = [];
  let writes = 0;
  let inFlight = false;
  let failed: Error | undefined;

  /** Sorted keys, rebuilt only when a write added or removed one. */
  const sorted = () => {
    keys ??= [...rows.keys()].sort();
    return keys;
  };
  const firstAtOrAfter = (list: readonly string[], key: string) => {
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((list[middle] as string) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const apply = (batch: readonly Write[]) => {
    for (const { key, value } of batch) {
      if (value === null ? rows.delete(key) : !rows.has(key)) keys = undefined;
      if (value !== null) rows.set(key, value);
    }
  };

  return {
    get: (key) => rows.get(key),

    range({ from, to, limit, reverse = false }: Range): Row[] {
      const list = sorted();
      const span = list.slice(firstAtOrAfter(list, from), firstAtOrAfter(list, to));
      const chosen = reverse ? span.reverse().slice(0, limit) : span.slice(0, limit);
      return chosen.map((key) => ({ key, value: rows.get(key) as string }));
    },

    async write(batch) {
      if (failed) throw failed;
      if (inFlight) throw new Error('two batches in flight: the port allows one');
      inFlight = true;
      await Promise.resolve();
      inFlight = false;
      const fault = options.fault?.(writes++) ?? 'none';
      if (fault !== 'lost') apply(batch);
      if (fault !== 'none') {
        failed = new Error('the store failed to commit and takes no more writes');
        throw failed;
      }
    },

    close: async () => undefined,
  };
}
