import { describe, expect, test } from 'vitest';
import { codeDigest, readSections } from './code-digest.ts';

const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const bytes = (...sections: readonly (readonly number[])[]) => Uint8Array.from([...HEADER, ...sections.flat()]);
const TYPE = [1, 4, 1, 0x60, 0, 0];
const MEMORY = [5, 3, 1, 0, 1];
const DATA = [11, 7, 1, 0, 0x41, 0, 0x0b, 1, 7];

test('sections with their places', () => {
  expect(readSections(bytes(TYPE, MEMORY))).toEqual([
    { id: 1, start: 8, body: 10, end: 14 },
    { id: 5, start: 14, body: 16, end: 19 },
  ]);
  expect(readSections(bytes())).toEqual([]);
});

describe('code digest', () => {
  const digest = codeDigest(bytes(TYPE));

  test('is the SHA-256 of the sections that are code', () => {
    // printf '\x01\x04\x01\x60\x00\x00' | sha256sum
    expect(digest).toBe('sha256:5f25e6a5674a70ef44d90473c43ae014a542ccb424724dfabc21c61165616744');
  });

  test.each([
    ['memory', MEMORY],
    ['data', DATA],
    ['data count', [12, 1, 1]],
    ['a custom section', [0, 2, 1, 0x61]],
  ])('is the same with another %s', (_name, section) => {
    expect(codeDigest(bytes(TYPE, section))).toBe(digest);
    expect(codeDigest(bytes(section, TYPE))).toBe(digest);
  });

  test.each([
    ['type', [1, 5, 1, 0x60, 1, 0x7f, 0]],
    ['import', [2, 1, 0]],
    ['function', [3, 1, 0]],
    ['table', [4, 1, 0]],
    ['global', [6, 1, 0]],
    ['export', [7, 1, 0]],
    ['start', [8, 1, 0]],
    ['element', [9, 1, 0]],
    ['code', [10, 1, 0]],
    ['tag', [13, 1, 0]],
    ['unknown section', [77, 0]],
  ])('is another with another %s', (_name, section) => {
    expect(codeDigest(bytes(TYPE, section))).not.toBe(digest);
  });

  test('knows order, and how a length is written', () => {
    expect(codeDigest(bytes([3, 1, 0], [4, 1, 0]))).not.toBe(codeDigest(bytes([4, 1, 0], [3, 1, 0])));
    expect(codeDigest(bytes([3, 0x81, 0x00, 0]))).not.toBe(codeDigest(bytes([3, 1, 0])));
  });
});

test.each([
  ['nothing', []],
  ['half a header', HEADER.slice(0, 6)],
  ['another format', [0x7f, 0x45, 0x4c, 0x46, 1, 0, 0, 0]],
  ['a component', [...HEADER.slice(0, 4), 0x0d, 0, 1, 0]],
  ['an id without a length', [...HEADER, 1]],
  ['a length that is cut off', [...HEADER, 1, 0x80]],
  ['a section longer than the module', [...HEADER, 1, 5, 1, 0x60, 0, 0]],
  ['a length of 2^32 - 1', [...HEADER, 1, 0xff, 0xff, 0xff, 0xff, 0x0f]],
  ['a length above 32 bits', [...HEADER, 1, 0xff, 0xff, 0xff, 0xff, 0x1f]],
  ['a length of six bytes', [...HEADER, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00]],
])('refuses %s', (_name, malformed) => {
  expect(() => codeDigest(Uint8Array.from(malformed))).toThrow(/WebAssembly|section|number/);
});
