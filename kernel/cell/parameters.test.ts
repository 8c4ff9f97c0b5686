import { describe, expect, test } from 'vitest';
import type { PluginManifest } from '../../sdk/contract/plugin.ts';
import type { Json } from '../base/json.ts';
import { contractsOf } from './parameters.ts';

/** What is said of parameters and output that do not fit: which one, and never what it holds. */
const INPUT = {
  type: 'object',
  required: ['ip'],
  additionalProperties: false,
  properties: {
    ip: { type: 'string', pattern: '^[0-9.]+$' },
    for: { anyOf: [{ type: 'null' }, { type: 'integer', maximum: 60 }] },
    tags: { type: 'array', items: { type: 'string', maxLength: 4 } },
    rule: { type: 'object', required: ['id'], properties: { id: { const: 'a' } } },
    free: { type: 'object', additionalProperties: { type: 'string' } },
  },
};
const manifest = { actions: { act: { input: INPUT, output: { const: {} } } } } as unknown as PluginManifest;
const contract = contractsOf(manifest).get('act');

describe('parameters that do not fit', () => {
  const rows: [string, Json, string | undefined][] = [
    ['fit', { ip: '192.0.2.1', for: 5, tags: ['a'], rule: { id: 'a' } }, undefined],
    ['a missing one', { tags: [] }, 'the parameter /ip is missing: the action requires it'],
    ['a missing one, further in', { ip: '1', rule: {} }, 'the parameter /rule/id is missing: the action requires it'],
    ['one too many', { ip: '1', hots: 'x' }, "the parameter /hots is not known to the action's schema: remove it"],
    ['a wrong type', { ip: 7 }, "the parameter /ip does not fit the action's schema at /properties/ip/type"],
    ['a pattern', { ip: 's3cret' }, "the parameter /ip does not fit the action's schema at /properties/ip/pattern"],
    [
      'one of several forms',
      { ip: '1', for: 90 },
      "the parameter /for does not fit the action's schema at /properties/for/anyOf",
    ],
    [
      'an item',
      { ip: '1', tags: ['a', 's3cret'] },
      "the parameter /tags/1 does not fit the action's schema at /properties/tags/items/maxLength",
    ],
    [
      'further in',
      { ip: '1', rule: { id: 's3cret' } },
      "the parameter /rule/id does not fit the action's schema at /properties/rule/properties/id/const",
    ],
    [
      'a key that came from outside',
      { ip: '1', free: { 's3cret value': 1 } },
      "the parameter /free/? does not fit the action's schema at /properties/free/additionalProperties/type",
    ],
    ['none at all', 's3cret', "the parameters do not fit the action's schema at /type"],
  ];
  test.each(rows)('%s', (_name, value, says) => {
    expect(contract?.checkInput(value)).toBe(says);
    expect(String(contract?.checkInput(value))).not.toContain('s3cret');
  });

  test('more faults than the engine hands on', () => {
    const output = { anyOf: [{ propertyNames: { anyOf: [false, false, false, false, false] } }] };
    const made = contractsOf({ actions: { act: { input: {}, output } } } as unknown as PluginManifest).get('act');
    const many = Object.fromEntries(Array.from({ length: 19_000 }, (_, i) => [`k${i}`, 0]));
    expect(made?.checkOutput(many)).toBe(
      'the output does not fit what may be checked at a time: give fewer values, or a schema of fewer parts',
    );
  });

  test('and an output', () => {
    expect(contract?.checkOutput({ a: 1 })).toBe("the output does not fit the action's schema at /const");
  });
});

describe('what costs too much', () => {
  const anyOf = Array.from({ length: 50 }, () => ({ type: 'string' }));
  const output = { type: 'array', items: { anyOf: [...anyOf, {}] } };
  const made = contractsOf({ actions: { act: { input: {}, output } } } as unknown as PluginManifest).get('act');
  const numbers = (length: number) => Array.from({ length }, (_, i) => i);

  test('is not looked at: 53 parts at 3,770 values come to 200,000 looks', () => {
    expect(made?.checkOutput(numbers(3_600))).toBe(undefined);
    expect(made?.checkOutput(numbers(3_900))).toContain('what may be checked at a time');
  });

  test('is told where the text is long', () => {
    expect(made?.checkOutput(['x'.repeat(116_000)])).toBe(undefined);
    expect(made?.checkOutput(['x'.repeat(130_000)])).toContain('what may be checked at a time');
  });

  test('is told where a key is long', () => {
    expect(made?.checkOutput([{ ['k'.repeat(100_000)]: 1 }])).toBe(undefined);
    expect(made?.checkOutput([{ ['k'.repeat(130_000)]: 1 }])).toContain('what may be checked at a time');
  });
});
