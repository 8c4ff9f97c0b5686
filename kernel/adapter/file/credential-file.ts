import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { relative, sep } from 'node:path';
import { err, ok, type Result } from '../../base/result.ts';
import { faultOfMode } from './durable-file.ts';

/** A token or a private key is smaller. */
const MOST_BYTES = 65_536;

/**
 * Reads files with what the kernel logs in with, anew each time: another program may keep them fresh.
 * @param own files and folders of the kernel itself. A policy of one org must not have the key to the secrets of all sent.
 * @returns the text without white space around it, or a sentence that names the file and what to mend.
 */
export function openCredentialFiles(own: readonly string[]): (file: string) => Promise<Result<string, string>> {
  const isOwn = async (path: string): Promise<boolean> => {
    const places = await Promise.all(own.map((one) => realpath(one).catch(() => one)));
    return places.some((place) => !relative(place, path).split(sep).includes('..'));
  };
  return async (file) => {
    try {
      const path = await realpath(file);
      if (await isOwn(path)) return err(`${file} belongs to the kernel, so it is no credential`);
      // A pipe would hold up who opens it, and a few of those all files of the process.
      const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
      try {
        const status = await handle.stat();
        if (!status.isFile()) return err(`${file} is no file`);
        const fault = await faultOfMode(path);
        if (fault) return err(fault);
        // What the system makes as it is read, such as the environment of the kernel, has no size.
        if (status.size === 0) return err(`${file} is empty`);
        if (status.size > MOST_BYTES) return err(`${file} is larger than ${MOST_BYTES} bytes, so it is no credential`);
        const text = (await handle.readFile('utf8')).trim();
        return text === '' ? err(`${file} is empty`) : ok(text);
      } finally {
        await handle.close();
      }
    } catch {
      return err(`${file} cannot be read; check that it is there, and its owner`);
    }
  };
}
