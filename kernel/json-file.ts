import { readFile } from 'node:fs/promises';
import * as v from 'valibot';
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
    text = await readFile(file, 'utf8');
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    return err(`${file} ${Object.hasOwn(UNREADABLE, code) ? UNREADABLE[code] : 'cannot be read'}`);
  }
  if (text.trim() === '') return err(`${file} is empty: a JSON document is expected`);
  try {
    return ok(JSON.parse(text));
  } catch (error) {
    return err(`${file} is not valid JSON${jsonPlace(error, text)}: mend it there, or shortly before`);
  }
}

const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist: check the path',
  ENOTDIR: 'does not exist: check the path',
  EISDIR: 'is a folder: name the file in it',
  EACCES: 'may not be read by the user that the kernel runs as',
};

/** Only the numbers: the parser's message repeats the text. */
function jsonPlace(error: unknown, text: string): string {
  const [, offset] = /at position (\d+)/.exec((error as Error).message) ?? [];
  const before = text.slice(0, offset === undefined ? text.length : Number(offset)).split('\n');
  return ` (line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1})`;
}

const FAULTS_TOLD = 8;

/** Names the file, each place in it as a JSON Pointer, what is expected there; one a line. */
export function faultText(file: string, page: string, faults: readonly SchemaIssue[]): string {
  const lines = faults.slice(0, FAULTS_TOLD).map(({ pointer, text }) => `  ${pointer || '/'} ${text}`);
  const rest = faults.length > FAULTS_TOLD ? [`  and ${faults.length - FAULTS_TOLD} more`] : [];
  return [`${file} does not have the form that ${page} describes:`, ...lines, ...rest].join('\n');
}
