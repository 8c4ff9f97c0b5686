import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuditHead } from '../contract/audit.ts';
import { cannot, ok, type Result } from './ending.ts';
import { clean } from './print.ts';

/**
 * Writes an export bundle so that whatever interrupts it leaves either the whole export or none: both files are written
 * beside their places and moved when they are complete. head.json goes last and an older one goes first, so that a mix
 * of two exports has no head and is said to be not checkable, never broken.
 */
export type BundleWriter = AsyncDisposable & {
  readonly write: (chunk: Uint8Array) => Promise<Result<null>>;
  /** Checks that the records are as many as the head says, and puts both files in place. */
  readonly close: (head: AuditHead) => Promise<Result<null>>;
};

const LF = 10;

export async function openBundle(dir: string, force: boolean): Promise<Result<BundleWriter>> {
  const name = clean(dir, 200);
  try {
    await mkdir(dir, { recursive: true });
    if (!force && (await readdir(dir)).length > 0) {
      return cannot(`${name} is not empty, and nothing is overwritten unasked. Name a new folder, or add --force.`);
    }
  } catch {
    return cannot(`${name} cannot be used as a folder to write to. Name another one with --out.`);
  }
  const mark = randomBytes(6).toString('hex');
  const parts = ['entries.ndjson', 'head.json'].map((file) => join(dir, `.${file}.${mark}.partial`));
  const [entriesPart = '', headPart = ''] = parts;
  const removeParts = () => {
    for (const part of parts) rmSync(part, { force: true });
  };
  // On the way out of the process, so that it also happens after Ctrl-C.
  process.once('exit', removeParts);
  const failed = () => cannot(`writing to ${name} failed: the disk may be full, or the folder may not be written to.`);
  const file = await open(entriesPart, 'wx', 0o600).catch(() => undefined);
  if (!file) return failed();
  let lines = 0;
  let last = LF;

  return ok({
    async write(chunk) {
      for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, at + 1)) lines++;
      last = chunk.at(-1) ?? last;
      try {
        await file.appendFile(chunk);
        return ok(null);
      } catch {
        return failed();
      }
    },
    async close(head) {
      if (lines !== head.records || last !== LF) {
        return cannot(
          `the export was cut off: ${lines} of ${head.records} records came. Nothing was written; run it again.`,
        );
      }
      try {
        await file.sync();
        await file.close();
        await writeFile(headPart, `${JSON.stringify(head, null, 2)}\n`, { flag: 'wx', mode: 0o600, flush: true });
        await rm(join(dir, 'head.json'), { force: true });
        await rename(entriesPart, join(dir, 'entries.ndjson'));
        await rename(headPart, join(dir, 'head.json'));
        return ok(null);
      } catch {
        return failed();
      }
    },
    async [Symbol.asyncDispose]() {
      await file.close().catch(() => undefined);
      removeParts();
    },
  });
}
