import fc from 'fast-check';
import { expect, it } from 'vitest';
import { openIndexTree, type Place } from './index-tree.ts';

const place: fc.Arbitrary<Place> = fc.record({
  path: fc.array(fc.constantFrom('a', 'b', '0', '__proto__', 'constructor'), { minLength: 1, maxLength: 3 }),
  value: fc.constantFrom(null, true, 1, 0, '1', ''),
});

/** The facts in which just this stands at just that place. */
const factsOf = ({ path, value }: Place): unknown =>
  path.reduceRight<unknown>((inner, token) => JSON.parse(`{${JSON.stringify(token)}:${JSON.stringify(inner)}}`), value);

const keyOf = ({ path, value }: Place) => JSON.stringify([path, value]);

it('holds what was put at a place for as long as it is there, and then nothing more', () => {
  fc.assert(
    fc.property(fc.array(place, { maxLength: 12 }), fc.array(place, { maxLength: 4 }), (places, others) => {
      const tree = openIndexTree<number>();
      for (const [item, one] of places.entries()) {
        tree.mention(one);
        tree.add(one, item);
      }
      for (const one of [...places, ...others]) {
        const items = places.flatMap((other, item) => (keyOf(other) === keyOf(one) ? [item] : []));
        expect([...tree.find(factsOf(one))]).toEqual(items);
        expect(tree.mentions(one)).toBe(items.length);
      }
      for (const [item, one] of places.entries()) {
        tree.remove(one, item);
        tree.forget(one);
        expect(tree.find(factsOf(one)).has(item)).toBe(false);
      }
      expect(tree.isEmpty()).toBe(true);
    }),
  );
});

it('finds an item that is at several places once', () => {
  const tree = openIndexTree<string>();
  for (const token of ['a', 'b']) tree.add({ path: [token], value: 1 }, 'item');
  expect([...tree.find({ a: 1, b: 1 })]).toEqual(['item']);
});
