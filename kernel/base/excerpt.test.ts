import fc from 'fast-check';
import { expect, it } from 'vitest';
import { excerptOf } from './excerpt.ts';
import type { Json } from './json.ts';

it.each<[Json, number, string]>([
  ['abc', 5, '"abc"'],
  ['abcd', 5, '"abcd…'],
  [[1, 2, 3], 5, '[1,2,…'],
  [{ a: { b: [null, true] } }, 99, '{"a":{"b":[null,true]}}'],
  [{ 'a"b': 1 }, 99, '{"a\\"b":1}'],
  [Array(1_000_000).fill(7), 9, '[7,7,7,7,…'],
  ['x'.repeat(1_000_000), 3, '"xx…'],
  ['ab😀', 4, '"ab\uFFFD…'],
])('%#', (value, chars, text) => {
  expect(excerptOf(value, chars)).toBe(text);
});

it('does not look at what is cut off', () => {
  const list = new Proxy(Array<Json>(1_000).fill(7), {
    get: (target, key, receiver) => (Number(key) > 50 ? expect.unreachable() : Reflect.get(target, key, receiver)),
  });
  expect(excerptOf({ list }, 20)).toBe('{"list":[7,7,7,7,7,7…');
});

it('is the beginning of the JSON text, never longer than asked', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.integer({ min: 1, max: 60 }), (value, chars) => {
      const text = excerptOf(value as Json, chars);
      const whole = JSON.stringify(value);
      if (whole.length <= chars) expect(text).toBe(whole);
      else expect(text.length).toBe(chars + 1);
      expect(text.isWellFormed()).toBe(true);
    }),
  );
});
