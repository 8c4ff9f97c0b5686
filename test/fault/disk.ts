import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openLmdbStore } from '../../kernel/adapter/lmdb/store.ts';
import type { Store, Write } from '../../kernel/port/store.ts';

/**
 * The record on a real LMDB file, with an end for one write that a test chooses. After a `crash` the process that used
 * it is gone as far as anyone can tell: nothing that it waits for comes, and it reads nothing more.
 */
export type WriteEnd =
  | 'done'
  /** Not there, and the writer is told so. */
  | 'lost'
  /** There, and the writer is told that it failed. */
  | 'failed-but-done'
  /** There, and the process ends before anyone is told. */
  | 'crash';
export const WRITE_ENDS = ['lost', 'failed-but-done', 'crash'] as const satisfies WriteEnd[];

export type Disk = {
  readonly store: Store;
  /** Writes so far. */
  readonly writes: () => number;
  /** Resolves when the process has ended by a `crash`. */
  readonly crashed: Promise<void>;
  /** Ends the process now. */
  crash(): void;
  close(): Promise<void>;
};

export type DiskOptions = {
  readonly endOf?: (write: number, batch: readonly Write[]) => WriteEnd;
  /** Told before and after every write that is done, while nothing is written. */
  readonly watch?: (write: number, when: 'before' | 'after') => void;
};

export function openDisk(folder: string, { endOf = () => 'done', watch = () => undefined }: DiskOptions = {}): Disk {
  const inner = openLmdbStore(folder);
  const { promise: crashed, resolve } = Promise.withResolvers<void>();
  let writes = 0;
  let isGone = false;
  const crash = () => {
    isGone = true;
    resolve();
  };
  const here = <T>(read: () => T): T => {
    if (isGone) throw new Error('the process that asks has ended');
    return read();
  };
  const store: Store = {
    get: (key) => here(() => inner.get(key)),
    range: (range) => here(() => inner.range(range)),
    async write(batch) {
      if (isGone) return new Promise(() => undefined);
      const write = writes++;
      const end = endOf(write, batch);
      watch(write, 'before');
      if (end !== 'lost') await inner.write(batch);
      watch(write, 'after');
      if (end === 'lost' || end === 'failed-but-done') throw new Error('the store failed to commit');
      if (end === 'done') return;
      crash();
      return new Promise(() => undefined);
    },
    close: () => inner.close(),
  };
  return {
    store,
    writes: () => writes,
    crashed,
    crash,
    async close() {
      isGone = true;
      await inner.close();
    },
  };
}

/** What a power cut leaves of `from`: the data file as it is now, and no lock. */
export function copyDisk(from: string, to: string): string {
  mkdirSync(to, { recursive: true });
  const file = join(from, 'data.mdb');
  if (existsSync(file)) copyFileSync(file, join(to, 'data.mdb'));
  return to;
}
