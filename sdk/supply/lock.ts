import { existsSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import * as v from 'valibot';
import { growth, isSameSigner, lockedAs, lockWith, shrinkage } from '../../kernel/trust/lock.ts';
import { type LockEntry, NO_LOCK, type PluginsLock, PluginsLockSchema } from '../contract/trust.ts';
import { readJsonFile } from './json-file.ts';

/** Reads and writes plugins.lock. What is new or changed is for a person to approve: the lock says that somebody looked. */
export type Change = {
  readonly entry: LockEntry;
  /** `same`: the lock has it as it is. */
  readonly kind: 'same' | 'new' | 'changed';
  /** What it asks for beyond the entry before, one sentence each. */
  readonly more: readonly string[];
  readonly less: readonly string[];
};

export function changeOf(lock: PluginsLock, entry: LockEntry): Change {
  const locked = lockedAs(lock, entry);
  const before = locked.kind === 'none' ? undefined : locked.entry;
  const isUnsigned = before?.signer && !(entry.signer && isSameSigner(before.signer, entry.signer));
  const more = [...growth(before, entry), ...(isUnsigned ? ['new: not signed by the signer of its entry'] : [])];
  const less = shrinkage(before, entry);
  const isSame = locked.kind === 'same' && JSON.stringify(before) === JSON.stringify(entry);
  return { entry, kind: before === undefined ? 'new' : isSame ? 'same' : 'changed', more, less };
}

/** @returns undefined where it would be a lock that no kernel takes: one of them asks for more than an entry holds. */
export function withChanges(lock: PluginsLock, changes: readonly Change[]): PluginsLock | undefined {
  const entries = changes.map(({ entry }) => entry);
  const next = v.safeParse(PluginsLockSchema, lockWith(lock, entries));
  return next.success ? next.output : undefined;
}

/** @returns the lock, one without plugins where there is no file, or undefined where the file is no lock. */
export async function readLockFile(file: string): Promise<PluginsLock | undefined> {
  if (!existsSync(file)) return NO_LOCK;
  const parsed = v.safeParse(PluginsLockSchema, await readJsonFile(file));
  return parsed.success ? parsed.output : undefined;
}

/** Written whole or not at all. */
export async function writeLockFile(file: string, lock: PluginsLock): Promise<void> {
  const fresh = `${file}.${process.pid}.new`;
  await writeFile(fresh, `${JSON.stringify(lock, null, 2)}\n`);
  await rename(fresh, file);
}

const ConfigForm = v.object({
  pluginsLock: v.optional(v.string()),
  orgs: v.array(v.object({ plugins: v.optional(v.array(v.string()), []), trust: v.optional(v.string()) })),
});

/** What of a configuration the lock is about, as absolute paths; undefined where it is none. */
export async function readConfigured(
  file: string,
): Promise<
  { readonly lock: string; readonly folders: readonly string[]; readonly trust: readonly string[] } | undefined
> {
  try {
    const { orgs, pluginsLock = 'plugins.lock' } = v.parse(ConfigForm, await readJsonFile(file));
    const at = (path: string) => resolve(dirname(file), path);
    const folders = [...new Set(orgs.flatMap(({ plugins }) => plugins.map(at)))];
    return {
      lock: at(pluginsLock),
      folders,
      trust: [...new Set(orgs.flatMap(({ trust }) => (trust ? [at(trust)] : [])))],
    };
  } catch {
    return undefined;
  }
}
