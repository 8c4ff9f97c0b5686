import { cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hostileModule } from '../hostile/hostile-module.ts';
import { interlock } from './run.ts';

/** `plugin inspect`, `lock`, `keygen`, `sign` and `verify`: none asks a server, and every answer has its exit code. */
const ROOT = join(import.meta.dirname, '../..');
let root = '';
let plugin = '';
const at = (name: string) => join(root, name);
const run = (...args: readonly string[]) => interlock(['plugin', ...args]);

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'interlock-supply-'));
  plugin = at('http-json');
  await cp(join(ROOT, 'plugins/http-json'), plugin, { recursive: true });
  await rm(join(plugin, 'plugin.test.ts'), { force: true });
  expect(await run('keygen', '--out', at('platform'))).toMatchObject({ code: 0 });
  const signers = [{ id: 'platform', key: await readFile(at('platform.pub'), 'utf8') }];
  await writeFile(at('trust.json'), JSON.stringify({ apiVersion: 'interlock/trust/v1', signers }));
});
afterAll(() => rm(root, { recursive: true }));

test('a key is for its owner alone, and is never written over', async () => {
  expect((await stat(at('platform.key'))).mode & 0o777).toBe(0o600);
  const before = await readFile(at('platform.key'), 'utf8');
  const again = await run('keygen', '--out', at('platform'));
  expect(again).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('is there already') });
  expect(await readFile(at('platform.key'), 'utf8')).toBe(before);
});

test('what a plugin may do is said in sentences, and as JSON', async () => {
  const grants = join(ROOT, 'policies/egress/demo.json');
  const said = await run('inspect', plugin, '--grants', grants);
  expect(said.code).toBe(0);
  expect(said.stdout).toContain('may send GET to 127.0.0.1:8486 under /v1/reputation unencrypted');
  const json = JSON.parse((await run('inspect', plugin, '--json')).stdout);
  expect(json).toMatchObject({ name: 'http-json', signer: null, capabilities: expect.arrayContaining(['http']) });
  expect(json.may).toEqual([expect.stringMatching(/^may ask to send GET, HEAD, POST to where the egress policy/)]);
});

test('what no kernel takes is refused, and what is not there is no answer', async () => {
  await writeFile(at('catches.wasm'), await hostileModule('extism-http'));
  expect(await run('inspect', at('catches.wasm'))).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('No kernel takes it'),
  });
  await writeFile(at('echo.wasm'), await hostileModule('echo'));
  expect(await run('inspect', at('echo.wasm'))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('no manifest in it'),
  });
  expect(await run('inspect', at('nowhere'))).toMatchObject({ code: 2, stdout: '' });
  expect(await run('inspect', plugin, '--grants', at('trust.json'))).toMatchObject({ code: 2, stdout: '' });
});

test('a module whose instructions are not taken is not inspected, locked or signed', async () => {
  const folder = at('catching');
  await cp(plugin, folder, { recursive: true });
  // Admission sees no instructions: a kernel would take it, and whoever looks at it here is told.
  await writeFile(join(folder, 'dist/plugin.wasm'), await hostileModule('catch-and-spin'));
  for (const args of [
    ['inspect'],
    ['lock', '--approve', '--out', at('never.lock')],
    ['sign', '--key', at('platform.key')],
  ])
    expect(await run(...args, folder)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('its code is not taken'),
    });
});

test('it is signed and verified, and another byte or signer is not', async () => {
  expect(await run('verify', plugin, '--trust', at('trust.json'))).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('it has no signature'),
  });
  expect(await run('sign', plugin, '--key', at('platform.pub'))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('is not a private key'),
  });
  expect(await run('sign', plugin, '--key', at('platform.key'))).toMatchObject({ code: 0 });
  expect(await run('verify', plugin, '--trust', at('trust.json'))).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('signed by platform'),
  });
  expect(await run('verify', plugin)).toMatchObject({ code: 2 });

  expect(await run('keygen', '--out', at('other'))).toMatchObject({ code: 0 });
  expect(await run('sign', plugin, '--key', at('other.key'))).toMatchObject({ code: 0 });
  expect(await run('verify', plugin, '--trust', at('trust.json'))).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('none of the signers'),
  });
  expect(await run('sign', plugin, '--key', at('platform.key'))).toMatchObject({ code: 0 });
});

test('a signature that does not count is told why, and is not locked', async () => {
  const key = await readFile(at('platform.pub'), 'utf8');
  const signer = { id: 'platform', key };
  const { digest } = JSON.parse((await run('inspect', plugin, '--json')).stdout);
  const cases: readonly [string, object, string][] = [
    [
      'revoked by its digest',
      { revoked: [{ digest, reason: 'sends too much' }] },
      'module is revoked (sends too much)',
    ],
    [
      'of a revoked signer',
      { revoked: [{ signer: 'platform', reason: 'key lost' }] },
      'platform is revoked (key lost)',
    ],
    [
      'of a signer whose time is over',
      { signers: [{ ...signer, until: '2020-01-01T00:00:00Z' }] },
      'trusted until 2020',
    ],
    ['of nobody, where that is allowed', { unsigned: 'allow', signers: [] }, 'has no signature by a signer'],
  ];
  for (const [name, more, says] of cases) {
    const policy = at('other-trust.json');
    await writeFile(policy, JSON.stringify({ apiVersion: 'interlock/trust/v1', signers: [signer], ...more }));
    const verified = await run('verify', plugin, '--trust', policy, '--json');
    expect([name, verified.code, verified.stderr]).toEqual([name, 1, expect.stringContaining(says)]);
    expect(JSON.parse(verified.stdout), name).toMatchObject({ signer: null });
    const out = at(`${name}.lock`);
    expect(await run('lock', plugin, '--trust', policy, '--out', out, '--approve'), name).toMatchObject({ code: 0 });
    expect(JSON.parse(await readFile(out, 'utf8')).plugins, name).toMatchObject([{ signer: null }]);
  }
});

test('a signature is about this very module and manifest', async () => {
  const other = at('other-plugin');
  await cp(plugin, other, { recursive: true });
  const manifest = JSON.parse(await readFile(join(other, 'manifest.json'), 'utf8'));
  await writeFile(join(other, 'manifest.json'), JSON.stringify({ ...manifest, title: 'Other' }));
  const wasm = await readFile(join(other, 'dist/plugin.wasm'));
  for (const args of [
    ['inspect', other],
    ['lock', other, '--out', at('never.lock'), '--approve'],
  ])
    expect(await run(...args)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('is not the one that is sealed in'),
    });
  await cp(join(plugin, 'manifest.json'), join(other, 'manifest.json'));
  wasm[wasm.length - 1] = (wasm.at(-1) ?? 0) ^ 1;
  await writeFile(join(other, 'dist/plugin.wasm'), wasm);
  expect(await run('verify', other, '--trust', at('trust.json'))).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('its signature is for another module'),
  });
});

test('a lock is written when somebody agrees, and then it is current', async () => {
  const out = at('plugins.lock');
  const args = ['lock', plugin, '--trust', at('trust.json'), '--out', out];
  expect(await run(...args)).toMatchObject({ code: 1, stdout: expect.stringContaining('new: may ask to send POST') });
  expect(await stat(out).catch(() => 'absent')).toBe('absent');
  expect(await run(...args, '--approve')).toMatchObject({ code: 0 });
  expect(JSON.parse(await readFile(out, 'utf8')).plugins).toMatchObject([
    { name: 'http-json', signer: { key: expect.stringMatching(/^sha256:/) } },
  ]);
  expect(await run(...args)).toMatchObject({ code: 0, stderr: expect.stringContaining('is current') });
  // Without the policy nobody knows the signer any more, which is less than was locked.
  expect(await run('lock', plugin, '--out', out)).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('not signed by the signer of its entry'),
  });
  expect(await run('lock')).toMatchObject({ code: 2 });
});

test('a file that is no lock is not written over', async () => {
  const out = at('no.lock');
  for (const text of ['{', '{"apiVersion":"interlock/plugins-lock/v1","plugins":[{}]}']) {
    await writeFile(out, text);
    expect(await run('lock', plugin, '--out', out, '--approve')).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('is no lock of plugins'),
    });
    expect(await readFile(out, 'utf8')).toBe(text);
  }
});

test('the same plugin in two folders is in the lock once', async () => {
  const [copy, out] = [at('copy'), at('two.lock')];
  await cp(plugin, copy, { recursive: true });
  const args = ['lock', plugin, copy, '--out', out];
  expect(await run(...args, '--approve')).toMatchObject({ code: 0 });
  expect(JSON.parse(await readFile(out, 'utf8')).plugins).toHaveLength(1);
  expect(await run(...args)).toMatchObject({ code: 0, stderr: expect.stringContaining('is current') });
});

test('the source gives the same module, and another source another one', async () => {
  const source = join(ROOT, 'plugins/http-json');
  expect(await run('verify', source, '--rebuild')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('the source gives the same module'),
  });
  const file = join(plugin, 'plugin.ts');
  // Inside the checkout no path: the SDK is found from anywhere.
  await writeFile(file, `${await readFile(file, 'utf8')}\nexport const changed = [1, 2, 3];\nconsole.log;\n`);
  const other = await run('verify', plugin, '--rebuild');
  expect(other).toMatchObject({ code: 1, stderr: expect.stringMatching(/gives another module, sha256:/) });
});
