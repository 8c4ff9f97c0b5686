/**
 * Takes secret values out of text that comes back from outside. Owns the list of forms in which a value is recognised.
 *
 * What it cannot see: a value that the other side encrypted, compressed, reversed or cut in pieces. The grant (which
 * host gets the value at all) is the wall; this is the net behind it.
 */
import { invariant } from '../base/assert.ts';
import { unescapeOnce } from './unescape.ts';
import { MIN_SECRET_CHARS } from './value.ts';

export type NamedSecret = { readonly name: string; readonly value: string };

/** Replaces every known form of every secret by `[secret:NAME]`. */
export type Scrubber = (text: string) => string;

/** JSON inside JSON inside a URL is three; a fourth has not been seen. */
const MAX_ESCAPE_LEVELS = 4;

/** `around` says that the characters beside a match hold bits of the value and go with it. */
type Needle = { readonly name: string; readonly text: string; readonly around: 'none' | 'after' | 'both' };
type Range = { readonly start: number; readonly end: number; readonly name: string };

/**
 * Builds the scrubber for one step. Recognised in either case: the raw characters; hexadecimal, also with separators;
 * base64 and base64url (RFC 4648) at each of the three alignments, so also inside a longer encoded text such as
 * `user:value`. Each of these also under up to four levels of percent-encoding, JSON or HTML escapes, in any mixture.
 * For a value that is itself base64 (Basic credentials), what it encodes is taken out as well.
 * @param secrets values that judgeSecretValue accepted.
 */
export function createScrubber(secrets: readonly NamedSecret[]): Scrubber {
  const areLong = secrets.every(({ value }) => value.length >= MIN_SECRET_CHARS);
  invariant(areLong, 'a secret that is scrubbed was judged by judgeSecretValue first');
  const needles = secrets.flatMap(({ name, value }) =>
    [value, ...derivedValues(value)].flatMap((text) => needlesOf(name, text)),
  );
  return (text) => (needles.length === 0 ? text : replaceRanges(text, findRanges(text, needles)));
}

/** Parts of a value that are as secret as the whole: the text inside Basic credentials, and the password in it. */
function derivedValues(value: string): readonly string[] {
  const decoded = /^[a-z0-9+/_-]+={0,2}$/i.test(value) ? Buffer.from(value, 'base64').toString('latin1') : '';
  const inner = /^[\x20-\x7e]+$/.test(decoded) ? decoded : '';
  const passwords = [value, inner].map((text) => text.slice(text.indexOf(':') + 1));
  return [inner, ...passwords].filter((text) => text.length >= MIN_SECRET_CHARS && text !== value);
}

function needlesOf(name: string, value: string): readonly Needle[] {
  const bytes = Buffer.from(value, 'utf8');
  const pairs = bytes.toString('hex').match(/../g) ?? [];
  // A form encodes a space as `+` (WHATWG URL, application/x-www-form-urlencoded).
  const plain = [value, value.replaceAll(' ', '+'), ...unescapedForms(value)];
  const hex = ['', ':', ' ', '-'].map((between) => pairs.join(between));
  const encoded = [0, 1, 2].flatMap((offset) => base64Cores(bytes, offset));
  return [
    ...[...plain, ...hex].map((text) => ({ name, text: fold(text), around: 'none' as const })),
    ...encoded.map(({ text, around }) => ({ name, text: fold(text), around })),
  ];
}

/** A value that itself looks escaped loses that look when one level is taken off the text around it. */
function unescapedForms(value: string): readonly string[] {
  const next = unescapeOnce(value)?.text;
  return next === undefined || next.length < MIN_SECRET_CHARS ? [] : [next, ...unescapedForms(next)];
}

/** Base64 of the bytes at an offset within a group of three: the characters that the bytes alone decide. */
function base64Cores(bytes: Buffer, offset: number): readonly Omit<Needle, 'name'>[] {
  const shifted = Buffer.concat([Buffer.alloc(offset), bytes]);
  const first = offset === 0 ? 0 : offset + 1;
  const last = Math.floor((shifted.length * 8) / 6);
  const around = offset === 0 ? 'after' : 'both';
  return (['base64', 'base64url'] as const).map((form) => ({
    text: shifted.toString(form).slice(first, last),
    around,
  }));
}

/** Lower case, and never another length: the one letter that grows is replaced first. */
const fold = (text: string): string => text.replaceAll('\u0130', 'i').toLowerCase();

function findRanges(text: string, needles: readonly Needle[]): readonly Range[] {
  const ranges: Range[] = [];
  let level = text;
  let toOriginal = (index: number): number => index;
  for (let depth = 0; depth <= MAX_ESCAPE_LEVELS; depth++) {
    for (const found of findIn(level, needles)) {
      ranges.push({ name: found.name, start: toOriginal(found.start), end: toOriginal(found.end) });
    }
    const next = unescapeOnce(level);
    if (!next) break;
    const outer = toOriginal;
    level = next.text;
    toOriginal = (index) => outer(next.origin(index));
  }
  return ranges;
}

function findIn(level: string, needles: readonly Needle[]): readonly Range[] {
  const ranges: Range[] = [];
  const folded = fold(level);
  for (const { name, text, around } of needles) {
    let end = 0;
    for (let at = folded.indexOf(text); at !== -1; at = folded.indexOf(text, end)) {
      end = at + text.length;
      const tail = around === 'none' ? 0 : (/^[a-z0-9+/_-]?={0,2}/.exec(folded.slice(end, end + 3))?.[0].length ?? 0);
      const head = around === 'both' && /[a-z0-9+/_-]/.test(folded.charAt(at - 1)) ? 1 : 0;
      ranges.push({ name, start: at - head, end: end + tail });
    }
  }
  return ranges;
}

/** Ranges that overlap become one, under the name that begins first. */
function replaceRanges(text: string, ranges: readonly Range[]): string {
  let out = '';
  let done = 0;
  for (const { start, end, name } of ranges.toSorted((a, b) => a.start - b.start || b.end - a.end)) {
    if (start >= done) out += `${text.slice(done, start)}[secret:${name}]`;
    done = Math.max(done, end);
  }
  return out + text.slice(done);
}
