/**
 * Takes secret values out of text that comes back from outside. Owns the list of needles that a value is looked for by;
 * `unescape.ts` and `normal-form.ts` own what is undone before.
 *
 * What it cannot see: a value that the other side encrypted, compressed, reversed, or cut in pieces with words between.
 * The grant (which host gets the value at all) is the wall; this is the net behind it.
 */
import { invariant } from '../base/assert.ts';
import { err, ok, type Result } from '../base/result.ts';
import { keepLettersAndDigits, NORMAL_FORMS, type NormalForm } from './normal-form.ts';
import { type Needle, type Search, searchFor, WINDOW } from './search.ts';
import { isAlphanumeric, type Level, levelOf, unescapeOnce } from './unescape.ts';
import { MIN_SECRET_CHARS } from './value.ts';

export type NamedSecret = { readonly name: string; readonly value: string };

/** A secret with all that it is looked for by. To find that costs more than to look for it: keep it with the secret. */
export type SoughtSecret = NamedSecret & { readonly needles: readonly Needle[] };

/**
 * Replaces every known form of every secret by `[secret:NAME]`, in steps: each looks once at the text in one form and
 * yields how many bytes it looked at, so that whoever runs it can let others have their turn.
 * @returns the text without secrets; `too_deep` when escapes are left after the last level, `too_costly` when the text is
 * made to be expensive. Either way the text must not be passed on.
 */
export type Scrubber = (text: string) => Generator<number, Result<string, ScrubFault>>;
export type ScrubFault = 'too_deep' | 'too_costly';

/** JSON inside JSON inside a URL is three; a fourth has not been seen. */
const MAX_ESCAPE_LEVELS = 4;
/** A mark has 16 bits. */
const MAX_SECRETS = 0xffff;
/** Between two characters of base64: a line break, an indentation, the marks around the strings of a list. */
const MAX_GAP = 80;

/**
 * What a secret is looked for by. Recognised in either case: the raw characters; hexadecimal; base64 and base64url
 * (RFC 4648) at each of the three alignments, so also inside a longer encoded text such as `user:value`; each of these in
 * every normal form, under up to four levels of percent-encoding, JSON or HTML escapes, in any mixture. For a value that
 * is itself base64 (Basic credentials), what it encodes is taken out as well.
 * @param secret its value is one that judgeSecretValue accepted.
 */
export function seek({ name, value }: NamedSecret): SoughtSecret {
  invariant(value.length >= MIN_SECRET_CHARS, 'a secret that is scrubbed was judged by judgeSecretValue first');
  return { name, value, needles: [value, ...derivedValues(value)].flatMap(needlesOf) };
}

/** Builds a scrubber that takes out all of these. */
export function createScrubber(secrets: readonly SoughtSecret[]): Scrubber {
  invariant(secrets.length < MAX_SECRETS, 'each secret has a mark of its own');
  // The longest last: where two secrets cover one place, the higher number names it.
  const sorted = secrets.toSorted((a, b) => a.value.length - b.value.length);
  const search = searchFor(sorted.map(({ needles }) => needles));
  const names = sorted.map(({ name }) => name);

  return function* scrub(text) {
    if (secrets.length === 0) return ok(text);
    const covered = new Uint16Array(text.length);
    let level: Level | undefined = levelOf(text);
    for (let depth = 0; level; depth++) {
      if (depth > MAX_ESCAPE_LEVELS) return err('too_deep');
      for (const form of NORMAL_FORMS) {
        if (!(yield* cover(level, form, search, covered))) return err('too_costly');
      }
      level = unescapeOnce(level);
    }
    return ok(replaceCovered(text, covered, names));
  };
}

/** Runs a scrubber to its end at once: for short text of our own. */
export function scrubAtOnce(scrub: Scrubber, text: string): Result<string, ScrubFault> {
  const steps = scrub(text);
  for (let step = steps.next(); ; step = steps.next()) if (step.done) return step.value;
}

/** Parts of a value that are as secret as the whole: the text inside Basic credentials, and the password in it. */
function derivedValues(value: string): readonly string[] {
  const decoded = /^[a-z0-9+/_-]+={0,2}$/i.test(value) ? Buffer.from(value, 'base64').toString('latin1') : '';
  const inner = /^[\x20-\x7e]+$/.test(decoded) ? decoded : '';
  const passwords = [value, inner].map((text) => text.slice(text.indexOf(':') + 1));
  return [inner, ...passwords].filter((text) => text.length >= MIN_SECRET_CHARS && text !== value);
}

function needlesOf(value: string): readonly Needle[] {
  // A form encodes a space as `+` (WHATWG URL, application/x-www-form-urlencoded).
  const plain = [value, value.replaceAll(' ', '+')].map((text) => levelOf(text).bytes);
  const hex = levelOf(Buffer.from(value).toString('hex')).bytes;
  const whole = [...plain, ...unescapedForms({ bytes: levelOf(value).bytes }), hex].map((bytes) => ({
    bytes,
    before: 0,
    after: 0,
  }));
  const encoded = [0, 1, 2].flatMap((offset) => base64Needles(Buffer.from(value), offset));
  const all = [...whole, ...encoded];
  const unique = new Map<string, Needle>();
  for (const needle of [...all, ...all.map(inLettersAndDigits)]) {
    if (needle.bytes.length >= WINDOW) unique.set(Buffer.from(needle.bytes).toString('latin1'), needle);
  }
  return [...unique.values()];
}

/** A value that itself looks escaped loses that look when one level is taken off the text around it. */
function unescapedForms(value: Level): readonly Uint8Array[] {
  const next = unescapeOnce(value);
  return next === undefined || next.bytes.length < MIN_SECRET_CHARS ? [] : [next.bytes, ...unescapedForms(next)];
}

/** Base64 of the bytes at an offset within a group of three: the characters that the bytes alone decide. */
function base64Needles(bytes: Buffer, offset: number): readonly Needle[] {
  const shifted = Buffer.concat([Buffer.alloc(offset), bytes]);
  const bits = shifted.length * 8;
  const first = offset === 0 ? 0 : offset + 1;
  return (['base64', 'base64url'] as const).map((form) => ({
    bytes: levelOf(shifted.toString(form).slice(first, Math.floor(bits / 6))).bytes,
    before: offset === 0 ? 0 : 1,
    after: bits % 6 === 0 ? 0 : 1,
  }));
}

/** Marks of base64 that are left out at either end are found again beside the match. */
function inLettersAndDigits({ bytes, before, after }: Needle): Needle {
  const isEncoded = before + after > 0;
  const first = bytes.findIndex(isAlphanumeric);
  const last = bytes.findLastIndex(isAlphanumeric);
  return {
    bytes: keepLettersAndDigits(bytes).bytes,
    before: before + (isEncoded ? first : 0),
    after: after + (isEncoded ? bytes.length - 1 - last : 0),
  };
}

/** Marks in `covered` what belongs to a secret, in steps. @returns false where that would cost too much. */
function* cover(level: Level, form: NormalForm, search: Search, covered: Uint16Array): Generator<number, boolean> {
  const { bytes, origin } = level;
  const view = form.view(bytes);
  const { at } = view;
  yield bytes.length;
  return yield* search(view.bytes, (needle, secret, start, end) => {
    const from = at ? (at[start] ?? 0) : start;
    const to = form.endOf(bytes, at ? (at[end - 1] ?? 0) : end - 1);
    const first = besideOf(bytes, from, -1, needle.before);
    const last = besideOf(bytes, to - 1, 1, needle.after) + 1;
    const stop = origin ? (origin[last] ?? 0) : last;
    const mark = secret + 1;
    for (let i = origin ? (origin[first] ?? 0) : first; i < stop; i++) {
      if ((covered[i] ?? 0) < mark) covered[i] = mark;
    }
  });
}

/** The place of the `count`th next character of base64 in one direction, as far as it is near. With it goes the padding. */
function besideOf(bytes: Uint8Array, at: number, direction: 1 | -1, count: number): number {
  let end = at;
  for (let gap = 1, left = count; left > 0 && gap <= MAX_GAP; gap++) {
    const byte = bytes[at + direction * gap];
    if (byte === undefined) break;
    if (!isAlphanumeric(byte) && !BASE64_MARKS.has(byte)) continue;
    end = at + direction * gap;
    left -= 1;
  }
  const padded = end + 2;
  while (direction === 1 && count > 0 && end < padded && bytes[end + 1] === PADDING) end += 1;
  return end;
}

const PADDING = 0x3d;
const BASE64_MARKS: ReadonlySet<number> = new Set(Buffer.from('+/-_'));

function replaceCovered(text: string, covered: Uint16Array, names: readonly string[]): string {
  let out = '';
  let done = 0;
  for (let i = 0; i < covered.length; i++) {
    const mark = covered[i] ?? 0;
    if (mark === 0) continue;
    let end = i + 1;
    while (end < covered.length && covered[end] !== 0) end += 1;
    out += `${text.slice(done, i)}[secret:${names[mark - 1]}]`;
    done = end;
    i = end;
  }
  return out + text.slice(done);
}
