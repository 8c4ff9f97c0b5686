/**
 * Puts another key in the place of that of the secret store. Owns the order of the writes: at each point of it one key is
 * on the disk that opens the file of secrets, and the next start finds it.
 *
 * With a key file: the new key is written beside the old one (`.next`), then the file of secrets is replaced in one move,
 * then the new key takes the place of the old one. What was cut off in between is settled by `settleKeyFile`: whichever of
 * the two opens the file is the key.
 */
import { rm, stat } from 'node:fs/promises';
import { err, ok, type Result } from '../../base/result.ts';
import { createFile, moveFile, replaceFile } from './durable-file.ts';
import { keyText, loadSecretKey, makeKey } from './key.ts';
import { readDocument, resealed, textOf } from './secret-document.ts';

/** The writes that can be cut off. A test puts its own in their place. */
export type Disk = {
  readonly createFile: typeof createFile;
  readonly replaceFile: typeof replaceFile;
  readonly moveFile: typeof moveFile;
};
const DISK: Disk = { createFile, replaceFile, moveFile };

export type RotateOptions = {
  /** The file of secrets. */
  readonly file: string;
  readonly keyFile: string;
  /** Values of `INTERLOCK_SECRET_KEY` and `INTERLOCK_SECRET_KEY_NEXT`. */
  readonly env: string | undefined;
  readonly envNext: string | undefined;
  readonly disk?: Disk;
};

const nextOf = (keyFile: string): string => `${keyFile}.next`;
const isThere = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    () => false,
  );

/** @returns what was done and what is to be done now, or a sentence on how to mend what is wrong. Nobody has the file open. */
export async function rotateSecretKey(options: RotateOptions): Promise<Result<string, string>> {
  const { file, keyFile, env, envNext, disk = DISK } = options;
  const isFromEnv = env !== undefined && env !== '';
  if (!isFromEnv) {
    if (envNext) return err('INTERLOCK_SECRET_KEY_NEXT goes with INTERLOCK_SECRET_KEY; the key of a file is made here');
    const settled = await settleKeyFile({ file, keyFile, disk });
    if (!settled.ok) return settled;
  }
  const old = await loadSecretKey({ env, file: keyFile, generate: false });
  if (!old.ok) return old;
  const key = isFromEnv ? await nextKey(envNext) : ok(makeKey());
  if (!key.ok) return key;
  if (isFromEnv && (await readDocument(file, key.value, { create: false })).ok)
    return ok(`the secrets are sealed under the new key already; ${USE_NEXT}`);
  const document = await readDocument(file, old.value, { create: false });
  if (!document.ok) return document;
  const fresh = resealed(document.value, old.value, key.value);
  if (!fresh) return err(`${file} holds a secret that does not open: set it anew, or remove it, and try again`);
  try {
    if (!isFromEnv) await disk.createFile(nextOf(keyFile), keyText(key.value));
    await disk.replaceFile(file, textOf(fresh, key.value));
    if (!isFromEnv) await disk.moveFile(nextOf(keyFile), keyFile);
  } catch {
    return err('the disk refused a write; run it again: until it says that it is done, what opens the secrets is kept');
  }
  const count = `${fresh.entries.length} ${fresh.entries.length === 1 ? 'secret is' : 'secrets are'} sealed under a new key`;
  return ok(
    isFromEnv ? `${count}; ${USE_NEXT}` : `${count}, which is in ${keyFile}; the old one opens nothing any more`,
  );
}

const USE_NEXT = 'start the kernel from now on with INTERLOCK_SECRET_KEY set to what INTERLOCK_SECRET_KEY_NEXT is';

async function nextKey(envNext: string | undefined): Promise<Result<Uint8Array, string>> {
  if (!envNext) return err('set INTERLOCK_SECRET_KEY_NEXT to the new key; make one with: openssl rand -base64 32');
  const key = await loadSecretKey({ env: envNext, file: undefined, generate: false });
  return key.ok ? key : err(key.error.replace('INTERLOCK_SECRET_KEY', 'INTERLOCK_SECRET_KEY_NEXT'));
}

/** Ends a rotation that was cut off: afterwards the key file is the one that opens the secrets, and it is alone. */
export async function settleKeyFile(options: {
  readonly file: string;
  readonly keyFile: string;
  readonly disk?: Disk;
}): Promise<Result<void, string>> {
  const { file, keyFile, disk = DISK } = options;
  const next = nextOf(keyFile);
  if (!(await isThere(next))) return ok(undefined);
  const opens = async (from: string): Promise<boolean> => {
    const key = await loadSecretKey({ env: undefined, file: from, generate: false });
    return key.ok && (await readDocument(file, key.value, { create: false })).ok;
  };
  try {
    if (await opens(keyFile)) await rm(next, { force: true });
    else if (await opens(next)) await disk.moveFile(next, keyFile);
    else return err(`neither ${keyFile} nor ${next} opens ${file}; restore them together from a backup`);
    return ok(undefined);
  } catch {
    return err(
      `${next} is left over from a rotation of the key and cannot be moved; check the folder's owner and mode`,
    );
  }
}
