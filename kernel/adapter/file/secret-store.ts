/**
 * Keeps secrets in one encrypted JSON file: the provider for a single machine. Owns that file; one process opens it.
 * Who holds the file alone learns names, dates and lengths. Who holds file and key holds everything.
 */
import { isName, type OrgId } from '../../base/id.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { KnownSecrets, SecretSource } from '../../port/secret-source.ts';
import { judgeSecretValue } from '../../secret/value.ts';
import { replaceFile } from './durable-file.ts';
import { seal, unseal } from './secret-box.ts';
import { type Document, type Entry, placeOf, readDocument, textOf } from './secret-document.ts';
import { leaseOf } from './secret-lease.ts';

export type SecretStoreOptions = {
  readonly file: string;
  /** 32 bytes; see key.ts. */
  readonly key: Uint8Array;
  /** Unix milliseconds for `updatedAt`. */
  readonly now?: () => number;
};

/**
 * Opens the store; makes an empty one (mode 0600) when the file does not exist.
 * `put` throws for a name or value that cannot be stored (ask `judgeSecretValue` first) and when the disk fails; then
 * nothing has changed. Writers run one after the other.
 * @returns a sentence on how to mend it when the file is unreadable, open to others, sealed under another key, or edited.
 */
export async function openSecretStore(options: SecretStoreOptions): Promise<Result<SecretSource, string>> {
  const { file, key, now = Date.now } = options;
  if (key.length !== 32) return err('the secret key must have 32 bytes');
  const read = await readDocument(file, key, { create: true });
  if (!read.ok) return read;
  let document = read.value;
  let writing: Promise<unknown> = Promise.resolve();
  /** What has not changed stays the same object: a scrubber keeps with it what it has made of it. */
  const opened = new WeakMap<Entry, KnownSecrets[number]>();
  /** By org; what is not here is read from the document. */
  const known = new Map<OrgId, KnownSecrets>();

  /** Memory follows the disk: a change is seen only when it is durable. */
  const change = <T>(org: OrgId, alter: (current: Document) => readonly [Document, T]): Promise<T> => {
    const turn = writing.then(async () => {
      const [next, result] = alter(document);
      if (next !== document) await replaceFile(file, textOf(next, key));
      document = next;
      known.delete(org);
      return result;
    });
    writing = turn.catch(() => undefined);
    return turn;
  };
  const find = (org: OrgId, name: string) => document.entries.find((entry) => entry.org === org && entry.name === name);
  const open = (entry: Entry) => {
    const bytes = unseal(key, placeOf(entry), entry.box);
    return bytes && leaseOf(entry.name, bytes);
  };
  const others = (current: Document, org: OrgId, name: string) =>
    current.entries.filter((entry) => entry.org !== org || entry.name !== name);

  return ok({
    known: async (org) => {
      const kept = known.get(org);
      if (kept) return ok(kept);
      const entries = document.entries.filter((entry) => entry.org === org);
      const secrets = entries.flatMap((entry) => {
        const one = opened.get(entry) ?? open(entry);
        if (one) opened.set(entry, one);
        return one ?? [];
      });
      if (secrets.length < entries.length) return err('unavailable');
      known.set(org, secrets);
      return ok(secrets);
    },
    lease: async (org, name) => {
      const entry = find(org, name);
      if (!entry) return err('unknown');
      const lease = open(entry);
      return lease ? ok(lease) : err('unavailable');
    },
    put: async (org, name, value) => {
      if (!isName(name)) throw new Error('a secret name has lower-case letters, digits and single hyphens');
      const judged = judgeSecretValue(value);
      if (!judged.ok) throw new Error(`the secret was not stored: ${judged.error}`);
      await change(org, (current) => {
        const version = current.serial + 1;
        const head = { org, name, version, updatedAt: new Date(now()).toISOString() };
        const entry = { ...head, box: seal(key, placeOf(head), Buffer.from(value, 'utf8')) };
        return [{ serial: version, entries: [...others(current, org, name), entry] }, undefined];
      });
    },
    list: async (org) =>
      document.entries
        .filter((entry) => entry.org === org)
        .map(({ name, updatedAt }) => ({ name, updatedAt }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    remove: (org, name) =>
      change(org, (current) => {
        const entries = others(current, org, name);
        return entries.length === current.entries.length
          ? [current, false]
          : [{ serial: current.serial + 1, entries }, true];
      }),
  });
}
