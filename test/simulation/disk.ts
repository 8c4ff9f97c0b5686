import type { Range, Row, Store, Write } from '../../kernel/port/store.ts';
import type { Faults } from './faults.ts';
import type { Life } from './life.ts';
import type { Random } from './random.ts';
import type { Watch } from './watch.ts';

/** What is durable. It outlives every kernel; a kernel sees it through the store of its life. */
export type Disk = Pick<Store, 'get' | 'range'> & { apply(batch: readonly Write[]): void; rows(): readonly Row[] };

export function openDisk(): Disk {
  const rows = new Map<string, string>();
  let keys: string[] | undefined = [];
  const sorted = () => {
    keys ??= [...rows.keys()].sort();
    return keys;
  };
  const firstAtOrAfter = (list: readonly string[], key: string) => {
    let [low, high] = [0, list.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((list[middle] as string) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const rowOf = (key: string): Row => ({ key, value: rows.get(key) as string });
  return {
    get: (key) => rows.get(key),
    range({ from, to, limit, reverse = false }: Range) {
      const list = sorted();
      const [low, high] = [firstAtOrAfter(list, from), firstAtOrAfter(list, to)];
      const chosen = reverse
        ? list.slice(Math.max(low, high - limit), high).reverse()
        : list.slice(low, Math.min(high, low + limit));
      return chosen.map(rowOf);
    },
    apply(batch) {
      for (const { key, value } of batch) {
        if (value === null ? rows.delete(key) : !rows.has(key)) keys = undefined;
        if (value !== null) rows.set(key, value);
      }
    },
    rows: () => sorted().map(rowOf),
  };
}

/**
 * The store of one life: each write is done, lost, or done and reported as failed; and the kernel may end before or
 * after it. It polices the port as `adapter/memory` does.
 */
export function storeOf(deps: {
  disk: Disk;
  life: Life;
  faults: Faults;
  random: Random;
  watch: Pick<Watch, 'committed' | 'acknowledged'>;
  fail: (rule: string, text: string) => void;
}): Store {
  const { disk, life, faults, random, watch, fail } = deps;
  let inFlight = false;
  let failed: Error | undefined;
  const pause = () => life.pause(faults.happens('slow disk') ? random.below(2_000) : random.pick([0, 0, 1, 3]));

  return {
    get: disk.get,
    range: disk.range,
    async write(batch) {
      if (failed) throw failed;
      if (inFlight) fail('store', 'two batches are in flight: the port allows one');
      inFlight = true;
      await pause();
      // Killed in this very instant: the next kernel may have begun to read.
      if (life.isOver()) return new Promise(() => undefined);
      if (faults.happens('crash before a commit')) await life.crash('crashes before a commit');
      const isLost = faults.happens('write lost');
      if (!isLost) {
        disk.apply(batch);
        watch.committed(batch);
      }
      if (faults.happens('crash after a commit')) await life.crash('crashes after a commit');
      await pause();
      inFlight = false;
      if (!isLost && !faults.happens('write failed but done')) return watch.acknowledged();
      life.say(isLost ? 'a write is lost' : 'a write is done and reported as failed');
      failed = new Error('the disk failed');
      throw failed;
    },
    close: async () => undefined,
  };
}
