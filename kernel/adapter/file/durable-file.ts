/**
 * Writes small private files so that a crash leaves the old content or the new, never a mixture, and nobody else can
 * read either. Owns the order of write, sync and rename.
 */
import { constants } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

const OWNER_ONLY = 0o600;

/** Replaces `file`. Durable on return. One writer at a time per file: the caller sees to it. */
export async function replaceFile(file: string, text: string): Promise<void> {
  const fresh = `${file}.new`;
  // What a crash left behind. Removed rather than opened, so that its mode or a link in its place does not matter.
  await rm(fresh, { force: true });
  await createFile(fresh, text);
  await moveFile(fresh, file);
}

/** Creates `file` and fails when it exists. Durable on return. */
export async function createFile(file: string, text: string): Promise<void> {
  const handle = await open(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, OWNER_ONLY);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await syncDirectory(file);
}

/** Says how to mend a file that others on this machine can read or write; undefined when it is private or missing. */
export async function faultOfMode(file: string): Promise<string | undefined> {
  // Windows keeps no such bits: access is a matter of the folder's list there.
  if (process.platform === 'win32') return undefined;
  const found = await stat(file).catch(() => undefined);
  if (!found || (found.mode & 0o077) === 0) return undefined;
  return `${file} is open to other users of this machine; run: chmod 600 ${file}`;
}

/** Gives `from` the name `to`, which it replaces. Durable on return. */
export async function moveFile(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncDirectory(to);
}

async function syncDirectory(file: string): Promise<void> {
  if (process.platform === 'win32') return;
  const directory = await open(dirname(file), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
