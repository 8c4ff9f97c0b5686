import { closeSync, fstatSync, mkdirSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import type { Range, Row, Store, Write } from '../../port/store.ts';

/**
 * The record on disk: one LMDB environment.
 *
 * `overlappingSync: false`, because in the default mode a failed fdatasync rejects the write and still leaves it
 * visible. A batch is lmdb's `batch` of plain puts: one transaction, run by lmdb's own thread, so the event loop is
 * free while the disk works. (`transaction` with a callback would have to meet the main thread again, and does not
 * roll back when the callback throws.)
 */
export function openLmdbStore(folder: string): Store {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, 'data.mdb');
  const db = open<string, string>({
    path: folder,
    encoding: 'string',
    overlappingSync: false,
    compression: false,
    noMemInit: false,
  });
  const fd = openSync(file, 'r');
  let failed: Error | undefined;
  let inFlight: Promise<void> = Promise.resolve();

  /** Writing to a file that was unlinked or replaced under us succeeds and is lost: LMDB cannot see it, so we look. */
  const fileIsStillOurs = () => {
    const ours = fstatSync(fd);
    const there = statSync(file, { throwIfNoEntry: false });
    return ours.nlink > 0 && there !== undefined && there.ino === ours.ino && there.dev === ours.dev;
  };

  const writeBatch = async (batch: readonly Write[]) => {
    try {
      const settled: Promise<boolean>[] = [];
      await db.batch(() => {
        for (const { key, value } of batch) {
          const put = value === null ? db.remove(key) : db.put(key, value);
          // A failed commit rejects every put of it; none may stay unhandled while the batch itself is awaited.
          put.catch(() => undefined);
          settled.push(put);
        }
      });
      const results = await Promise.allSettled(settled);
      const bad = results.find((result) => result.status === 'rejected');
      if (bad) throw bad.reason;
      if (!fileIsStillOurs()) throw new Error('the data file was removed or replaced while in use');
    } catch (cause) {
      failed = new Error('the store failed to commit and takes no more writes', { cause });
      throw failed;
    }
  };

  return {
    get: (key) => db.get(key),

    range({ from, to, limit, reverse = false }: Range): Row[] {
      const rows: Row[] = [];
      // lmdb's start is inclusive and its end exclusive in both directions; ours is [from, to) whichever way we walk.
      const options = reverse
        ? { start: to, end: from, reverse: true, exclusiveStart: true, inclusiveEnd: true, limit }
        : { start: from, end: to, limit };
      for (const { key, value } of db.getRange(options)) rows.push({ key, value });
      return rows;
    },

    write(batch) {
      if (failed) return Promise.reject(failed);
      const done = writeBatch(batch);
      inFlight = done.catch(() => undefined);
      return done;
    },

    async close() {
      await inFlight;
      closeSync(fd);
      await db.close();
    },
  };
}
