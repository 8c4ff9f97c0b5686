import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { faultOfSchema, partsOf, valuesIn } from './parameter-schema.ts';
import { PluginManifestSchema } from './plugin.ts';

/** What of JSON Schema a manifest may use: nothing by which its author could hold up the kernel. */

const doubled = (level: number): object => (level === 0 ? {} : { allOf: [doubled(level - 1), doubled(level - 1)] });
const deep = (levels: number): object => (levels === 0 ? {} : { items: deep(levels - 1) });

describe('a schema is refused', () => {
  it.each([
    ['that refers to itself', { $ref: '#' }, '/$ref'],
    ['with definitions', { $defs: { a: {} } }, '/$defs'],
    ['that compares all with all', { items: { uniqueItems: true } }, '/items/uniqueItems'],
    ['with patterns of keys', { patternProperties: { a: {} } }, '/patternProperties'],
    ['with an expensive pattern', { properties: { 'a/b': { pattern: '^(a+)+$' } } }, '/properties/a~1b/pattern'],
    ['with one in a branch', { anyOf: [{}, { not: { pattern: 'a' } }] }, '/anyOf/1/not/pattern'],
    ['with a format that is not known', { format: 'uri-template' }, '/format'],
    ['with a list where a schema stands', { items: [{}] }, '/items'],
    ['without a list where one stands', { allOf: {} }, '/allOf'],
    ['with a list of more types than there are', { items: { type: Array(8).fill('string') } }, '/items/type'],
    ['with a type that is none', { type: ['string', 'text'] }, '/type'],
    ['with a bound that is no number', { maxItems: '9' }, '/maxItems'],
    [
      'with an object as a word for people',
      { properties: { a: { examples: { $ref: 'http://[' } } } },
      '/properties/a/examples',
    ],
    ['with a name that is no Unicode', { properties: { '\ud800': {} } }, '/properties'],
    ['that goes too deep', deep(33), '/items'.repeat(33)],
  ])('%s', (_, schema, pointer) => expect(faultOfSchema(schema)).toMatchObject({ pointer }));

  it('with its manifest, in words', () => {
    const action = { title: 'x', effect: 'read', input: {}, output: { properties: { sécret: { $ref: '#' } } } };
    const manifest = {
      apiVersion: 'interlock/plugin/v1',
      name: 'x',
      version: '1.0.0',
      title: 'x',
      capabilities: { http: true },
      actions: { a: action },
    };
    const messages = v.safeParse(PluginManifestSchema, manifest).issues?.map(({ message }) => message);
    expect(messages).toEqual([
      expect.stringMatching(
        /^what is admitted of JSON Schema: its \/properties\/\?\/\$ref is not admitted; known are: type,/,
      ),
    ]);
  });
});

it('the parts of a schema are counted, each as often as it may look', () => {
  expect(partsOf({})).toBe(1);
  expect(partsOf(doubled(5))).toBe(63);
  expect(partsOf({ enum: ['a', { b: 1 }], properties: { required: { required: ['x', 'y'] } } })).toBe(1 + 4 + 1 + 3);
});

it('values are counted, a long text or a long key as several', () => {
  expect(valuesIn([1, [null]])).toBe(4);
  expect(valuesIn('x'.repeat(64))).toBe(3);
  expect(valuesIn({ ['k'.repeat(64)]: 1 })).toBe(4);
});
