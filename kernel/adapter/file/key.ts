/** Gets the key of the secret store: from the environment, or from a file that only its owner can read. */
import { createHmac, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { err, ok, type Result } from '../../base/result.ts';
import { createFile, faultOfMode } from './durable-file.ts';

const KEY_BYTES = 32;

export type SecretKeyOptions = {
  /** Value of `INTERLOCK_SECRET_KEY`: base64 of 32 bytes. Holds over the file when it is set. */
  readonly env: string | undefined;
  /** A file with the same text. */
  readonly file: string | undefined;
  /** Makes the file (mode 0600) when it does not exist. */
  readonly generate: boolean;
};

/** @returns 32 bytes, or a sentence on how to mend it. Never falls back from a key that is wrong to another one. */
export async function loadSecretKey(options: SecretKeyOptions): Promise<Result<Uint8Array, string>> {
  const { env, file, generate } = options;
  if (env !== undefined && env !== '') {
    return decode(env) ?? err('INTERLOCK_SECRET_KEY is not base64 of 32 bytes; make one with: openssl rand -base64 32');
  }
  if (file === undefined) return err('no secret key: set INTERLOCK_SECRET_KEY or name a key file');
  const fault = await faultOfMode(file);
  if (fault) return err(fault);
  try {
    const text = await readFile(file, 'utf8');
    return decode(text.trim()) ?? err(`${file} does not hold base64 of 32 bytes; restore the key from a backup`);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (!isMissing) return err(`${file} cannot be read; check its owner and mode`);
    return generate
      ? createKey(file)
      : err(`${file} does not exist; set INTERLOCK_SECRET_KEY or have the key file made`);
  }
}

/** Names a key on the record, where the key itself must not stand: who has the name cannot make the key of it. */
export const secretKeyId = (key: Uint8Array): string =>
  createHmac('sha256', key).update('interlock secret key id').digest('hex').slice(0, 32);

export const makeKey = (): Buffer => randomBytes(KEY_BYTES);
export const keyText = (key: Uint8Array): string => `${Buffer.from(key).toString('base64')}\n`;

async function createKey(file: string): Promise<Result<Uint8Array, string>> {
  const key = makeKey();
  try {
    await createFile(file, keyText(key));
    return ok(key);
  } catch {
    return err(`${file} cannot be created; make its folder and let this user write there`);
  }
}

/** Strict: Node's decoder skips what it does not know, and a shortened key must not pass for a key. */
function decode(text: string): Result<Uint8Array, string> | undefined {
  return /^[A-Za-z0-9+/]{43}=$/.test(text) ? ok(Buffer.from(text, 'base64')) : undefined;
}
