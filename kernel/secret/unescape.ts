/**
 * Takes one level of escaping off a text and remembers where each character came from. Owns the list of escapes that
 * servers put into the text they answer with.
 */

/** `text` is the unescaped text; `origin(i)` is where its character `i` began in the escaped one (`i` up to the length). */
export type Unescaped = { readonly text: string; readonly origin: (index: number) => number };

/** Percent-encoding (RFC 3986), escapes of JSON and JavaScript strings, character references of HTML. */
const ESCAPE =
  /((?:%[0-9a-f]{2})+)|\\u([0-9a-f]{4})|\\x([0-9a-f]{2})|\\(["'\\/])|&#(\d{1,7});|&#x([0-9a-f]{1,6});|&(amp|lt|gt|quot|apos);/gi;

const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** @returns undefined when there is nothing to take off. One pass; linear in the length of the text. */
export function unescapeOnce(text: string): Unescaped | undefined {
  if (!/[%\\&]/.test(text)) return undefined;
  // From one mark to the next escape the two texts run in step; a mark is the end of an unescaped character in both.
  const marksOut: number[] = [0];
  const marksIn: number[] = [0];
  let out = '';
  let copied = 0;
  const take = (character: string, width: number): void => {
    out += character;
    copied += width;
    marksOut.push(out.length);
    marksIn.push(copied);
  };
  for (const match of text.matchAll(ESCAPE)) {
    out += text.slice(copied, match.index);
    copied = match.index;
    if (match[1] === undefined) take(characterOf(match), match[0].length);
    else for (const [character, width] of charactersOfPercents(match[1])) take(character, width);
  }
  if (copied === 0) return undefined;
  return { text: out + text.slice(copied), origin: (index) => originOf(index, marksOut, marksIn) };
}

function characterOf(match: RegExpExecArray): string {
  const [, , unicode, hex, literal, decimal, reference, name] = match;
  if (literal !== undefined) return literal;
  if (name !== undefined) return NAMED[name.toLowerCase()] ?? '';
  const code = decimal === undefined ? Number.parseInt(unicode ?? hex ?? reference ?? '', 16) : Number(decimal);
  return code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
}

function charactersOfPercents(run: string): readonly (readonly [string, number])[] {
  const bytes = Buffer.from(run.replaceAll('%', ''), 'hex');
  const text = bytes.toString('utf8');
  // Not UTF-8: bytes one by one, so that ASCII next to a stray byte is still seen.
  if (text.includes('\ufffd')) return [...bytes.toString('latin1')].map((character) => [character, 3] as const);
  return [...text].map((character) => [character, 3 * Buffer.byteLength(character)] as const);
}

/** The last mark at or before `index`, and the step from there. */
function originOf(index: number, marksOut: readonly number[], marksIn: readonly number[]): number {
  let low = 0;
  let high = marksOut.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((marksOut[middle] ?? 0) <= index) low = middle;
    else high = middle - 1;
  }
  return (marksIn[low] ?? 0) + index - (marksOut[low] ?? 0);
}
