import { describe, expect, test } from 'vitest';
import { checkJson, parseDocument, parseJson } from './json.ts';

const BOUNDS = { depth: 3, keys: 5 };

describe('hostile text', () => {
  test.each<[string, string, unknown]>([
    ['a value within bounds', '{"a":[1,{"b":-0.5e3}]}', { ok: true, value: { a: [1, { b: -500 }] } }],
    ['a number too large to be one', '{"a":1e999}', { ok: false, error: 'not_json' }],
    ['a negative one', '[-1e999]', { ok: false, error: 'not_json' }],
    ['too deep', '[[[[1]]]]', { ok: false, error: 'too_deep' }],
    ['too many items', '[1,2,3,4,5,6]', { ok: false, error: 'too_many_keys' }],
    ['a key named __proto__', '{"__proto__":{}}', { ok: false, error: 'forbidden_key' }],
    ['half a character', '"\\ud800"', { ok: false, error: 'not_utf8' }],
    ['half a character in a key', '{"\\ud800":1}', { ok: false, error: 'not_utf8' }],
    ['half a document', '{"a":', { ok: false, error: 'not_json' }],
  ])('%s', (_, text, expected) => {
    expect(parseJson(new TextEncoder().encode(text), BOUNDS)).toEqual(expected);
  });
});

describe('a document that people review', () => {
  test.each<[string, string, unknown]>([
    ['with a key in several objects', '{"a":{"a":[{"a":1},{"a":"a"}]},"b":"a:"}', undefined],
    ['with a text that looks like a key', '{"a":"\\"b\\":1","b":["c", "c" ]}', undefined],
    ['with a key twice', '{"a":1,"b":2, "a" :3}', 'key_twice'],
    ['with one twice, written otherwise', '{"b":[{"a":{},"\\u0061":[]}]}', 'key_twice'],
    ['with one twice behind a list', '{"a":[{},[]],"a":1}', 'key_twice'],
    ['that goes deep', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, 'too_deep'],
    ['that breaks off', '{"a', 'not_json'],
  ])('%s', (_, text, fault) => {
    const parsed = parseDocument(text);
    expect(parsed.ok ? undefined : parsed.error).toBe(fault);
  });
});

describe('a value that another parser made', () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  let deep: unknown = 1;
  for (let i = 0; i < 100_000; i++) deep = [deep];

  test.each<[string, unknown, unknown]>([
    ['JSON', { a: [null, true, 'x'], b: 1 }, undefined],
    ['an object without a prototype', Object.assign(Object.create(null), { a: 1 }), undefined],
    ['as deep as allowed', [[[1]]], undefined],
    ['one deeper', [[[[]]]], 'too_deep'],
    ['100,000 deep', deep, 'too_deep'],
    ['a cycle', cycle, 'too_deep'],
    ['NaN', [Number.NaN], 'not_json'],
    ['Infinity', { a: Number.POSITIVE_INFINITY }, 'not_json'],
    ['undefined', { a: undefined }, 'not_json'],
    ['a bigint', 1n, 'not_json'],
    ['a date', new Date(0), 'not_json'],
    ['a map', new Map([['a', 1]]), 'not_json'],
    ['bytes', new Uint8Array(1), 'not_json'],
    ['an own key named __proto__', JSON.parse('{"__proto__":1}'), 'forbidden_key'],
  ])('%s', (_, value, fault) => {
    expect(checkJson(value, BOUNDS)).toBe(fault);
  });
});
