import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { headOf, leafOf, ofOrg, sampleLog } from '../../sdk/verify/testlog.ts';
import { type Double, openDouble, problem, type Reply } from './double.ts';
import { interlock } from './run.ts';

/** `audit export` against a double of the API, and `audit verify` against nothing at all. */
vi.setConfig({ testTimeout: 30_000 });

let server: Double;
let root = '';
beforeAll(async () => {
  server = await openDouble();
  root = await mkdtemp(join(tmpdir(), 'interlock-audit-'));
});
afterAll(async () => {
  await server.close();
  await rm(root, { recursive: true });
});

let folders = 0;
const folder = () => join(root, `bundle-${folders++}`);

const lines = ofOrg(sampleLog(), 'acme');
const ndjson = lines.map((line) => `${line}\n`).join('');
const head = headOf(lines, 'acme');
const headers = {
  'content-type': 'application/x-ndjson',
  'interlock-audit-head': Buffer.from(JSON.stringify(head)).toString('base64url'),
};
const answer = (body: string): Reply => ({ kind: 'raw', status: 200, headers, body });
const exportTo = (out: string, ...more: readonly string[]) =>
  interlock(['audit', 'export', '--out', out, ...more], { url: server.url });
const exportRoute = 'GET /v1/orgs/acme/audit/export';
const bundle = async (dir: string) =>
  Object.fromEntries(
    await Promise.all((await readdir(dir)).map(async (name) => [name, await readFile(join(dir, name), 'utf8')])),
  );

describe('export', () => {
  test('writes what came, byte for byte, and what it writes verifies', async () => {
    server.answers({ [exportRoute]: answer(ndjson) });
    const out = join(folder(), 'made', 'on', 'the', 'way');
    const ran = await exportTo(out, '--json');
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(ran.stdout)).toEqual({ dir: out, head });
    const { 'entries.ndjson': entries, 'head.json': written = '', ...rest } = await bundle(out);
    expect(entries).toBe(ndjson);
    expect(JSON.parse(written)).toEqual(head);
    expect(rest).toEqual({});

    const verified = await interlock(['audit', 'verify', out, '--json'], { env: { INTERLOCK_TOKEN: '' } });
    expect(verified).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(verified.stdout)).toMatchObject({ verdict: 'valid', records: lines.length });
  });

  test.each<[string, Reply, number, string]>([
    ['a cut line', answer(ndjson.slice(0, -20)), 2, `${lines.length - 1} of ${lines.length} records came`],
    ['a cut connection', { kind: 'cut', headers, body: ndjson }, 2, 'connection failed'],
    ['a record too many', answer(`${ndjson}{}\n`), 2, 'cut off'],
    ['a refusal', problem(403, 'forbidden', 'No'), 1, 'No.'],
  ])('after %s there is no bundle, not even a part of one', async (_name, reply, code, text) => {
    server.answers({ [exportRoute]: reply });
    const out = folder();
    const ran = await exportTo(out);
    expect(ran).toMatchObject({ code, stdout: '' });
    expect(ran.stderr).toContain(text);
    expect(await readdir(out)).toEqual([]);
  });

  test('overwrites only when told to, and then only its own two files', async () => {
    const out = folder();
    await mkdir(out);
    await writeFile(join(out, 'head.json'), 'old');
    await writeFile(join(out, 'notes.txt'), 'mine');
    server.answers({ [exportRoute]: answer(ndjson) });
    expect(await exportTo(out)).toMatchObject({ code: 2, stdout: '' });
    expect(server.asked).toEqual([]);
    expect(await bundle(out)).toEqual({ 'head.json': 'old', 'notes.txt': 'mine' });

    expect(await exportTo(out, '--force')).toMatchObject({ code: 0 });
    expect(await bundle(out)).toMatchObject({ 'entries.ndjson': ndjson, 'notes.txt': 'mine' });
  });

  test('Ctrl-C in the middle leaves nothing behind', async () => {
    server.answers({ [exportRoute]: { kind: 'silence' } });
    const out = folder();
    const asked = server.until(exportRoute);
    const ran = await interlock(['audit', 'export', '--out', out], {
      url: server.url,
      started: (child) => void asked.then(() => child.kill('SIGINT')),
    });
    expect(ran.code).toBe(130);
    expect(await readdir(out)).toEqual([]);
  });
});

describe('verify', () => {
  const write = async (entries: string) => {
    const dir = folder();
    await mkdir(dir);
    await writeFile(join(dir, 'entries.ndjson'), entries);
    await writeFile(join(dir, 'head.json'), JSON.stringify(head));
    return dir;
  };
  const pin = (seq: number, line: number) => `${seq}:${leafOf(lines[line] ?? '')}`;
  const tampered = ndjson.replace('"outcome":"approved"', '"outcome":"rejected"');
  const at = lines.findIndex((line) => line.includes('"outcome":"approved"'));

  test.each<[string, string, readonly string[], number, readonly string[]]>([
    [
      'a whole record',
      ndjson,
      ['--head', pin(5, 5)],
      0,
      ['valid  ', `head  ${pin(lines.length - 1, lines.length - 1)}\n`],
    ],
    ['a changed record', tampered, [], 1, ['invalid  ', `TAMPERED (line ${at + 1}): record ${at} was changed`]],
    [
      'line ends that were converted',
      ndjson.replaceAll('\n', '\r\n'),
      [],
      1,
      ['it ends with CR LF: something converted'],
    ],
    ['a file that was emptied', '', [], 1, ['TRUNCATED: there are no records at all: records 0 to ']],
    ['another history than the pinned one', ndjson, ['--head', pin(5, 4)], 1, ['invalid  ', 'FORKED']],
    ['the record of another org', ndjson, ['--org', 'globex'], 1, ['FOREIGN_RECORD']],
    ['a pin that is none', ndjson, ['--head', '5'], 2, ['cannot check  ', 'BAD_PIN']],
  ])('%s', async (_name, entries, more, code, says) => {
    const ran = await interlock(['audit', 'verify', await write(entries), ...more], { env: { INTERLOCK_TOKEN: '' } });
    expect(ran).toMatchObject({ code, stderr: '' });
    for (const part of says) expect(ran.stdout).toContain(part);
  });

  test('no bundle', async () => {
    const empty = folder();
    await mkdir(empty);
    const bare = folder();
    await mkdir(bare);
    await writeFile(join(bare, 'head.json'), '');
    const rows = [
      [empty, 'MISSING: head.json is not in the bundle'],
      [bare, 'UNREADABLE: head.json is empty: export the record again'],
      [folder(), 'does not exist: name the folder that `interlock audit export --out` wrote'],
      [join(bare, 'head.json'), 'is not a folder: name the folder that'],
    ] as const;
    for (const [dir, says] of rows) {
      const ran = await interlock(['audit', 'verify', dir], { env: { INTERLOCK_TOKEN: '' } });
      expect([dir, ran.code]).toEqual([dir, 2]);
      expect(ran.stdout + ran.stderr).toContain(says);
    }
  });
});
