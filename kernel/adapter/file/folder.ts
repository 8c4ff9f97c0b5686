import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { err, ok, type Result } from '../../base/result.ts';

/**
 * Makes a folder that only its owner can enter, and those above it that are missing. Level by level: below a folder of the
 * system that takes no others, such as /proc, Node's own recursive `mkdir` never settles.
 * @returns a sentence on how to mend it when the folder is not there afterwards.
 */
export async function makeFolder(folder: string): Promise<Result<void, string>> {
  const missing: string[] = [];
  for (let at = resolve(folder); ; at = dirname(at)) {
    const found = await stat(at).catch((error: NodeJS.ErrnoException) => error);
    if (found instanceof Error) {
      if (found.code !== 'ENOENT') return refuse(folder, found);
      missing.unshift(at);
    } else if (found.isDirectory()) break;
    else return err(`${folder} cannot be made: ${at} is not a folder; name another place`);
  }
  for (const one of missing) {
    const fault = await mkdir(one, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => error);
    // Somebody else was faster, which is as good.
    if (fault instanceof Error && fault.code !== 'EEXIST') return refuse(folder, fault);
  }
  return ok(undefined);
}

const refuse = (folder: string, { code }: NodeJS.ErrnoException): Result<never, string> =>
  err(`${folder} cannot be made (${code}); name a folder on a disk, below one in which this user may write`);
