import { readSections, readUnsigned } from '../contract/code-digest.ts';

/**
 * Writes a sealed module: the base program with a memory image in its data segments.
 *
 * Only the memory, data and custom sections differ between two sealed modules; everything else is copied byte for byte
 * from the base, apart from the exports that only a build needs. So all sealed modules have one code digest.
 */

export const PAGE_BYTES = 65_536;
/** Declared maximum: 32 MiB. The host may set a smaller one. */
const MEMORY_PAGES_MAX = 512;

/** What a host may see of a sealed module. Globals are exported too, all of them: a host that restores needs them. */
const EXPORTS: ReadonlySet<string> = new Set(['execute', 'describe', 'memory']);
const EXPORT_KIND_GLOBAL = 3;

const SECTION = { custom: 0, memory: 5, export: 7, start: 8, dataCount: 12, data: 11 } as const;

/** A gap of zeros shorter than this costs less inside a segment than a second segment does. */
const GAP_BYTES = 16;

export type CustomSection = { readonly name: string; readonly body: Uint8Array };

/**
 * @param base   The base program. It has one memory, no start function, and no custom section worth keeping.
 * @param memory The whole linear memory to begin with, in pages of 64 KiB.
 * @param custom Appended in the order given.
 * @throws Error when the base is not what it must be.
 */
export function seal(base: Uint8Array, memory: Uint8Array, custom: readonly CustomSection[]): Uint8Array {
  if (memory.length % PAGE_BYTES !== 0) throw new Error('the memory image is not a whole number of pages');
  const out: Uint8Array[] = [base.subarray(0, 8)];
  for (const { id, start, body, end } of readSections(base)) {
    if (id === SECTION.custom || id === SECTION.dataCount) continue;
    // A start function would run over the image that the data segments have just put in place.
    if (id === SECTION.start) throw new Error('the base has a start function');
    if (id === SECTION.memory) out.push(section(SECTION.memory, memoryBody(memory.length / PAGE_BYTES)));
    else if (id === SECTION.export) out.push(section(SECTION.export, exportBody(base.subarray(body, end))));
    else if (id === SECTION.data) out.push(section(SECTION.data, dataBody(memory)));
    else out.push(base.subarray(start, end));
  }
  const encoder = new TextEncoder();
  for (const { name, body } of custom) {
    const bytes = encoder.encode(name);
    out.push(section(SECTION.custom, concat([unsigned(bytes.length), bytes, body])));
  }
  return concat(out);
}

const memoryBody = (pages: number) =>
  concat([unsigned(1), Uint8Array.of(1), unsigned(pages), unsigned(MEMORY_PAGES_MAX)]);

/** The export section without what only a build needs. */
function exportBody(body: Uint8Array): Uint8Array {
  const decoder = new TextDecoder();
  const kept: Uint8Array[] = [];
  const count = readUnsigned(body, 0);
  let at = count.next;
  for (let i = 0; i < count.value; i++) {
    const start = at;
    const length = readUnsigned(body, at);
    const name = decoder.decode(body.subarray(length.next, length.next + length.value));
    const kind = body[length.next + length.value];
    at = readUnsigned(body, length.next + length.value + 1).next;
    if (EXPORTS.has(name) || kind === EXPORT_KIND_GLOBAL) kept.push(body.subarray(start, at));
  }
  return concat([unsigned(kept.length), ...kept]);
}

/** Active data segments for everything in the image that is not zero. */
function dataBody(memory: Uint8Array): Uint8Array {
  const segments: Uint8Array[] = [];
  let count = 0;
  for (let start = nextByte(memory, 0); start < memory.length; count++) {
    let end = start + 1;
    let next = nextByte(memory, end);
    while (next < memory.length && next - end < GAP_BYTES) {
      end = next + 1;
      next = nextByte(memory, end);
    }
    // Mode 0, `i32.const start`, `end`, then the bytes.
    segments.push(Uint8Array.of(0, 0x41), signed(start), Uint8Array.of(0x0b), unsigned(end - start));
    segments.push(memory.subarray(start, end));
    start = next;
  }
  return concat([unsigned(count), ...segments]);
}

/** Offset of the first byte at or after `at` that is not zero; the length when there is none. */
function nextByte(memory: Uint8Array, at: number): number {
  while (at < memory.length && memory[at] === 0) at++;
  return at;
}

const section = (id: number, body: Uint8Array) => concat([Uint8Array.of(id), unsigned(body.length), body]);

/** Unsigned LEB128 of a number below 2^32. */
function unsigned(value: number): Uint8Array {
  const out: number[] = [];
  for (; value > 0x7f; value >>>= 7) out.push((value & 0x7f) | 0x80);
  return Uint8Array.of(...out, value);
}

/** Signed LEB128 of a number from 0 to 2^31 - 1. */
function signed(value: number): Uint8Array {
  const out: number[] = [];
  for (; value > 0x3f; value >>= 7) out.push((value & 0x7f) | 0x80);
  return Uint8Array.of(...out, value);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
