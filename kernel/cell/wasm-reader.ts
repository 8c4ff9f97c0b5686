import { isUtf8 } from 'node:buffer';
import { err, ok, type Result } from '../base/result.ts';

/**
 * Reads the binary format of WebAssembly (core specification 2.0, chapter 5) from hostile bytes.
 *
 * Owns: bounds, LEB128, names. The meaning of what is read belongs to `wasm-sections.ts`.
 * It never throws. The first fault sticks, moves the cursor to its end and makes every later read give 0, so a reader
 * may read a whole structure and ask for the fault once; loops over an announced count must also ask (`faulty`).
 */
export type AdmissionCode =
  | 'not_wasm'
  | 'component'
  | 'malformed'
  | 'too_large'
  | 'section_refused'
  | 'type_refused'
  | 'import_refused'
  | 'memory_refused'
  | 'table_refused'
  | 'global_refused'
  | 'export_refused';

/** Why a module is refused. `text` says what was found, why it is refused and what to do; safe to show. */
export type AdmissionRefusal = { readonly code: AdmissionCode; readonly text: string };

export type Cursor = {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;
  fault: AdmissionRefusal | undefined;
};

export const cursor = (bytes: Uint8Array, at = 0): Cursor => ({ bytes, at, end: bytes.length, fault: undefined });

export const faulty = (c: Cursor): boolean => c.fault !== undefined;

/** Records the first fault only: later ones are its consequences. */
export function refuse(c: Cursor, code: AdmissionCode, text: string): void {
  c.fault ??= { code, text };
  c.at = c.end;
}

export function byte(c: Cursor): number {
  const value = c.bytes[c.at];
  if (value === undefined || c.at >= c.end) {
    refuse(c, 'malformed', 'The module ends in the middle of a section: it is truncated. Build it again.');
    return 0;
  }
  c.at++;
  return value;
}

/** Unsigned LEB128 of at most 32 bits. Padding zeros are legal (linkers write them); a sixth byte is not. */
export function u32(c: Cursor): number {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const part = byte(c);
    if (shift === 28 && part > 0x0f) break;
    value += (part & 0x7f) * 2 ** shift;
    if ((part & 0x80) === 0) return faulty(c) ? 0 : value;
  }
  refuse(
    c,
    'malformed',
    'A number takes more than 32 bits (overlong LEB128). Build the module with a standard toolchain.',
  );
  return 0;
}

/** Skips a signed LEB128 of at most `bits` bits; its value does not matter here. */
export function skipSigned(c: Cursor, bits: 32 | 64): void {
  for (let left = Math.ceil(bits / 7); left > 0; left--) if ((byte(c) & 0x80) === 0) return;
  refuse(c, 'malformed', `A constant takes more than ${bits} bits (overlong LEB128). Use a standard toolchain.`);
}

export function take(c: Cursor, length: number): Uint8Array {
  if (length > c.end - c.at) {
    refuse(c, 'malformed', 'A section announces more bytes than the module has: it is truncated. Build it again.');
    return new Uint8Array(0);
  }
  c.at += length;
  return c.bytes.subarray(c.at - length, c.at);
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** A name: length and UTF-8 bytes. */
export function name(c: Cursor): string {
  const bytes = take(c, u32(c));
  if (!isUtf8(bytes)) {
    refuse(c, 'malformed', 'A name in the module is not UTF-8. Build it with a standard toolchain.');
    return '';
  }
  return decoder.decode(bytes);
}

/** The structure must end where its section ends; left-over bytes are where two parsers disagree. */
export function finish(c: Cursor, what: string): Result<void, AdmissionRefusal> {
  if (!faulty(c) && c.at !== c.end) {
    refuse(c, 'malformed', `Bytes are left over at the end of the ${what} section. Build with a standard toolchain.`);
  }
  return c.fault ? err(c.fault) : ok(undefined);
}
