/**
 * The normal forms in which a secret is looked for. Owns the table: what a server may do to a value on its way back that
 * is undone by leaving something out. Escapes are another matter (`unescape.ts`); every form is tried on every level of them.
 */
import { digitOf, isAlphanumeric } from './unescape.ts';

/** A level as it is compared: `at` says where in the level each byte began. Undefined: it is the level itself. */
export type View = { readonly bytes: Uint8Array; readonly at?: Uint32Array };

export type NormalForm = {
  readonly name: string;
  /** One pass; linear in the length of the level. */
  readonly view: (level: Uint8Array) => View;
  /** Where in the level that ends which begins at `last` and is one byte of the view. */
  readonly endOf: (level: Uint8Array, last: number) => number;
};

const [SPACE, LINE_FEED, COLON, LETTER_X] = [0x20, 0x0a, 0x3a, 0x78];
/** A row of a dump is shorter; a longer line is no row. */
const MAX_ROW = 256;
/** Sixteen bytes: behind them comes text, which may look like another column. */
const ROW_DIGITS = 32;
const OFFSET_DIGITS = { min: 4, max: 16 } as const;

export const NORMAL_FORMS: readonly NormalForm[] = [
  { name: 'as it is', view: (bytes) => ({ bytes }), endOf: (_, last) => last + 1 },
  // Base64 in lines, hexadecimal with separators, a value cut into the strings of a list.
  { name: 'letters and digits only', view: keepLettersAndDigits, endOf: (_, last) => last + 1 },
  // `[115, 101]`, `0x73,0x65`.
  { name: 'lists of byte values', view: (level) => collect(level, byteValues), endOf: endOfWord },
  // xxd, hexdump -C, od -t x1.
  { name: 'hexadecimal columns of a dump', view: (level) => collect(level, dumpColumns), endOf: endOfLine },
];

/** What is kept of a level, as it is gathered: `size` bytes so far. */
type Kept = { readonly bytes: Uint8Array; readonly at: Uint32Array };

function collect(level: Uint8Array, form: (level: Uint8Array, kept: Kept) => number): View {
  const kept = { bytes: new Uint8Array(level.length), at: new Uint32Array(level.length) };
  const size = form(level, kept);
  return { bytes: kept.bytes.subarray(0, size), at: kept.at };
}

export function keepLettersAndDigits(level: Uint8Array): View {
  return collect(level, lettersAndDigits);
}

function lettersAndDigits(level: Uint8Array, { bytes, at }: Kept): number {
  let size = 0;
  for (let i = 0; i < level.length; i++) {
    const byte = level[i] ?? 0;
    if (!isAlphanumeric(byte)) continue;
    bytes[size] = byte;
    at[size++] = i;
  }
  return size;
}

/** Each word that is a number below 256 is a byte; any other word stands between two lists. */
function byteValues(level: Uint8Array, { bytes, at }: Kept): number {
  let size = 0;
  for (let i = 0; i < level.length; ) {
    if (!isAlphanumeric(level[i])) {
      i += 1;
      continue;
    }
    const end = endOfWord(level, i);
    bytes[size] = numberOf(level, i, end);
    at[size++] = i;
    i = end;
  }
  return size;
}

function numberOf(level: Uint8Array, start: number, end: number): number {
  const isHex = level[start + 1] === LETTER_X && level[start] === 0x30;
  const base = isHex ? 16 : 10;
  let value = 0;
  for (let i = isHex ? start + 2 : start; i < end; i++) {
    const digit = digitOf(level[i]);
    value = value * base + digit;
    if (digit >= base || value > 0xff) return 0;
  }
  // In lower case, as everything that is compared.
  return value >= 0x41 && value <= 0x5a ? value + 0x20 : value;
}

function dumpColumns(level: Uint8Array, { bytes, at }: Kept): number {
  let size = 0;
  for (let start = 0; start < level.length; ) {
    const end = endOfLine(level, start);
    const columns = end - start > MAX_ROW ? end : pastOffset(level, start, end);
    // Another line stands between two dumps.
    if (columns === end) at[size++] = start;
    const full = size + ROW_DIGITS;
    for (let i = columns; i < end && size < full && !isGutter(level, i); i++) {
      const byte = level[i] ?? 0;
      if (digitOf(byte) === 16) continue;
      bytes[size] = byte;
      at[size++] = i;
    }
    start = end + 1;
  }
  return size;
}

/** Behind the offset with which a row begins, or its end when it begins otherwise. */
function pastOffset(level: Uint8Array, start: number, end: number): number {
  let from = start;
  while (from < end && !isAlphanumeric(level[from])) from += 1;
  let to = from;
  while (to < end && digitOf(level[to]) < 16) to += 1;
  if (to - from < OFFSET_DIGITS.min || to - from > OFFSET_DIGITS.max) return end;
  if (level[to] === COLON) to += 1;
  if (level[to] !== SPACE) return end;
  while (level[to] === SPACE) to += 1;
  return to;
}

/** Two spaces, and not one more column of two digits: here begins the text beside the columns. */
function isGutter(level: Uint8Array, at: number): boolean {
  if (level[at] !== SPACE || level[at + 1] !== SPACE) return false;
  const isColumn = digitOf(level[at + 2]) < 16 && digitOf(level[at + 3]) < 16 && !isAlphanumeric(level[at + 4]);
  return !isColumn;
}

function endOfWord(level: Uint8Array, at: number): number {
  let end = at;
  while (end < level.length && isAlphanumeric(level[end])) end += 1;
  return end;
}

function endOfLine(level: Uint8Array, at: number): number {
  const end = level.indexOf(LINE_FEED, at);
  return end === -1 ? level.length : end;
}
