import { expect, it } from 'vitest';
import { producersOf } from './producers.ts';
import { HEADER, moduleOf, section, text, vector } from './wasm-fixture.ts';
import { concat } from './wasm-writer.ts';

/** A module with these custom sections named `producers`. */
const made = (...bodies: readonly (readonly number[])[]) =>
  concat([moduleOf(), ...bodies.map((body) => section(0, [...text('producers'), ...body]))]);
const field = (name: string, ...values: readonly (readonly [string, string])[]) => [
  ...text(name),
  ...vector(...values.map(([tool, version]) => [...text(tool), ...text(version)])),
];
const CLANG = field('processed-by', ['clang', '14.0.6']);

it.each<readonly [string, Uint8Array, readonly string[] | null]>([
  ['a tool', made(vector(CLANG)), ['clang 14.0.6']],
  ['a language without a version', made(vector(field('language', ['C99', '']), CLANG)), ['C99', 'clang 14.0.6']],
  ['the same tool twice', made(vector(CLANG, CLANG)), ['clang 14.0.6']],
  ['the first of two sections', made(vector(CLANG), vector()), ['clang 14.0.6']],
  ['a name without end', made(vector(field('sdk', ['x'.repeat(9_000), '1']))), ['x'.repeat(60)]],
  [
    'more tools than anybody reads',
    made(vector(...Array.from({ length: 40 }, (_, i) => field('sdk', ['tool', `${i}`])))),
    Array.from({ length: 8 }, (_, i) => `tool ${i}`),
  ],
  ['no section', moduleOf(), null],
  ['a section without a tool', made(vector()), null],
  ['more fields announced than are there', made([0xff, 0xff, 0xff, 0xff, 0x0f]), null],
  ['a section cut short', made(vector(CLANG).slice(0, -1)), null],
  ['no text', made([1, 1, 0xff, 0]), null],
  ['a module of nothing', HEADER, null],
])('%s', (_, wasm, expected) => expect(producersOf(wasm)).toEqual(expected));
