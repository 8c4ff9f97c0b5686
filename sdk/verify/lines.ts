import { open } from 'node:fs/promises';
import { AUDIT_LINE_BYTES } from '../contract/audit.ts';

/**
 * Reads a file line by line through one buffer of fixed size, whatever the lines are: a line that is too long is
 * handed on cut to one byte over the limit, and the rest of it is passed over.
 */
const CHUNK = 262_144;
const LF = 10;

/** Throws away nothing: a byte order mark stays, and what is not UTF-8 is refused. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * @param push is given each line without its LF: text, or bytes when it is not UTF-8 or too long.
 * @returns whether the file ends inside a line. Such a rest is no line and is not handed on.
 * @throws the error of the file system.
 */
export async function readLines(path: string, push: (line: string | Uint8Array) => void): Promise<{ torn: boolean }> {
  const cut = AUDIT_LINE_BYTES + 1;
  const buffer = new Uint8Array(cut + CHUNK);
  let held = 0;
  let skipping = false;
  await using file = await open(path, 'r');
  for (;;) {
    const { bytesRead } = await file.read(buffer, held, CHUNK, null);
    if (bytesRead === 0) return { torn: held > 0 || skipping };
    const filled = buffer.subarray(0, held + bytesRead);
    let start = 0;
    if (skipping) {
      const end = filled.indexOf(LF);
      skipping = end < 0;
      start = skipping ? filled.length : end + 1;
    }
    const end = filled.lastIndexOf(LF);
    if (end >= start) {
      pushLines(filled.subarray(start, end), push);
      start = end + 1;
    }
    held = filled.length - start;
    if (held >= cut) {
      push(filled.slice(start, start + cut));
      skipping = true;
      held = 0;
    } else buffer.copyWithin(0, start, filled.length);
  }
}

/** @param bytes whole lines, the last one without its LF. */
function pushLines(bytes: Uint8Array, push: (line: string | Uint8Array) => void): void {
  const text = decode(bytes);
  if (text !== undefined) {
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      push(text.slice(start, end));
      start = end + 1;
    }
    push(text.slice(start));
    return;
  }
  let start = 0;
  while (start <= bytes.length) {
    const found = bytes.indexOf(LF, start);
    const end = found < 0 ? bytes.length : found;
    const line = bytes.subarray(start, end);
    push(decode(line) ?? line.slice());
    start = end + 1;
  }
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
