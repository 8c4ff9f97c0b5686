import { readFile, stat } from 'node:fs/promises';
import { DOCUMENT_BYTES_MAX, parseDocument } from '../../kernel/base/json.ts';

/** Reads a document as a kernel does. @returns undefined where it is none: a pipe, too large, or with a key twice. */
export async function readJsonFile(file: string): Promise<unknown> {
  try {
    const status = await stat(file);
    if (!status.isFile() || status.size > DOCUMENT_BYTES_MAX) return undefined;
    const parsed = parseDocument(await readFile(file, 'utf8'));
    return parsed.ok ? parsed.value : undefined;
  } catch {
    return undefined;
  }
}
