import { describe, expect, test } from 'vitest';
import { readLine } from './line.ts';
import { LOG, leafOf, parse, print, writeLog } from './testlog.ts';

const [line = ''] = writeLog([
  { tenant: 'acme', kind: 'step.failed', run: 'r', step: 's', attempt: 1, outcome: 'timeout' },
]);
const record = parse(line);
const read = (text: string | Uint8Array) => readLine(text, 1, { scope: 'log', log: LOG, org: null });
const having = (change: object) => print({ ...record, ...change });
const without = (key: string) => print(Object.fromEntries(Object.entries(record).filter(([name]) => name !== key)));

test('a record is read with its leaf hash, its number and its link', () => {
  expect(read(line)).toEqual({ line: 1, leaf: leafOf(line), seq: 0, link: record.prev, record, fault: null });
});

describe('what is not written in the one strict form is refused', () => {
  const { v, ...rest } = record;
  const swapped = JSON.stringify({ v, ...rest });
  test.each([
    ['a space', line.replace(':', ': ')],
    ['a space at the end', `${line} `],
    ['a carriage return', `${line}\r`],
    ['a byte order mark', `\uFEFF${line}`],
    ['keys in another order', swapped],
    ['a key written twice', line.replace('"v":1', '"v":1,"v":1')],
    ['an escape that is not needed', line.replace('acme', '\\u0061cme')],
    ['an escaped slash', having({ ref: 'a/b' }).replace('a/b', 'a\\/b')],
    ['1.0', line.replace('"attempt":1', '"attempt":1.0')],
    ['1e0', line.replace('"attempt":1', '"attempt":1e0')],
    ['01', line.replace('"attempt":1', '"attempt":01')],
    ['-0', line.replace('"seq":0', '"seq":-0')],
    ['2^53+1', line.replace(/"time":\d+/, '"time":9007199254740993')],
    ['nothing', ''],
    ['half a record', line.slice(0, -10)],
    ['two records', line + line],
    ['a NUL', line.replace('acme', 'ac\0me')],
    ['nesting without end', '['.repeat(60_000)],
  ])('%s', (_name, text) => {
    expect(read(text).fault?.code).toBe('NON_CANONICAL');
  });
});

describe('strict JSON that is no audit record is refused', () => {
  test.each([
    ['a number', '1'],
    ['null', 'null'],
    ['a list', '[]'],
    ['an empty object', '{}'],
    ['a deep list', `${'['.repeat(1_000)}${']'.repeat(1_000)}`],
    ['an unknown field', having({ note: 'x' })],
    ['__proto__', `{"__proto__":{"v":1},${print(record).slice(1)}`],
    ['a key like a number', `{"0":1,${line.slice(1)}`],
    ['2^53', having({ time: 2 ** 53 })],
    ['a fraction', having({ seq: 0.5 })],
    ['a negative number', having({ seq: -1 })],
    ['a number as text', having({ seq: '0' })],
    ['tseq above seq', having({ tseq: 1 })],
    ['attempt 0', having({ attempt: 0 })],
    ['version 0', having({ v: 0 })],
    ['a missing actor', without('actor')],
    ['a missing version', without('v')],
    ['an actor of no known sort', having({ actor: 'ann' })],
    ['an actor without a name', having({ actor: 'principal:' })],
    ['an actor that is too long', having({ actor: `principal:${'x'.repeat(320)}` })],
    ['a letter and an accent in two characters', having({ actor: 'principal:a\u0308nn' })],
    ['a bidi control', having({ actor: 'principal:ann\u202Eadmin' })],
    ['a zero-width space', having({ ref: 'a\u200Bb' })],
    ['a space in a name', having({ ref: 'a b' })],
    ['half a character', having({ ref: '\uD800' })],
    ['a control character', having({ ref: 'a\u0007' })],
    ['an org of another form', having({ tenant: 'Acme' })],
    ['an org that only looks like it', having({ tenant: 'а\u0441me' })],
    ['a kind of another form', having({ kind: 'Step Failed' })],
    ['a sentence as outcome', having({ outcome: 'It timed out.' })],
    ['an act that is no digest', having({ act: 'sha256:12' })],
    ['a short nonce', having({ nonce: 'AAAA' })],
    ['a nonce with loose bits', having({ nonce: `${'A'.repeat(21)}B==` })],
    ['a link that is no hash', having({ prev: 'x' })],
    ['a list in place of text', having({ ref: ['x'] })],
    ['a kind without what it needs', without('step')],
  ])('%s', (_name, text) => {
    expect(read(text).fault?.code).toBe('SCHEMA');
  });
});

test.each<[string, string | Uint8Array, string]>([
  ['a record of another log', having({ log: 'k2' }), 'FOREIGN_RECORD'],
  ['a later version, whatever fields it has', having({ v: 2, zone: 'x' }), 'UNKNOWN_VERSION'],
  ['a byte that is never UTF-8', Buffer.from(line.replace('acme', 'ac\xFFme'), 'latin1'), 'INVALID_UTF8'],
  ['an overlong form', Buffer.concat([Buffer.from(line), Buffer.from([0xc0, 0xaf])]), 'INVALID_UTF8'],
  ['a line of 65,536 bytes', 'x'.repeat(65_536), 'LIMIT'],
  ['a line of 65,537 bytes in fewer characters', 'ä'.repeat(32_769), 'LIMIT'],
  ['bytes that are too long to be decoded', new Uint8Array(65_536), 'LIMIT'],
])('%s is %s', (_name, text, code) => {
  expect(read(text).fault?.code).toBe(code);
});

test('a name may need an escape', () => {
  expect(read(having({ ref: 'a"b\\c' })).fault).toBeNull();
});

test('in an export of one org, the record of another is foreign', () => {
  expect(readLine(line, 1, { scope: 'org', log: LOG, org: 'globex' }).fault?.code).toBe('FOREIGN_RECORD');
  expect(readLine(line, 1, { scope: 'org', log: LOG, org: 'acme' }).fault).toBeNull();
});
