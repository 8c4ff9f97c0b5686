/**
 * Keeps secrets in one encrypted JSON file: the provider for a single machine. Owns that file; one process opens it.
 * Who holds the file alone learns names, dates and lengths. Who holds file and key holds everything.
 */
import { readFile } from 'node:fs/promises';
import { isName, type OrgId } from '../../base/id.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { KnownSecrets, SecretSource } from '../../port/secret-source.ts';
import { judgeSecretValue } from '../../secret/value.ts';
import { faultOfMode, replaceFile } from './durable-file.ts';
import { seal, unseal } from './secret-box.ts';
import { leaseOf } from './secret-lease.ts';

const FORMAT = 'interlock/secrets/v1';
const CHECK = 'this key opens this file';

type Entry = {
  readonly org: string;
  readonly name: string;
  /** The file's serial number at the write; never used twice, so an older box of the same name does not fit. */
  readonly version: number;
  readonly updatedAt: string;
  readonly box: string;
};
type Document = {
  readonly format: typeof FORMAT;
  /** A known text under the same key, so that a wrong key is noticed on opening. */
  readonly check: string;
  readonly serial: number;
  readonly entries: readonly Entry[];
};

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
 * @returns a sentence on how to mend it when the file is unreadable, open to others, or sealed under another key.
 */
export async function openSecretStore(options: SecretStoreOptions): Promise<Result<SecretSource, string>> {
  const { file, key, now = Date.now } = options;
  if (key.length !== 32) return err('the secret key must have 32 bytes');
  const opened = await readDocument(file, key);
  if (!opened.ok) return opened;
  let document = opened.value;
  let writing: Promise<unknown> = Promise.resolve();
  /** By org; what is not here is read from the document. */
  const known = new Map<OrgId, KnownSecrets>();

  /** Memory follows the disk: a change is seen only when it is durable. */
  const change = <T>(org: OrgId, alter: (current: Document) => readonly [Document, T]): Promise<T> => {
    const turn = writing.then(async () => {
      const [next, result] = alter(document);
      if (next !== document) await replaceFile(file, `${JSON.stringify(next, null, 1)}\n`);
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
      const secrets = entries.flatMap((entry) => open(entry) ?? []);
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
        return [{ ...current, serial: version, entries: [...others(current, org, name), entry] }, undefined];
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
        return entries.length === current.entries.length ? [current, false] : [{ ...current, entries }, true];
      }),
  });
}

const placeOf = (entry: Omit<Entry, 'box'>): readonly string[] => [entry.org, entry.name, `${entry.version}`];

async function readDocument(file: string, key: Uint8Array): Promise<Result<Document, string>> {
  const fault = await faultOfMode(file);
  if (fault) return err(fault);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      return err(`${file} cannot be read; check its owner and mode`);
    return createDocument(file, key);
  }
  const document = parseDocument(text);
  if (!document) return err(`${file} is not a file of secrets, or it is damaged; restore it from a backup`);
  if (unseal(key, ['check'], document.check)?.toString() !== CHECK) {
    return err(`${file} was sealed under another key; start with the key that it was made with`);
  }
  return ok(document);
}

async function createDocument(file: string, key: Uint8Array): Promise<Result<Document, string>> {
  const check = seal(key, ['check'], Buffer.from(CHECK));
  const document: Document = { format: FORMAT, check, serial: 0, entries: [] };
  try {
    await replaceFile(file, `${JSON.stringify(document, null, 1)}\n`);
    return ok(document);
  } catch {
    return err(`${file} cannot be created; make its folder and let this user write there`);
  }
}

function parseDocument(text: string): Document | undefined {
  let value: Partial<Document>;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const isEntry = (entry: Partial<Entry> | null): boolean =>
    [entry?.org, entry?.name, entry?.updatedAt, entry?.box].every((part) => typeof part === 'string') &&
    Number.isSafeInteger(entry?.version);
  const isWhole =
    value?.format === FORMAT &&
    typeof value.check === 'string' &&
    Number.isSafeInteger(value.serial) &&
    Array.isArray(value.entries) &&
    value.entries.every(isEntry);
  return isWhole ? (value as Document) : undefined;
}
