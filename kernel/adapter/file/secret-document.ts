/** The file of secrets: its form, and how it is read. Owns what makes a file one of ours, under one key. */
import { readFile } from 'node:fs/promises';
import { err, ok, type Result } from '../../base/result.ts';
import { faultOfMode, replaceFile } from './durable-file.ts';
import { seal, unseal } from './secret-box.ts';

const FORMAT = 'interlock/secrets/v1';
const CHECK = 'this key opens this file';

export type Entry = {
  readonly org: string;
  readonly name: string;
  /** The file's serial number at the write; never used twice, so an older box of the same name does not fit. */
  readonly version: number;
  readonly updatedAt: string;
  readonly box: string;
};
export type Document = {
  readonly format: typeof FORMAT;
  /** A known text under the same key, so that a wrong key is noticed on opening. */
  readonly check: string;
  readonly serial: number;
  readonly entries: readonly Entry[];
};

export const textOf = (document: Document): string => `${JSON.stringify(document, null, 1)}\n`;
const checkOf = (key: Uint8Array): string => seal(key, ['check'], Buffer.from(CHECK));

/**
 * The same secrets under another key.
 * @returns undefined when one of them does not open: it would be lost.
 */
export function resealed(document: Document, from: Uint8Array, to: Uint8Array): Document | undefined {
  const entries: Entry[] = [];
  for (const entry of document.entries) {
    const value = unseal(from, placeOf(entry), entry.box);
    if (!value) return undefined;
    entries.push({ ...entry, box: seal(to, placeOf(entry), value) });
    value.fill(0);
  }
  return { ...document, check: checkOf(to), entries };
}

export const placeOf = (entry: Omit<Entry, 'box'>): readonly string[] => [entry.org, entry.name, `${entry.version}`];

/** @param options.create makes an empty one where there is none. */
export async function readDocument(
  file: string,
  key: Uint8Array,
  options: { readonly create: boolean },
): Promise<Result<Document, string>> {
  const fault = await faultOfMode(file);
  if (fault) return err(fault);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      return err(`${file} cannot be read; check its owner and mode`);
    return options.create ? createDocument(file, key) : err(`${file} does not exist`);
  }
  const document = parseDocument(text);
  if (!document) return err(`${file} is not a file of secrets, or it is damaged; restore it from a backup`);
  if (unseal(key, ['check'], document.check)?.toString() !== CHECK) {
    return err(`${file} was sealed under another key; start with the key that it was made with`);
  }
  return ok(document);
}

async function createDocument(file: string, key: Uint8Array): Promise<Result<Document, string>> {
  const document: Document = { format: FORMAT, check: checkOf(key), serial: 0, entries: [] };
  try {
    await replaceFile(file, textOf(document));
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
