/**
 * Takes one level of escaping off a text and remembers where each character came from. Owns the list of escapes that
 * servers put into the text they answer with.
 *
 * A secret is printable ASCII and is looked for in either case, so a level is one byte for each character: lower case,
 * and of anything wider only the low byte. What the bytes beside a secret mean makes no difference.
 */
export type Level = {
  readonly bytes: Uint8Array;
  /** Where each byte began in the text, and one more for the end. Undefined: the level is the text itself. */
  readonly origin?: Uint32Array;
};

export const code = (character: string): number => character.charCodeAt(0);
const [PERCENT, BACKSLASH, AMPERSAND, HASH, SEMICOLON] = [code('%'), code('\\'), code('&'), code('#'), code(';')];
const [LETTER_U, LETTER_X] = [code('u'), code('x')];
const [OPEN_BRACE, CLOSE_BRACE] = [code('{'), code('}')];

const FOLDED = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte));
/** Lower case of ASCII. */
export const folded = (byte: number): number => FOLDED[byte & 0xff] ?? 0;

/** Value of a hexadecimal digit in lower case; 16 for everything else. */
const DIGIT = Uint8Array.from({ length: 256 }, (_, byte) => {
  const value = '0123456789abcdef'.indexOf(String.fromCharCode(byte));
  return value === -1 ? 16 : value;
});
export const digitOf = (byte: number | undefined): number => (byte === undefined ? 16 : (DIGIT[byte] ?? 16));

/** What stands behind a backslash (JSON, JavaScript) for one character. A line break is white space, whichever it is. */
const BACKSLASHED: ReadonlyMap<number, number> = new Map(
  Object.entries({ '"': '"', "'": "'", '\\': '\\', '/': '/', n: '\n', r: '\n', t: '\t' }).map(([a, b]) => [
    code(a),
    code(b),
  ]),
);
/** Names that HTML has for printable ASCII (HTML 13.5), in lower case. These are read without a semicolon, too. */
const OLD_NAMES = 'amp & lt < gt > quot " apos \'';
const NEW_NAMES =
  'excl ! num # dollar $ percnt % lpar ( rpar ) ast * midast * plus + comma , period . sol / colon : semi ; equals = ' +
  'quest ? commat @ lsqb [ lbrack [ bsol \\ rsqb ] rbrack ] hat ^ lowbar _ underbar _ grave ` diacriticalgrave ` ' +
  'lcub { lbrace { verbar | vert | verticalline | rcub } rbrace }';
type Name = { readonly letters: Uint8Array; readonly byte: number };
const NAMED: ReadonlyMap<number, readonly Name[]> = Map.groupBy(
  [
    ...[...OLD_NAMES.matchAll(/(\w+) (\S)/g)].map(([, name = '', character = '']) => ({ name, character })),
    ...[...NEW_NAMES.matchAll(/(\w+) (\S)/g)].map(([, name = '', character = '']) => ({ name: `${name};`, character })),
  ].map(({ name, character }) => ({ letters: Uint8Array.from(name, code), byte: code(character) })),
  ({ letters }) => letters[0] ?? 0,
);

const ALPHANUMERIC = Uint8Array.from({ length: 256 }, (_, byte) =>
  /[a-z0-9]/.test(String.fromCharCode(byte)) ? 1 : 0,
);
/** Whether a byte is a letter or a digit of ASCII, in lower case. */
export const isAlphanumeric = (byte: number | undefined): boolean => byte !== undefined && ALPHANUMERIC[byte] === 1;

export function levelOf(text: string): Level {
  const bytes = Buffer.from(text, 'latin1');
  for (let i = 0; i < bytes.length; i++) bytes[i] = folded(bytes[i] ?? 0);
  return { bytes };
}

/** @returns undefined when there is nothing to take off. One pass; linear in the length of the level. */
export function unescapeOnce({ bytes, origin }: Level): Level | undefined {
  if (![PERCENT, BACKSLASH, AMPERSAND].some((mark) => bytes.includes(mark))) return undefined;
  const out = new Uint8Array(bytes.length);
  const from = new Uint32Array(bytes.length + 1);
  let size = 0;
  let at = 0;
  while (at < bytes.length) {
    const escaped = readEscape(bytes, at);
    from[size] = origin ? (origin[at] ?? 0) : at;
    out[size] = folded(escaped === 0 ? (bytes[at] ?? 0) : escaped);
    size += 1;
    at += escaped === 0 ? 1 : escaped >>> 8;
  }
  from[size] = origin ? (origin[at] ?? 0) : at;
  return size === bytes.length ? undefined : { bytes: out.subarray(0, size), origin: from };
}

/** The escape that begins here: its width, shifted by eight bits, and the byte it stands for. 0: none. Widths are < 2^23. */
function readEscape(bytes: Uint8Array, at: number): number {
  const mark = bytes[at];
  if (mark === PERCENT) return readHex(bytes, at, 1, 2);
  if (mark === BACKSLASH) {
    const kind = bytes[at + 1] ?? 0;
    if (kind === LETTER_U) return bytes[at + 2] === OPEN_BRACE ? readBraced(bytes, at) : readHex(bytes, at, 2, 4);
    if (kind === LETTER_X) return readHex(bytes, at, 2, 2);
    const literal = BACKSLASHED.get(kind);
    return literal === undefined ? 0 : (2 << 8) | literal;
  }
  if (mark !== AMPERSAND) return 0;
  return bytes[at + 1] === HASH ? readReference(bytes, at) : readName(bytes, at);
}

function readHex(bytes: Uint8Array, at: number, skip: number, digits: number): number {
  let value = 0;
  for (let i = at + skip; i < at + skip + digits; i++) {
    const digit = digitOf(bytes[i]);
    if (digit === 16) return 0;
    value = (value << 4) | digit;
  }
  return ((skip + digits) << 8) | (value & 0xff);
}

/** `\u{73}`: up to six digits (ECMAScript 12.9.4). */
function readBraced(bytes: Uint8Array, at: number): number {
  let end = at + 3;
  while (end < at + 9 && digitOf(bytes[end]) < 16) end += 1;
  const read = bytes[end] === CLOSE_BRACE && end > at + 3 ? readHex(bytes, at, 3, end - at - 3) : 0;
  return read === 0 ? 0 : read + (1 << 8);
}

/** As browsers read it (HTML 13.2.5.75): any number of digits, and the semicolon may be missing. */
function readReference(bytes: Uint8Array, at: number): number {
  const base = bytes[at + 2] === LETTER_X ? 16 : 10;
  const start = at + (base === 16 ? 3 : 2);
  let end = start;
  let value = 0;
  for (let digit = digitOf(bytes[end]); digit < base; digit = digitOf(bytes[++end])) {
    value = Math.min(0xff_ffff, value * base + digit);
  }
  if (end === start) return 0;
  return widthTo(bytes, at, end) | (value & 0xff);
}

function readName(bytes: Uint8Array, at: number): number {
  for (const { letters, byte } of NAMED.get(bytes[at + 1] ?? 0) ?? []) {
    if (letters.every((letter, i) => bytes[at + 1 + i] === letter))
      return widthTo(bytes, at, at + 1 + letters.length) | byte;
  }
  return 0;
}

const widthTo = (bytes: Uint8Array, at: number, end: number): number =>
  (end - at + (bytes[end] === SEMICOLON ? 1 : 0)) << 8;
