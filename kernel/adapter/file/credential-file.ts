import { readFile, stat } from 'node:fs/promises';
import { err, ok, type Result } from '../../base/result.ts';
import { faultOfMode } from './durable-file.ts';

/** A token or a private key is smaller. */
const MOST_BYTES = 65_536;

/**
 * Reads a file with what the kernel logs in with, anew each time: another program may keep it fresh.
 * @returns its text without white space around it, or a sentence that names the file and what to mend.
 */
export async function readCredentialFile(file: string): Promise<Result<string, string>> {
  const fault = await faultOfMode(file);
  if (fault) return err(fault);
  try {
    const { size } = await stat(file);
    if (size > MOST_BYTES) return err(`${file} is larger than ${MOST_BYTES} bytes, so it is no credential`);
    const text = (await readFile(file, 'utf8')).trim();
    return text === '' ? err(`${file} is empty`) : ok(text);
  } catch {
    return err(`${file} cannot be read; check that it is there, and its owner`);
  }
}
