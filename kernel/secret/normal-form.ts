/**
 * The normal forms in which a secret is looked for. Owns the table: what a server may do to a value on its way back that
 * is undone by leaving something out. Escapes are another matter (`unescape.ts`); every form is tried on every level of them.
 */
import { code, digitOf, folded, isAlphanumeric } from './unescape.ts';

/** A level as it is compared: `at` says where in the level each byte began. Undefined: it is the level itself. */
export type View = { readonly bytes: Uint8Array; readonly at?: Uint32Array };

export type NormalForm = {
  readonly name: string;
  /** One pass; linear in the length of the level. */
  readonly view: (level: Uint8Array) => View;
  /** Where in the level that ends which begins at `last` and is one byte of the view. */
  readonly endOf: (level: Uint8Array, last: number) => number;
};

const [TAB, LINE_FEED, RETURN, SPACE] = [code('\t'), code('\n'), code('\r'), code(' ')];
const [COLON, QUOTE, BAR, EQUALS, LETTER_X] = [code(':'), code('"'), code('|'), code('='), code('x')];
/** A row of a dump is shorter; what follows in its line is something else. */
const MAX_ROW = 256;
/** Empty columns, and sixteen characters that may be escaped. */
const MAX_BESIDE = 96;
/** Sixteen bytes: behind them comes text, which may look like another column. */
const ROW_DIGITS = 32;
const OFFSET_DIGITS = { min: 4, max: 16 } as const;

export const NORMAL_FORMS: readonly NormalForm[] = [
  { name: 'as it is', view: (bytes) => ({ bytes }), endOf: (_, last) => last + 1 },
  // Base64 in lines, hexadecimal with separators, a value cut into the strings of a list.
  { name: 'letters and digits only', view: keepLettersAndDigits, endOf: (_, last) => last + 1 },
  // `[115, 101]`, `0x73,0x65`, `{"0":115,"1":101}`.
  { name: 'lists of byte values', view: (level) => collect(level, byteValues), endOf: endOfWord },
  // xxd, hexdump -C, od -t x1, tcpdump -X; their lines in a text or in a list of strings.
  { name: 'hexadecimal columns of a dump', view: (level) => collect(level, dumpColumns), endOf: endOfRow },
  // No escape among others: a value often stands behind `=`, and may begin with two digits (RFC 2045, 6.7).
  { name: 'quoted-printable', view: (level) => collect(level, quotedPrintable), endOf: endOfQuoted },
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

/** Each word that is a number below 256 is a byte, but no key of an object; any other word stands between two lists. */
function byteValues(level: Uint8Array, { bytes, at }: Kept): number {
  let size = 0;
  for (let i = 0; i < level.length; ) {
    if (!isAlphanumeric(level[i])) {
      i += 1;
      continue;
    }
    const end = endOfWord(level, i);
    if (level[end] !== QUOTE || level[end + 1] !== COLON) {
      bytes[size] = numberOf(level, i, end);
      at[size++] = i;
    }
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
  return folded(value);
}

/** What is no row is passed over: tools put blank lines and headings between rows. */
function dumpColumns(level: Uint8Array, { bytes, at }: Kept): number {
  let size = 0;
  for (let start = 0; start < level.length; ) {
    const end = endOfLine(level, start);
    const full = size + ROW_DIGITS;
    const stop = Math.min(end, start + MAX_ROW);
    for (let i = pastOffset(level, start, stop); i < stop && size < full && !isGutter(level, i); i++) {
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
  if (level[from] === 0x30 && level[from + 1] === LETTER_X) from += 2;
  let to = from;
  while (to < end && digitOf(level[to]) < 16) to += 1;
  if (to - from < OFFSET_DIGITS.min || to - from > OFFSET_DIGITS.max) return end;
  if (level[to] === COLON || level[to] === BAR) to += 1;
  if (!isBlank(level[to])) return end;
  while (isBlank(level[to])) to += 1;
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

/** At a line feed, or at the quote with which the next string of JSON begins. */
function endOfLine(level: Uint8Array, at: number): number {
  let end = at;
  while (end < level.length && level[end] !== LINE_FEED && !isOpeningQuote(level, end)) end += 1;
  return end;
}

function isOpeningQuote(level: Uint8Array, at: number): boolean {
  if (level[at] !== QUOTE) return false;
  return OPENERS.has(level[level[at - 1] === SPACE ? at - 2 : at - 1] ?? 0);
}
const OPENERS: ReadonlySet<number> = new Set(Array.from(',:[', code));
const isBlank = (byte: number | undefined): boolean => byte === SPACE || byte === TAB;

/** With the text beside the columns, which has the value too, and may have any character in it. */
function endOfRow(level: Uint8Array, last: number): number {
  const end = level.subarray(last, last + MAX_BESIDE).indexOf(LINE_FEED);
  return Math.min(level.length, last + (end === -1 ? MAX_BESIDE : end));
}

/** Nothing when nothing is quoted: then it is the level itself. */
function quotedPrintable(level: Uint8Array, { bytes, at }: Kept): number {
  let size = 0;
  let quoted = 0;
  for (let i = 0; i < level.length; ) {
    const width = endOfQuoted(level, i) - i;
    if (width > 1) quoted += 1;
    if (!isSoftBreak(level, i)) {
      bytes[size] = width === 1 ? (level[i] ?? 0) : folded(digitOf(level[i + 1]) * 16 + digitOf(level[i + 2]));
      at[size++] = i;
    }
    i += width;
  }
  return quoted === 0 ? 0 : size;
}

function endOfQuoted(level: Uint8Array, at: number): number {
  if (level[at] !== EQUALS) return at + 1;
  let end = at + 1;
  if (digitOf(level[end]) < 16 && digitOf(level[end + 1]) < 16) return at + 3;
  while (level[end] === LINE_FEED || level[end] === RETURN) end += 1;
  return end;
}

const isSoftBreak = (level: Uint8Array, at: number): boolean =>
  level[at] === EQUALS && (level[at + 1] === LINE_FEED || level[at + 1] === RETURN);
