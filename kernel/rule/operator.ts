/**
 * What each operator of a rule means. One table, used by the engine (judge.ts) and by the explanation (explain.ts).
 *
 * Comparisons are type-safe: a value of the wrong type is neither inside nor outside, it is *not comparable*, and the
 * condition stays undecided. Texts are never ordered, numbers are never read out of text, null is comparable with
 * every scalar (so that "is null" can be asked), and nothing is converted.
 *
 * A list in an event may be 20,000 items long, and an org may ask 128,000 conditions about it. So a list is walked once,
 * by the first condition that looks at it; for every other one, what it costs hardly depends on the length. There is no
 * length from which on a list is not looked at: whoever padded one would stay unseen.
 */
import { type Address, type Block, blockHoldsAny, parseAddress, parseCidr } from '../../sdk/contract/cidr.ts';
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

/** Reads a list once for as long as it lives: facts and checked rules do not change. */
function once<T>(read: (list: readonly unknown[]) => T): (list: readonly unknown[]) => T {
  const known = new WeakMap<readonly unknown[], { readonly value: T }>();
  return (list) => {
    const found = known.get(list);
    if (found) return found.value;
    const value = read(list);
    known.set(list, { value });
    return value;
  };
}

/** Undefined when not all of it are scalars. */
const scalarsOf = once((list): ReadonlySet<unknown> | undefined => (list.every(isScalar) ? new Set(list) : undefined));
const scalarsIn = (seen: unknown): ReadonlySet<unknown> | undefined => (isList(seen) ? scalarsOf(seen) : undefined);

const among = (seen: unknown, values: unknown): boolean => isList(values) && values.includes(seen);
const has = (seen: unknown, value: unknown): boolean => scalarsIn(seen)?.has(value) === true;

const ordered = (compare: (seen: number, value: number) => boolean): Meaning => ({
  applies: isNumber,
  holds: (seen, value) => isNumber(seen) && isNumber(value) && compare(seen, value),
});

const blocksOf = once((texts) =>
  texts.map((text): Block => {
    const block = parseCidr(String(text));
    // The schema has refused it. Skipped over, it would be a hole in a deny rule; thrown, it is a fault, which denies.
    invariant(block, 'a checked rule has readable blocks');
    return block;
  }),
);

/** In order. Undefined when not all of it are addresses. */
const addressesOf = once((list): readonly Address[] | undefined => {
  const addresses: Address[] = [];
  for (const item of list) {
    const address = typeof item === 'string' ? parseAddress(item) : undefined;
    if (address === undefined) return undefined;
    addresses.push(address);
  }
  return addresses.sort();
});
/** One address or a list of addresses. */
const addressesIn = (seen: unknown): readonly Address[] | undefined => {
  if (isList(seen)) return addressesOf(seen);
  const address = typeof seen === 'string' ? parseAddress(seen) : undefined;
  return address && [address];
};

export const MEANINGS: Readonly<Record<Operator, Meaning>> = {
  equal: { applies: sameKind, holds: (seen, value) => seen === value },
  notEqual: { applies: sameKind, holds: (seen, value) => seen !== value },
  in: { applies: listsKind, holds: among },
  notIn: { applies: listsKind, holds: (seen, values) => !among(seen, values) },
  contains: { applies: (seen) => scalarsIn(seen) !== undefined, holds: has },
  doesNotContain: { applies: (seen) => scalarsIn(seen) !== undefined, holds: (seen, value) => !has(seen, value) },
  lessThan: ordered((seen, value) => seen < value),
  lessThanInclusive: ordered((seen, value) => seen <= value),
  greaterThan: ordered((seen, value) => seen > value),
  greaterThanInclusive: ordered((seen, value) => seen >= value),
  /**
   * An address, or a list of addresses of which any lies in any of the blocks. A host name or a range is not an
   * address: where it would lead is unknown, so the condition is undecided.
   */
  inCidr: {
    applies: (seen) => addressesIn(seen) !== undefined,
    holds: (seen, values) => {
      const addresses = addressesIn(seen);
      return addresses !== undefined && isList(values) && blocksOf(values).some((one) => blockHoldsAny(one, addresses));
    },
  },
};
