import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hostileModule } from '../hostile/hostile-module.ts';
import { copyPlugin } from '../support/org-files.ts';
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
  await copyPlugin('http-json', plugin);
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
  expect(await run('sign', plugin, '--key', at('no.key'))).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/no\.key does not exist\.[\s\S]*interlock plugin keygen --out NAME/),
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

test('what changed is for a person, whether it asks for more or not', async () => {
  const [dir, out] = [at('changing'), at('changing.lock')];
  await copyPlugin('edge-firewall', dir);
  const file = join(dir, 'manifest.json');
  const shipped = JSON.parse(await readFile(file, 'utf8'));
  // As one of another toolchain, whose manifest is not sealed in: the module is none of ours.
  await writeFile(join(dir, 'dist/plugin.wasm'), await hostileModule('requester'));
  const lockIt = async (change: object, ...more: readonly string[]) => {
    await writeFile(file, JSON.stringify({ ...shipped, version: '1.1.0', ...change }));
    return run('lock', dir, '--out', out, ...more);
  };
  const ban = (change: object) => ({
    actions: { ...shipped.actions, ban: { ...shipped.actions.ban, ...change } },
  });
  expect(await lockIt({}, '--approve')).toMatchObject({ code: 0 });
  const before = await readFile(out, 'utf8');
  for (const [change, says] of [
    [{ title: 'Another title' }, ' changed'],
    [{ version: '1.0.9' }, 'older: 1.0.9 instead of 1.1.0'],
    [{ version: '1.10.0' }, ' 1.10.0 sha256:'],
    [ban({ types: ['notify'] }), 'new: its action ban may be a step of type notify'],
    [ban({ plan: false }), 'new: its action ban makes no plan of what it changes'],
    [ban({ rollback: false }), 'new: its action ban cannot be undone'],
  ] as const) {
    const said = await lockIt(change);
    expect([said.code, said.stdout], said.stderr).toEqual([1, expect.stringContaining(says)]);
    expect(said.stderr).toContain('the same command with --approve');
    expect(await readFile(out, 'utf8')).toBe(before);
  }
});

test('a signature beside a module is looked at, whoever is trusted', async () => {
  const dir = at('looked-at');
  await cp(plugin, dir, { recursive: true });
  const bundle = join(dir, 'dist/plugin.sigstore.json');
  const inspect = async (...more: readonly string[]) => {
    const { code, stdout } = await run('inspect', dir, ...more);
    return [code, /^signed +(.*)$/m.exec(stdout)?.[1]];
  };
  const trust = ['--trust', at('trust.json')] as const;
  expect(await inspect()).toEqual([0, 'for this module and manifest; by whom is not asked (--trust)']);
  expect(await inspect(...trust)).toEqual([0, expect.stringMatching(/^by platform \(the key sha256:/)]);
  await run('sign', dir, '--key', at('other.key'));
  expect(await inspect(...trust)).toEqual([1, expect.stringMatching(/^not so that the policy takes it: none of the/)]);
  await writeFile(bundle, await readFile(join(plugin, 'dist/plugin.sigstore.json')));
  const module = join(dir, 'dist/plugin.wasm');
  const bytes = await readFile(module);
  // One character of the script: the module is as valid as before.
  bytes.write('_', bytes.indexOf('use strict'));
  await writeFile(module, bytes);
  expect(await inspect()).toEqual([0, 'no: the signature beside it is for another module or manifest']);
  expect(await inspect(...trust)).toEqual([1, expect.stringContaining('for another module')]);
  await writeFile(bundle, 'garbage');
  expect(await inspect()).toEqual([0, 'no: the file beside it is no signature']);
  await rm(bundle);
  expect(await inspect()).toEqual([0, 'no']);
  expect(await inspect(...trust)).toEqual([1, expect.stringContaining('no signature')]);
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

test('what has no source here is not rebuilt, and says so', async () => {
  const dir = at('without-source');
  await cp(plugin, dir, { recursive: true });
  await rm(join(dir, 'plugin.ts'));
  expect(await run('verify', dir, '--rebuild')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('there is no plugin.ts: build it by its own build'),
  });
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

test('a pipe in the place of a manifest or a lock holds up nobody, and one with a key twice is not read', async () => {
  const folder = at('piped');
  await cp(plugin, folder, { recursive: true });
  const manifest = await readFile(join(folder, 'manifest.json'), 'utf8');
  await rm(join(folder, 'manifest.json'));
  execFileSync('mkfifo', [join(folder, 'manifest.json'), at('pipe.lock')]);
  const none = { code: 2, stdout: '', stderr: expect.stringContaining('is no manifest') };
  expect(await run('inspect', folder)).toMatchObject(none);
  expect(await run('lock', plugin, '--out', at('pipe.lock'))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('is no lock of plugins'),
  });
  await rm(join(folder, 'manifest.json'));
  await writeFile(join(folder, 'manifest.json'), manifest.replace('{', '{ "version": "0.0.1",'));
  expect(await run('inspect', folder)).toMatchObject(none);
});

test('no lock is written that no kernel takes', async () => {
  const folder = at('greedy');
  await cp(plugin, folder, { recursive: true });
  const manifest = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8'));
  const secrets = Array.from({ length: 1_001 }, (_, i) => `key-${i}`);
  const sealed = { ...manifest, capabilities: { ...manifest.capabilities, secrets } };
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(sealed));
  // Of another toolchain: no manifest is sealed into it.
  await writeFile(join(folder, 'dist/plugin.wasm'), await hostileModule('echo'));
  expect(await run('lock', folder, '--approve', '--out', at('greedy.lock'))).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('no lock has room'),
  });
  await expect(readFile(at('greedy.lock'))).rejects.toThrow();
});
