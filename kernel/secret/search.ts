/**
 * Finds many needles in one pass over a text. Owns the bound on its work: who knows a secret can write a text that begins
 * like it at every place, and must not buy time with it.
 */
import { invariant } from '../base/assert.ts';

export type Needle = {
  /** In lower case, at least `WINDOW` bytes. */
  readonly bytes: Uint8Array;
  /** How many characters of base64 before it, and after it, hold bits of the value and go with it. */
  readonly before: number;
  readonly after: number;
};

/** Bytes by which a needle is suspected: as many as a hash of 32 bits remembers when each byte moves it by four. */
export const WINDOW = 8;
const FILTER_BITS = 16;
/** Comparisons for each byte of a text. Text that is nothing but secrets needs one for each form of a secret. */
const COMPARISONS = 8;
const SOME = 4_096;

/**
 * @param found is told of every needle, also of those that overlap; of one needle each place once.
 * @returns how many bytes were looked at, or undefined when the text is made to cost more than it may.
 */
export type Search = (
  text: Uint8Array,
  found: (needle: Needle, secret: number, start: number, end: number) => void,
) => number | undefined;

/** @param secrets the needles of each: its number is its place in this list. */
export function searchFor(secrets: readonly (readonly Needle[])[]): Search {
  const filter = new Uint8Array(1 << FILTER_BITS);
  const byHash = new Map<number, Suspect[]>();
  let count = 0;
  for (const [secret, needles] of secrets.entries())
    for (const needle of needles) {
      invariant(needle.bytes.length >= WINDOW, 'a needle is as long as the window');
      let hash = 0;
      for (let i = 0; i < WINDOW; i++) hash = roll(hash, needle.bytes[i] ?? 0);
      filter[slot(hash)] = 1;
      const suspect = { needle, secret, index: count++, shared: 0 };
      const suspects = byHash.get(hash);
      if (suspects) suspects.push(suspect);
      else byHash.set(hash, [suspect]);
    }
  for (const suspects of byHash.values()) shareBeginnings(suspects);

  return (text, found) => {
    const budget = COMPARISONS * text.length + SOME;
    /** Where the last match of each needle ended. */
    const ends = new Uint32Array(count);
    let compared = 0;
    let hash = 0;
    for (let i = 0; i < text.length; i++) {
      hash = roll(hash, text[i] ?? 0);
      if (filter[slot(hash)] === 0) continue;
      const start = i + 1 - WINDOW;
      let same = NOT_COMPARED;
      for (const { needle, secret, index, shared } of byHash.get(hash) ?? []) {
        if (start < (ends[index] ?? 0)) {
          same = NOT_COMPARED;
          continue;
        }
        const known = same === NOT_COMPARED ? 0 : Math.min(same, shared);
        // Where the text leaves the one before earlier than the two part, it leaves this one, too.
        if (same === NOT_COMPARED || same >= shared) same = commonLength(text, start, needle.bytes, known);
        compared += same - known + 1;
        if (compared > budget) return undefined;
        if (same < needle.bytes.length) continue;
        ends[index] = start + same;
        found(needle, secret, start, start + same);
      }
    }
    return text.length + compared;
  };
}

const NOT_COMPARED = -1;
/** `shared`: how many bytes it begins with as the suspect before it does. */
type Suspect = { readonly needle: Needle; readonly secret: number; readonly index: number; shared: number };

/** Puts those of one hash in order, so that each shares as much as it can with the one before it. */
function shareBeginnings(suspects: Suspect[]): void {
  if (suspects.length === 1) return;
  suspects.sort((a, b) => Buffer.compare(a.needle.bytes, b.needle.bytes));
  for (const [i, suspect] of suspects.entries()) {
    const before = suspects[i - 1]?.needle.bytes;
    if (before) suspect.shared = commonLength(before, 0, suspect.needle.bytes, 0);
  }
}

/** What was rolled in eight bytes ago has left the 32 bits. */
const roll = (hash: number, byte: number): number => ((hash << 4) + byte) | 0;
const slot = (hash: number): number => Math.imul(hash, 0x9e37_79b1) >>> (32 - FILTER_BITS);

/** How far the text at `start` is the needle. @param from so far it is known to be. */
function commonLength(text: Uint8Array, start: number, needle: Uint8Array, from: number): number {
  let same = from;
  while (same < needle.length && text[start + same] === needle[same]) same += 1;
  return same;
}
