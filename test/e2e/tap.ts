import childProcess from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import type { Readable, Writable } from 'node:stream';

/**
 * Loaded into a kernel before anything else (`--import`): writes every byte that goes to a cell and comes from one to
 * the file that INTERLOCK_TEST_TAP names. The kernel's code is the real one; only `spawn` is listened to.
 */
const file = process.env['INTERLOCK_TEST_TAP'];
const { spawn } = childProcess;

function tapped(...given: Parameters<typeof spawn>): ReturnType<typeof spawn> {
  const child = spawn(...given);
  const [, , words, toCell, fromCell] = child.stdio as unknown as [unknown, unknown, Readable, Writable, Readable];
  if (file === undefined) return child;
  const write = toCell.write.bind(toCell) as (chunk: Uint8Array) => boolean;
  toCell.write = (chunk: Uint8Array) => {
    appendFileSync(file, chunk);
    return write(chunk);
  };
  for (const stream of [words, fromCell]) stream.on('data', (chunk: Buffer) => appendFileSync(file, chunk));
  return child;
}

childProcess.spawn = tapped as typeof spawn;
syncBuiltinESMExports();
