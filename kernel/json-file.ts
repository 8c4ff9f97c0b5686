import { readFile, stat } from 'node:fs/promises';
import * as v from 'valibot';
import { DOCUMENT_BYTES_MAX, type DocumentFault, parseDocument } from './base/json.ts';
import { err, ok, type Result } from './base/result.ts';
import { type SchemaIssue, toFileIssues } from './rule/issue.ts';

/** Reads a JSON file of the operator. What is wrong is said with file and place, and never with what stands there. */

/** @returns undefined where the org has no such file. */
export async function readOptional<T>(
  file: string | undefined,
  page: string,
  schema: v.GenericSchema<unknown, T>,
): Promise<Result<T | undefined, string>> {
  if (file === undefined) return ok(undefined);
  const read = await readJson(file);
  if (!read.ok) return read;
  const parsed = v.safeParse(schema, read.value);
  return parsed.success ? ok(parsed.output) : err(faultText(file, page, toFileIssues(parsed.issues)));
}

export async function readJson(file: string): Promise<Result<unknown, string>> {
  let text: string;
  try {
    const status = await stat(file);
    // A pipe would hold up the start for as long as nobody writes to it.
    if (!status.isFile() && !status.isDirectory()) return err(`${file} is no file`);
    if (status.size > DOCUMENT_BYTES_MAX) return err(`${file} is larger than ${DOCUMENT_BYTES_MAX} bytes`);
    text = await readFile(file, 'utf8');
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    return err(`${file} ${Object.hasOwn(UNREADABLE, code) ? UNREADABLE[code] : 'cannot be read'}`);
  }
  if (text.trim() === '') return err(`${file} is empty: a JSON document is expected`);
  const parsed = parseDocument(text);
  if (parsed.ok) return parsed;
  return err(`${file} ${parsed.error === 'not_json' ? `is not valid JSON${jsonPlace(text)}` : FAULTS[parsed.error]}`);
}

const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist: check the path',
  ENOTDIR: 'does not exist: check the path',
  EISDIR: 'is a folder: name the file in it',
  EACCES: 'may not be read by the user that the kernel runs as',
};

const FAULTS: Readonly<Record<Exclude<DocumentFault, 'not_json'>, string>> = {
  not_utf8: 'has half a character: write it in UTF-8',
  too_deep: 'goes more than 128 levels deep',
  too_many_keys: 'has more than a million keys and values',
  forbidden_key: 'has the key __proto__, which is not taken',
  key_twice: 'has a key twice in one object: which one counts, a reader could not tell',
};

/** Only the numbers: the parser's message repeats the text. */
function jsonPlace(text: string): string {
  try {
    JSON.parse(text);
    return ': a number is too large';
  } catch (error) {
    const [, offset] = /at position (\d+)/.exec((error as Error).message) ?? [];
    const before = text.slice(0, offset === undefined ? text.length : Number(offset)).split('\n');
    return ` (line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}): mend it there, or shortly before`;
  }
}

const FAULTS_TOLD = 8;

/** Names the file, each place in it as a JSON Pointer, what is expected there; one a line. */
export function faultText(file: string, page: string, faults: readonly SchemaIssue[]): string {
  const lines = faults.slice(0, FAULTS_TOLD).map(({ pointer, text }) => `  ${pointer || '/'} ${text}`);
  const rest = faults.length > FAULTS_TOLD ? [`  and ${faults.length - FAULTS_TOLD} more`] : [];
  return [`${file} does not have the form that ${page} describes:`, ...lines, ...rest].join('\n');
}
