/** The file of secrets: its form, and how it is read. Owns what makes a file one of ours, under one key, as it was written. */
import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { err, ok, type Result } from '../../base/result.ts';
import { faultOfMode, replaceFile } from './durable-file.ts';
import { seal, unseal } from './secret-box.ts';

const FORMAT = 'interlock/secrets/v2';
/** Nothing held its entries together, so that one of an earlier file fitted. Read, and written anew at once. */
const FORMER = 'interlock/secrets/v1';
const CHECK = 'this key opens this file';

export type Entry = {
  readonly org: string;
  readonly name: string;
  /** The file's serial number at the write; never used twice. */
  readonly version: number;
  readonly updatedAt: string;
  readonly box: string;
};
export type Document = { readonly serial: number; readonly entries: readonly Entry[] };
type Form = Document & {
  readonly format: typeof FORMAT | typeof FORMER;
  /** A known text under the same key, so that a wrong key is noticed on opening. */
  readonly check: string;
  /** Nothing, sealed to the serial number and all entries: what is not as it was written together does not open. */
  readonly seal?: string;
};

export const textOf = ({ serial, entries }: Document, key: Uint8Array): string => {
  const check = seal(key, ['check'], Buffer.from(CHECK));
  const whole = seal(key, wholeOf({ serial, entries }), Buffer.alloc(0));
  return `${JSON.stringify({ format: FORMAT, check, seal: whole, serial, entries }, null, 1)}\n`;
};
const wholeOf = ({ serial, entries }: Document): readonly string[] => {
  const parts = entries.map(({ org, name, version, updatedAt, box }) => [org, name, version, updatedAt, box]);
  return ['whole', hash('sha256', JSON.stringify([serial, parts]), 'hex')];
};

/**
 * The same secrets under another key.
 * @returns undefined when one of them does not open: it would be lost.
 */
export function resealed(
  document: Document,
  from: Uint8Array,
  to: Uint8Array,
  placeBefore: (entry: Entry) => readonly string[] = placeOf,
): Document | undefined {
  const entries: Entry[] = [];
  for (const entry of document.entries) {
    const value = unseal(from, placeBefore(entry), entry.box);
    if (!value) return undefined;
    entries.push({ ...entry, box: seal(to, placeOf(entry), value) });
    value.fill(0);
  }
  return { serial: document.serial, entries };
}

type Place = Pick<Entry, 'org' | 'name' | 'version'>;
/** `v2`: no box of this form passes for one of the former. */
export const placeOf = (entry: Place): readonly string[] => ['v2', ...formerPlaceOf(entry)];
const formerPlaceOf = ({ org, name, version }: Place): readonly string[] => [org, name, `${version}`];

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
    return options.create ? write(file, { serial: 0, entries: [] }, key) : err(`${file} does not exist`);
  }
  const form = parseForm(text);
  if (!form) return err(`${file} is not a file of secrets, or it is damaged; restore it from a backup`);
  if (unseal(key, ['check'], form.check)?.toString() !== CHECK) {
    return err(`${file} was sealed under another key; start with the key that it was made with`);
  }
  const document = form.format === FORMER ? resealed(form, key, key, formerPlaceOf) : wholeOrNot(form, key);
  if (!document)
    return err(`${file} was changed by something else than the kernel, or is damaged; restore it from a backup`);
  return form.format === FORMER ? write(file, document, key) : ok(document);
}

function wholeOrNot({ serial, entries, seal: whole = '' }: Form, key: Uint8Array): Document | undefined {
  const document = { serial, entries };
  return unseal(key, wholeOf(document), whole) && document;
}

async function write(file: string, document: Document, key: Uint8Array): Promise<Result<Document, string>> {
  try {
    await replaceFile(file, textOf(document, key));
    return ok(document);
  } catch {
    return err(`${file} cannot be written; make its folder and let this user write there`);
  }
}

function parseForm(text: string): Form | undefined {
  let value: Partial<Form>;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const isEntry = (entry: Partial<Entry> | null): boolean =>
    [entry?.org, entry?.name, entry?.updatedAt, entry?.box].every((part) => typeof part === 'string') &&
    Number.isSafeInteger(entry?.version);
  const isWhole =
    (value?.format === FORMER || (value?.format === FORMAT && typeof value.seal === 'string')) &&
    typeof value.check === 'string' &&
    Number.isSafeInteger(value.serial) &&
    Array.isArray(value.entries) &&
    value.entries.every(isEntry);
  return isWhole ? (value as Form) : undefined;
}
