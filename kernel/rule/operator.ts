/**
 * What each operator of a rule means. One table, used by the engine (judge.ts) and by the explanation (explain.ts).
 *
 * Comparisons are type-safe: a value of the wrong type is neither inside nor outside, it is *not comparable*, and the
 * condition stays undecided. Texts are never ordered, numbers are never read out of text, null is comparable with
 * every scalar (so that "is null" can be asked), and nothing is converted.
 */
import { type Block, blockHolds, parseAddress, parseCidr } from '../../sdk/contract/cidr.ts';
import type { Operator } from '../../sdk/contract/rule.ts';
import { invariant } from '../base/assert.ts';

type Meaning = {
  /** Whether `seen` is of a type that this operator compares with `value`. */
  readonly applies: (seen: unknown, value: unknown) => boolean;
  /** The answer; asked only where `applies` said yes. */
  readonly holds: (seen: unknown, value: unknown) => boolean;
};

const isScalar = (value: unknown): boolean => value === null || (typeof value !== 'object' && value !== undefined);
const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value);
const isNumber = (seen: unknown): seen is number => typeof seen === 'number';

const sameKind = (seen: unknown, value: unknown): boolean =>
  isScalar(seen) && (seen === null || value === null || typeof seen === typeof value);
const listsKind = (seen: unknown, values: unknown): boolean =>
  isList(values) && values.some((value) => sameKind(seen, value));
const isListOfScalars = (seen: unknown): boolean => isList(seen) && seen.every(isScalar);

const among = (seen: unknown, values: unknown): boolean => isList(values) && values.includes(seen);
const has = (seen: unknown, value: unknown): boolean => isList(seen) && seen.includes(value);

const ordered = (compare: (seen: number, value: number) => boolean): Meaning => ({
  applies: isNumber,
  holds: (seen, value) => isNumber(seen) && isNumber(value) && compare(seen, value),
});

/** Read once for as long as the rule lives. */
const readBlocks = new WeakMap<readonly unknown[], readonly Block[]>();

function blocksOf(texts: readonly unknown[]): readonly Block[] {
  const known = readBlocks.get(texts);
  if (known) return known;
  const blocks = texts.map((text) => {
    const block = parseCidr(String(text));
    // The schema has refused it. Skipped over, it would be a hole in a deny rule; thrown, it is a fault, which denies.
    invariant(block, 'a checked rule has readable blocks');
    return block;
  });
  readBlocks.set(texts, blocks);
  return blocks;
}

/** One address or a list of addresses. */
const addressesOf = (seen: unknown): readonly unknown[] => (isList(seen) ? seen : [seen]);

export const MEANINGS: Readonly<Record<Operator, Meaning>> = {
  equal: { applies: sameKind, holds: (seen, value) => seen === value },
  notEqual: { applies: sameKind, holds: (seen, value) => seen !== value },
  in: { applies: listsKind, holds: among },
  notIn: { applies: listsKind, holds: (seen, values) => !among(seen, values) },
  contains: { applies: isListOfScalars, holds: has },
  doesNotContain: { applies: isListOfScalars, holds: (seen, value) => !has(seen, value) },
  lessThan: ordered((seen, value) => seen < value),
  lessThanInclusive: ordered((seen, value) => seen <= value),
  greaterThan: ordered((seen, value) => seen > value),
  greaterThanInclusive: ordered((seen, value) => seen >= value),
  /**
   * An address, or a list of addresses of which any lies in any of the blocks. A host name or a range is not an
   * address: where it would lead is unknown, so the condition is undecided.
   */
  inCidr: {
    applies: (seen) => addressesOf(seen).every((item) => typeof item === 'string' && parseAddress(item) !== undefined),
    holds: (seen, values) => {
      const blocks = isList(values) ? blocksOf(values) : [];
      return addressesOf(seen).some((item) => {
        const address = parseAddress(String(item));
        return address !== undefined && blocks.some((block) => blockHolds(block, address));
      });
    },
  },
};
