import { hash } from 'node:crypto';

/**
 * What a WebAssembly module *does*, apart from what lies in its memory.
 *
 * Every sealed plugin is the same program with another memory image, so all of them have one code digest. By it the
 * kernel recognises a sealed module, whose state between calls can be put back instead of made anew.
 */

/** Excluded: the memory image and its size, and names and notes that no engine runs. */
const NOT_CODE: ReadonlySet<number> = new Set([0 /* custom */, 5 /* memory */, 11 /* data */, 12 /* data count */]);

const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/** One section: its id, where it begins (at the id byte), where its body begins, and where it ends. */
export type Section = { readonly id: number; readonly start: number; readonly body: number; readonly end: number };

/**
 * The sections of a core module (WebAssembly 1.0, binary format, 5.5.2), in file order.
 * @throws Error when the bytes are not a core module or a section does not fit.
 */
export function readSections(wasm: Uint8Array): readonly Section[] {
  if (!HEADER.every((byte, at) => wasm[at] === byte)) throw new Error('not a WebAssembly core module, version 1');
  const sections: Section[] = [];
  let at = HEADER.length;
  while (at < wasm.length) {
    const size = readUnsigned(wasm, at + 1);
    const end = size.next + size.value;
    if (end > wasm.length) throw new Error(`the section at byte ${at} is longer than the module`);
    sections.push({ id: wasm[at] ?? 0, start: at, body: size.next, end });
    at = end;
  }
  return sections;
}

/**
 * An unsigned 32-bit LEB128 number and the offset after it (binary format, 5.2.2).
 * @throws Error when it is cut off or does not fit 32 bits.
 */
export function readUnsigned(bytes: Uint8Array, start: number): { readonly value: number; readonly next: number } {
  let value = 0;
  for (let i = 0; i < 5; i++) {
    const byte = bytes[start + i];
    if (byte === undefined) throw new Error('a number is cut off');
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) {
      if (value > 0xffff_ffff) break;
      return { value, next: start + i + 1 };
    }
  }
  throw new Error(`the number at byte ${start} does not fit 32 bits`);
}

/**
 * `sha256:` and the hex SHA-256 over every section (id byte, length, body) in file order, without memory, data, data
 * count and custom sections.
 * @throws Error when the module is malformed; see `readSections`.
 */
export function codeDigest(wasm: Uint8Array): string {
  const code = readSections(wasm).filter((section) => !NOT_CODE.has(section.id));
  const bytes = new Uint8Array(code.reduce((sum, section) => sum + section.end - section.start, 0));
  let at = 0;
  for (const section of code) {
    bytes.set(wasm.subarray(section.start, section.end), at);
    at += section.end - section.start;
  }
  return `sha256:${hash('sha256', bytes, 'hex')}`;
}

/** Whether the module does what one of these bases does; one that is malformed does not. */
export function isSealedBy(bases: ReadonlySet<string>, wasm: Uint8Array): boolean {
  try {
    return bases.has(codeDigest(wasm));
  } catch {
    return false;
  }
}
