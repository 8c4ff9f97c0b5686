import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BundleOptions, verifyBundle } from './bundle.ts';
import { readLines } from './lines.ts';
import { headOf, leafOf, ofOrg, parse, print, sampleLog, writeLog } from './testlog.ts';

let root = '';
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'audit-bundle-'));
});
afterAll(() => rm(root, { recursive: true }));

const whole = sampleLog();
const text = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

/** A bundle with these files, as given. */
async function bundle(files: {
  readonly entries?: string | Uint8Array;
  readonly head?: string | object;
}): Promise<string> {
  const dir = join(root, `b${count++}`);
  await mkdir(dir);
  if (files.entries !== undefined) await writeFile(join(dir, 'entries.ndjson'), files.entries);
  const { head } = files;
  if (head !== undefined)
    await writeFile(join(dir, 'head.json'), typeof head === 'string' ? head : JSON.stringify(head));
  return dir;
}

const verify = async (
  entries: string | Uint8Array,
  head: string | object = headOf(whole),
  options: BundleOptions = {},
) => verifyBundle(await bundle({ entries, head }), options);

describe('valid', () => {
  test('a whole log', async () => {
    expect(await verify(text(whole))).toMatchObject({
      verdict: 'valid',
      records: 40,
      first: 0,
      last: 39,
      findings: [],
    });
  });

  test("one org's export", async () => {
    const acme = ofOrg(whole, 'acme');
    const verdict = await verify(text(acme), headOf(acme, 'acme'));
    expect(verdict).toMatchObject({ verdict: 'valid', records: 23, first: 1, head: `22:${leafOf(acme[22] ?? '')}` });
    expect(verdict.statement).toContain('Nothing is said about other orgs');
  });

  test('an empty export', async () => {
    expect(await verify('', headOf([]))).toMatchObject({ verdict: 'valid', records: 0, first: null, head: null });
  });

  test('more lines than one read holds, of every length', async () => {
    const long = writeLog(
      Array.from({ length: 2_500 }, (_, k) => ({
        tenant: 'acme',
        kind: 'incident.updated' as const,
        ref: `${k % 7 === 0 ? 'ä' : 'x'}`.repeat(1 + (k % 500)),
      })),
    );
    expect(text(long).length).toBeGreaterThan(1_000_000);
    expect(await verify(text(long), headOf(long))).toMatchObject({ verdict: 'valid', records: 2_500 });
  });

  test('the head of a verdict is the pin of the next', async () => {
    const { head } = await verify(text(whole.slice(0, 20)), headOf(whole.slice(0, 20)));
    expect(await verify(text(whole), undefined, { pinnedHead: head ?? '' })).toMatchObject({ verdict: 'valid' });
  });
});

describe('invalid', () => {
  const entries = text(whole);
  const at = (k: number): string => whole[k] ?? '';
  const bytes = Buffer.from(entries);
  const inLine5 = text(whole.slice(0, 5)).length + 20;

  test.each<[string, string | Uint8Array, string, number | null]>([
    ['a byte order mark', `\uFEFF${entries}`, 'NON_CANONICAL', 0],
    ['CR LF in one line', entries.replace(`${at(5)}\n`, `${at(5)}\r\n`), 'NON_CANONICAL', 5],
    ['CR LF in every line', entries.replaceAll('\n', '\r\n'), 'NON_CANONICAL', 0],
    ['a blank line', entries.replace(`${at(5)}\n`, `${at(5)}\n\n`), 'NON_CANONICAL', 6],
    ['a blank line at the end', `${entries}\n`, 'NON_CANONICAL', 40],
    [
      'a byte that is no UTF-8',
      Buffer.concat([bytes.subarray(0, inLine5), Buffer.from([0xff]), bytes.subarray(inLine5)]),
      'INVALID_UTF8',
      5,
    ],
    ['a __proto__ field', entries.replace(at(5), `{"__proto__":{"v":1},${at(5).slice(1)}`), 'SCHEMA', 5],
    ['a line of 65,536 bytes', entries.replace(at(5), 'x'.repeat(65_536)), 'LIMIT', 5],
    ['an emptied file', '', 'TRUNCATED', 0],
    ['a cut between two records', text(whole.slice(0, 30)), 'TRUNCATED', 30],
    ['nothing', '', 'TRUNCATED', 0],
  ])('%s', async (_name, content, code, seq) => {
    expect(await verify(content)).toMatchObject({ verdict: 'invalid', found: 1, findings: [{ code, seq }] });
  });

  test.each([1, 2, 200])('a cut %i bytes before the end', async (cut) => {
    const verdict = await verify(bytes.subarray(0, bytes.length - cut));
    expect(verdict).toMatchObject({
      verdict: 'invalid',
      records: 39,
      findings: [{ code: 'TRUNCATED', seq: 39 }, { code: 'TRUNCATED' }],
    });
  });

  test('a pin from elsewhere: rolled back, forked', async () => {
    const short = whole.slice(0, 30);
    const pinnedHead = `35:${leafOf(at(35))}`;
    expect(await verify(text(short), headOf(short), { pinnedHead })).toMatchObject({
      verdict: 'invalid',
      findings: [{ code: 'ROLLED_BACK', seq: 35 }],
    });
    expect(await verify(entries, undefined, { pinnedHead: `35:${leafOf(at(34))}` })).toMatchObject({
      verdict: 'invalid',
      findings: [{ code: 'FORKED', seq: 35 }],
    });
  });

  test('a bundle of another log or org than was asked for', async () => {
    for (const options of [{ log: 'k2' }, { org: 'acme' }]) {
      expect(await verify(entries, undefined, options)).toMatchObject({
        verdict: 'invalid',
        findings: [{ code: 'FOREIGN_RECORD' }],
      });
    }
    expect((await verify(entries, undefined, { log: 'k1' })).verdict).toBe('valid');
  });

  test('a head that contradicts the records or itself', async () => {
    const head = headOf(whole);
    for (const wrong of [{ records: 41 }, { records: 39 }, { records: 0, seq: null, leaf: headOf([]).leaf }]) {
      expect((await verify(entries, { ...head, ...wrong })).verdict).toBe('invalid');
    }
    const { findings } = await verify(entries, { ...head, seq: 38 });
    expect(findings).toMatchObject([{ code: 'HEAD_MISMATCH' }]);
  });

  test("an org's export under the name of another", async () => {
    const acme = ofOrg(whole, 'acme');
    const verdict = await verify(text(acme), headOf(acme, 'globex'));
    expect(verdict).toMatchObject({ verdict: 'invalid', found: 1, findings: [{ code: 'FOREIGN_RECORD', seq: 0 }] });
  });
});

describe('cannot check', () => {
  const entries = text(whole);
  const head = headOf(whole);

  test.each<[string, { entries?: string; head?: string | object }, string]>([
    ['no head.json', { entries }, 'MISSING'],
    ['no entries.ndjson', { head }, 'MISSING'],
    ['a head of a later format', { entries, head: { ...head, format: 'interlock/audit-head/v2' } }, 'UNKNOWN_VERSION'],
    ['a head that is not JSON', { entries, head: '{' }, 'UNREADABLE'],
    ['a head that is a list', { entries, head: '[]' }, 'UNREADABLE'],
    ['a head with a field too many', { entries, head: { ...head, note: '' } }, 'UNREADABLE'],
    ['a head of no known scope', { entries, head: { ...head, scope: 'all' } }, 'UNREADABLE'],
    ['a log head with an org', { entries, head: { ...head, org: 'acme' } }, 'UNREADABLE'],
    ['an org head without org', { entries, head: { ...head, scope: 'org' } }, 'UNREADABLE'],
    ['a head without leaf', { entries, head: { ...head, leaf: '' } }, 'UNREADABLE'],
    ['a head with a long tail', { entries, head: `${JSON.stringify(head)}${' '.repeat(5_000)}` }, 'UNREADABLE'],
    ['a head that is huge', { entries, head: { ...head, exportedAt: 'x'.repeat(5_000) } }, 'UNREADABLE'],
  ])('%s', async (_name, files, code) => {
    const verdict = await verifyBundle(await bundle(files));
    expect(verdict).toMatchObject({ verdict: 'cannot_check', findings: [{ code }], statement: 'Nothing was judged.' });
  });

  test('a pipe in the place of a file is not waited for', async () => {
    const dir = await bundle({ head });
    execFileSync('mkfifo', [join(dir, 'entries.ndjson')]);
    expect(await verifyBundle(dir)).toMatchObject({ verdict: 'cannot_check', findings: [{ code: 'UNREADABLE' }] });
  });

  test('a folder in the place of a file, or no folder at all', async () => {
    const dir = await bundle({ head });
    await mkdir(join(dir, 'entries.ndjson'));
    expect(await verifyBundle(dir)).toMatchObject({ verdict: 'cannot_check', findings: [{ code: 'UNREADABLE' }] });
    expect(await verifyBundle(join(root, 'none'))).toMatchObject({
      verdict: 'cannot_check',
      findings: [{ code: 'MISSING' }],
    });
  });

  test.each([
    '',
    '35',
    '35:',
    ':x',
    '035:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',
    '35:AAAA',
    '9007199254740993:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',
  ])('a pin written as "%s"', async (pinnedHead) => {
    const verdict = await verify(entries, undefined, { pinnedHead });
    expect(verdict).toMatchObject({ verdict: 'cannot_check', findings: [{ code: 'BAD_PIN' }] });
  });
});

test('every bit of head.json, flipped: never an exception, and valid only where nothing is checked', async () => {
  const dir = await bundle({ entries: text(whole) });
  const json = Buffer.from(JSON.stringify(headOf(whole)));
  const unchecked = json.indexOf('2026-');
  const valid: number[] = [];
  for (let bit = 0; bit < json.length * 8; bit++) {
    const bytes = Buffer.from(json);
    bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    await writeFile(join(dir, 'head.json'), bytes);
    const { verdict } = await verifyBundle(dir);
    if (verdict === 'valid' && (bit >> 3 < unchecked || bit >> 3 >= json.length - 2)) valid.push(bit);
  }
  expect(valid).toEqual([]);
});

test('one line of 100 MB is passed over: one finding, in one buffer', async () => {
  const dir = await bundle({ entries: text(whole.slice(0, 20)), head: headOf(whole) });
  const path = join(dir, 'entries.ndjson');
  await using file = await open(path, 'r+');
  const size = (await file.stat()).size;
  // A hole in the file: zeros that are not stored.
  await file.write(`\n${text(whole.slice(21))}`, size + 100_000_000);
  const longest: number[] = [];
  await readLines(path, (line) => longest.push(line.length));
  expect(Math.max(...longest)).toBe(65_536);
  expect(longest.length).toBe(40);
  expect(await verifyBundle(dir)).toMatchObject({
    verdict: 'invalid',
    found: 1,
    findings: [{ code: 'LIMIT', seq: 20, line: 21 }],
  });
});

test('a line without end at the end of the file', async () => {
  const dir = await bundle({ entries: text(whole), head: headOf(whole) });
  await using file = await open(join(dir, 'entries.ndjson'), 'r+');
  await file.truncate((await file.stat()).size + 1_000_000);
  expect((await verifyBundle(dir)).findings.map(({ code }) => code)).toEqual(['LIMIT', 'TRUNCATED']);
});

test('the verdict tells the scope and never the content of a record', async () => {
  const secret = 'principal:canary-4711';
  const lines = whole.with(7, print({ ...parse(whole[7] ?? ''), actor: secret }));
  const verdict = JSON.stringify(await verify(text(lines)));
  expect(verdict).toContain('record 7 was changed');
  expect(verdict).not.toContain('canary');
});
