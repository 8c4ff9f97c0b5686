import { expect, test } from 'vitest';
import { breaksOf } from './compatible.ts';

/** What may change in a schema that is published, and what may not, from both sides. */
const object = (properties: object, required: readonly string[] = Object.keys(properties), more: object = {}) => ({
  type: 'object',
  properties,
  required,
  ...more,
});
const text = { type: 'string' };
const nullable = (of: object) => ({ anyOf: [of, { type: 'null' }] });
const words = (...of: string[]) => ({ enum: of, type: 'string' });
const closed = { additionalProperties: false };

test.each<[string, object, object, given: string[], taken: string[]]>([
  ['nothing', object({ a: text }), object({ a: text }), [], []],
  ['other remarks', { ...text, description: 'one' }, { ...text, description: 'two', default: 'x' }, [], []],
  ['a new field', object({ a: text }), object({ a: text, b: text }), [], ['/b: not always there']],
  ['a new field that need not be', object({ a: text }), object({ a: text, b: text }, ['a']), [], []],
  ['a field is gone', object({ a: text, b: text }), object({ a: text }), ['/b: not always there', '/b: gone'], []],
  ['a field that need not be is gone', object({ a: text }, []), object({}), ['/a: gone'], []],
  ['a field need not be any more', object({ a: text }), object({ a: text }, []), ['/a: not always there'], []],
  ['another type', text, { type: 'integer' }, ['/: integer, no longer string'], ['/: string, no longer integer']],
  ['whole numbers only', { type: 'number' }, { type: 'integer' }, [], ['/: number, no longer integer']],
  ['may be null now', text, nullable(text), ['/: null, no longer string'], []],
  ['is never null now', nullable(text), text, [], ['/: null, no longer string']],
  ['one word more', words('a'), words('a', 'b'), ['/: b was not possible'], []],
  ['one word less', words('a', 'b'), words('a'), [], ['/: b was not possible']],
  ['a word for any text', text, words('a'), [], ['/: any other value was not possible']],
  ['longer', { ...text, maxLength: 5 }, { ...text, maxLength: 9 }, ['/: maxLength is 9, was 5'], []],
  ['no bound any more', { ...text, minLength: 1 }, text, ['/: minLength is undefined, was 1'], []],
  [
    'another form',
    { ...text, pattern: '^a' },
    { ...text, pattern: '^b' },
    ['/: not always of the form ^a'],
    [expect.anything()],
  ],
  [
    'one form more',
    { ...text, pattern: '^a' },
    { ...text, pattern: '^a', allOf: [{ pattern: 'b$' }] },
    [],
    [expect.anything()],
  ],
  ['no instant any more', { ...text, format: 'date-time' }, text, ['/: not always a date-time'], []],
  ['a closed one opens', object({}, [], closed), object({}, []), ['/: may have other fields'], []],
  ['a closed one gets a field', object({}, [], closed), object({ a: text }, [], closed), ['/a: was not possible'], []],
  [
    'in a list',
    { type: 'array', items: text },
    { type: 'array', items: nullable(text) },
    ['/*: null, no longer string'],
    [],
  ],
  [
    'in a map',
    { additionalProperties: text },
    { additionalProperties: nullable(text) },
    ['/*: null, no longer string'],
    [],
  ],
  [
    'a word that it does not know',
    text,
    { not: text },
    [expect.stringContaining('teach it')],
    [expect.stringContaining('teach it')],
  ],
])('%s', (_, before, after, given, taken) => {
  expect(breaksOf(before, after, 'given')).toEqual(given);
  expect(breaksOf(before, after, 'taken')).toEqual(taken);
});

test('what refers to itself comes to an end, and is looked into', () => {
  const tree = (leaf: object) => ({
    $ref: '#/$defs/T',
    $defs: { T: object({ leaf, below: { type: 'array', items: { $ref: '#/$defs/T' } } }) },
  });
  expect(breaksOf(tree(text), tree(text), 'given')).toEqual([]);
  expect(breaksOf(tree(text), tree({ type: 'boolean' }), 'given')).toEqual(['/leaf: boolean, no longer string']);
});
