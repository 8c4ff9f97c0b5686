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
 * In steps: each looks at a part of the text and yields how many bytes it looked at.
 * @param found is told of every needle, also of those that overlap; of one needle each place once.
 * @returns false when the text is made to cost more than it may.
 */
export type Search = (text: Uint8Array, found: Found) => Generator<number, boolean>;
type Found = (needle: Needle, secret: number, start: number, end: number) => void;

/** Bytes of a text that are one step, at most, with as many comparisons as are due to them: some milliseconds. */
const STEP = 65_536;

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

  /** Looks from where it stands to `to`. @returns false when that is more than the budget. */
  const look = (at: Place, to: number, text: Uint8Array, budget: number, found: Found): boolean => {
    let { hash, compared } = at;
    const { ends } = at;
    const enough = compared + COMPARISONS * STEP;
    let i = at.next;
    for (; i < to && compared < enough; i++) {
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
        if (compared > budget) return false;
        if (same < needle.bytes.length) continue;
        ends[index] = start + same;
        found(needle, secret, start, start + same);
      }
    }
    at.next = i;
    at.hash = hash;
    at.compared = compared;
    return true;
  };

  return function* search(text, found) {
    const budget = COMPARISONS * text.length + SOME;
    const at: Place = { next: 0, hash: 0, compared: 0, ends: new Uint32Array(count) };
    while (at.next < text.length) {
      const { next, compared } = at;
      if (!look(at, Math.min(next + STEP, text.length), text, budget, found)) return false;
      yield at.next - next + at.compared - compared;
    }
    return true;
  };
}

/** How far a search has come. `ends`: where the last match of each needle ended. */
type Place = { next: number; hash: number; compared: number; readonly ends: Uint32Array };

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
