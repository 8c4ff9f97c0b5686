/**
 * What a kernel loads of plugins, through its own configuration: S1 to S3 of the suite of hostile plugins. Whatever is
 * refused is refused before anything of it is compiled, kept or put on record.
 */
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { pluginDigest } from '../../kernel/cell/parameters.ts';
import { readConfig, readOrg } from '../../kernel/config.ts';
import { startKernel } from '../../kernel/main.ts';
import { readLock } from '../../kernel/plugin-files.ts';
import { PluginManifestSchema } from '../../sdk/contract/plugin.ts';
import type { PluginsLock } from '../../sdk/contract/trust.ts';
import { makeKeyPair, signPlugin } from '../../sdk/signature/sign.ts';
import { openKeyless } from '../../sdk/signature/test-keyless.ts';
import { interlock } from '../cli/run.ts';
import { type KernelFolder, makeKernelFolder } from '../support/org-files.ts';

const ROOT = join(import.meta.dirname, '../..');
const mine = makeKeyPair();

let folder: KernelFolder;
let plugin = '';
beforeEach(async () => {
  folder = await makeKernelFolder('supply', []);
  plugin = join(folder.path, 'http-json');
  await cp(join(ROOT, 'plugins/http-json'), plugin, { recursive: true });
  const files = await makeKernelFolder('supply-org', [
    { id: 'acme', plugins: [plugin], egress: [], trust: './trust.json' },
  ]);
  await cp(files.path, folder.path, { recursive: true });
  const config = (await readFile(files.config, 'utf8')).replaceAll(files.path, folder.path);
  await writeFile(folder.config, config);
  await files.remove();
});
afterEach(() => folder.remove());

const at = (name: string) => join(folder.path, name);
const put = (name: string, value: unknown) => writeFile(at(name), JSON.stringify(value));
const trust = (more: object = {}) =>
  put('trust.json', { apiVersion: 'interlock/trust/v1', signers: [{ id: 'platform', key: mine.publicKey }], ...more });
const WASM = 'dist/plugin.wasm';
const BUNDLE = 'dist/plugin.sigstore.json';
const read = async () => {
  const wasm = new Uint8Array(await readFile(join(plugin, WASM)));
  return { wasm, manifest: JSON.parse(await readFile(join(plugin, 'manifest.json'), 'utf8')) };
};
/** Signed as `interlock plugin sign` does it. */
async function sign(key = mine.privateKey, of?: Uint8Array, change: object = {}): Promise<void> {
  const { wasm, manifest } = await read();
  const signed = signPlugin({ ...manifest, ...change }, of ?? wasm, key);
  await writeFile(join(plugin, BUNDLE), JSON.stringify(signed?.bundle));
}
/** Looked at and locked as an operator does it. */
async function lock(change: (lock: PluginsLock) => PluginsLock = (same) => same): Promise<void> {
  const ran = await interlock(['plugin', 'lock', '--config', folder.config, '--approve']);
  expect(ran).toMatchObject({ code: 0 });
  const written = await readLock(at('plugins.lock'));
  if (!written.ok) throw new Error(written.error);
  await put('plugins.lock', change(written.value));
}

/** Starts and stops; what kept it from starting, or undefined. */
async function start(said: string[] = []): Promise<string | undefined> {
  const config = await readConfig(folder.config);
  const running = config.ok ? await startKernel(config.value, (line) => said.push(line)) : config;
  if (!running.ok) return running.error;
  await running.value.stop();
  return undefined;
}
const modules = () => readdir(join(folder.data, 'modules'));

describe('a kernel starts', () => {
  test('with a plugin that is signed by a key and locked', async () => {
    await trust();
    await sign();
    await lock();
    expect(await start()).toBeUndefined();
    expect(await modules()).toHaveLength(2);
  });

  test('with a plugin that a person signed who is known by issuer and name', async () => {
    const who = { issuer: 'https://token.example', identity: 'https://git.example/acme/plugins' };
    const keyless = await openKeyless();
    await put('root.json', keyless.root);
    await trust({ signers: [{ id: 'ci', ...who, trustedRoot: 'root.json' }] });
    const { wasm, manifest } = await read();
    await writeFile(join(plugin, BUNDLE), JSON.stringify(await keyless.sign(who, manifest, wasm)));
    await lock();
    const locked = await readLock(at('plugins.lock'));
    expect(locked).toMatchObject({ value: { plugins: [{ signer: who }] } });
    expect(await start()).toBeUndefined();
  });
});

describe('a kernel starts without a plugin that is revoked, and says so:', () => {
  const all = { unsigned: 'allow', unlocked: 'allow' };
  test.each<[string, () => Promise<object>, RegExp]>([
    [
      'its signer',
      async () => ({ signer: 'platform', reason: 'key lost' }),
      /its signer platform is revoked \(key lost\)/,
    ],
    [
      'its module, locked or not',
      async () => {
        await lock();
        const { value } = (await readLock(at('plugins.lock'))) as { value: PluginsLock };
        return { digest: value.plugins[0]?.digest, reason: 'sends too much' };
      },
      /this module is revoked \(sends too much\)/,
    ],
    [
      'module and manifest, by the digest that is on record',
      async () => {
        const { wasm, manifest } = await read();
        const digest = pluginDigest(v.parse(PluginManifestSchema, manifest), wasm);
        return { digest, reason: 'sends too much' };
      },
      /this module is revoked \(sends too much\)/,
    ],
  ])('%s', async (_, entry, says) => {
    await trust(all);
    await sign();
    await trust({ ...all, revoked: [await entry()] });
    const said: string[] = [];
    expect(await start(said)).toBeUndefined();
    const told = said.find((line) => line.startsWith('warning: http-json'));
    expect(told).toMatch(/^warning: http-json 1\.0\.0 is not loaded: .*\. The org acme goes on without it/);
    expect(told).toMatch(says);
    expect(await modules()).toEqual([]);
  });

  test('a signer whose name nobody has is told, because a slip would stop nothing', async () => {
    await trust({ ...all, revoked: [{ signer: 'plattform', reason: 'key lost' }] });
    const said: string[] = [];
    expect(await start(said)).toBeUndefined();
    expect(said.join('\n')).toMatch(/\/revoked\/0\/signer: the org acme has no signer plattform now/);
  });
});

describe('a kernel does not start, and nothing is kept,', () => {
  const all = { unsigned: 'allow', unlocked: 'allow' };
  test.each<[string, () => Promise<void>, RegExp]>([
    [
      'without a trust policy',
      async () => {
        const config = JSON.parse(await readFile(folder.config, 'utf8'));
        await put('interlock.json', {
          ...config,
          orgs: config.orgs.map(({ trust: _, ...org }: { trust: string }) => org),
        });
      },
      /http-json 1\.0\.0 is not loaded: it has no signature by a signer/,
    ],
    [
      'with no signature',
      async () => {
        await trust();
        await lock();
      },
      /has no signature by a signer/,
    ],
    [
      'with a byte flipped after it was signed',
      async () => {
        await trust({ unlocked: 'allow' });
        await sign();
        const { wasm } = await read();
        // The last byte lies in the source map, so the module itself is as good as before.
        wasm[wasm.length - 1] = (wasm.at(-1) ?? 0) ^ 1;
        await writeFile(join(plugin, WASM), wasm);
      },
      /its signature is for another module/,
    ],
    [
      'with a byte flipped after it was locked',
      async () => {
        await trust(all);
        await lock();
        const { wasm } = await read();
        wasm[wasm.length - 1] = (wasm.at(-1) ?? 0) ^ 1;
        await writeFile(join(plugin, WASM), wasm);
      },
      /plugins\.lock has 1\.0\.0 with another digest or manifest/,
    ],
    [
      'with the signature of somebody else',
      async () => {
        await trust({ unlocked: 'allow' });
        await sign(makeKeyPair().privateKey);
      },
      /none of the signers/,
    ],
    [
      'with the valid signature of another module',
      async () => {
        await trust(all);
        await sign(mine.privateKey, Uint8Array.of(1));
      },
      /for another module/,
    ],
    [
      'with a statement that was changed',
      async () => {
        await trust({ unlocked: 'allow' });
        await sign();
        const bundle = JSON.parse(await readFile(join(plugin, BUNDLE), 'utf8'));
        const payload = Buffer.from(bundle.dsseEnvelope.payload, 'base64')
          .toString()
          .replace('"http":true', '"http":false');
        bundle.dsseEnvelope.payload = Buffer.from(payload).toString('base64');
        await writeFile(join(plugin, BUNDLE), JSON.stringify(bundle));
      },
      /none of the signers/,
    ],
    [
      'with the signature of another manifest',
      async () => {
        await trust({ unlocked: 'allow' });
        await sign(mine.privateKey, undefined, { title: 'Other' });
      },
      /for another manifest/,
    ],
    [
      'with a signer whose time is over',
      async () => {
        await trust({
          unlocked: 'allow',
          signers: [{ id: 'platform', key: mine.publicKey, until: '2020-01-01T00:00:00Z' }],
        });
        await sign();
      },
      /trusted until 2020/,
    ],
    [
      'with a plugin that nobody locked',
      async () => {
        await trust();
        await sign();
      },
      /plugins\.lock does not have it\n {2}new: may ask to send requests\n[\s\S]*interlock plugin lock --config FILE --approve/,
    ],
    [
      'with a plugin that asks for more than was locked',
      async () => {
        await trust(all);
        await lock((whole) => ({
          ...whole,
          plugins: whole.plugins.map((one) => ({ ...one, capabilities: ['http', 'method:GET'] })),
        }));
      },
      /asks for more than its entry in plugins\.lock\n {2}new: may ask to send HEAD\n {2}new: may ask to send POST/,
    ],
    [
      'with a lock that is none',
      async () => {
        await trust(all);
        await put('plugins.lock', { apiVersion: 'interlock/plugins-lock/v1', plugins: [{ name: 's3cret' }] });
      },
      /plugins\.lock does not have the form that docs\/plugins\.md describes/,
    ],
    [
      'with a key that is none',
      async () => {
        await trust({ signers: [{ id: 'platform', key: '-----BEGIN PUBLIC KEY-----s3cret' }] });
      },
      /\/signers\/0\/key expected a public key on the curve P-256/,
    ],
    [
      'with one key under two names, of which one is revoked',
      async () => {
        const key = mine.publicKey;
        await trust({
          unlocked: 'allow',
          signers: [
            { id: 'platform', key },
            { id: 'former', key: `${key}\n` },
          ],
          revoked: [{ signer: 'former', reason: 'key lost' }],
        });
        await sign();
      },
      /\/signers\/1\/key expected a key that no other signer has/,
    ],
    [
      'with a trusted root that is none',
      async () => {
        await put('root.json', {});
        await trust({ signers: [{ id: 'ci', issuer: 'i', identity: 'x', trustedRoot: 'root.json' }] });
      },
      /\/signers\/0\/trustedRoot expected the file of a trusted root/,
    ],
    [
      'with a file of 2 MB in the place of a signature',
      async () => {
        await trust(all);
        await sign();
        await writeFile(join(plugin, BUNDLE), `${await readFile(join(plugin, BUNDLE), 'utf8')}${' '.repeat(2 << 20)}`);
      },
      /plugin\.sigstore\.json is not a signature: sign the plugin again/,
    ],
    [
      'with a file of 100 MB in the place of a module',
      async () => {
        await trust(all);
        await writeFile(join(plugin, WASM), new Uint8Array(100 << 20));
      },
      /has 104857600 bytes; at most 8388608 are admitted/,
    ],
  ])('%s', async (_, prepare, says) => {
    await prepare();
    const fault = await start();
    expect(fault).toMatch(says);
    expect(fault).not.toContain('s3cret');
    expect(await modules().catch(() => [])).toEqual([]);
  });
});

test.each([
  [{}, ''],
  [{ unsigned: 'allow' }, 'takes plugins that nobody signed: '],
  [{ unlocked: 'allow' }, 'takes plugins that plugins.lock does not have: '],
  [{ unsigned: 'allow', unlocked: 'allow' }, 'takes plugins that nobody signed and that plugins.lock does not have: '],
])('a trust policy with %j is told at the start as what it is', async (more, tells) => {
  await trust(more);
  await sign();
  await lock();
  const said: string[] = [];
  expect(await start(said)).toBeUndefined();
  const warnings = said.filter((line) => line.includes('takes plugins'));
  expect(warnings).toEqual(
    tells === '' ? [] : [expect.stringContaining(`warning: ${at('trust.json')}: the org acme ${tells}`)],
  );
});

test('an upgrade that asks for more is shown, and not locked before somebody agrees', async () => {
  await trust({ unsigned: 'allow', unlocked: 'allow' });
  await lock((whole) => ({
    ...whole,
    plugins: whole.plugins.map((one) => ({ ...one, digest: `sha256:${'0'.repeat(64)}`, capabilities: ['http'] })),
  }));
  const before = await readFile(at('plugins.lock'), 'utf8');
  const shown = await interlock(['plugin', 'lock', '--config', folder.config]);
  expect(shown.code).toBe(1);
  expect(shown.stdout).toContain('new: may ask to send GET');
  expect(shown.stderr).toContain('nothing was written');
  expect(await readFile(at('plugins.lock'), 'utf8')).toBe(before);
  expect(await start()).toMatch(/with another digest or manifest\n {2}new: may ask to send GET/);
  expect(await interlock(['plugin', 'lock', '--config', folder.config, '--approve'])).toMatchObject({ code: 0 });
  expect(await start()).toBeUndefined();
  expect(await interlock(['plugin', 'lock', '--config', folder.config])).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('is current'),
  });
});

test('a module that can send is refused where its manifest says that it cannot', async () => {
  const { hostileModule } = await import('../hostile/hostile-module.ts');
  const { manifest } = await read();
  await mkdir(join(plugin, 'dist'), { recursive: true });
  await writeFile(join(plugin, WASM), await hostileModule('requester'));
  await trust({ unsigned: 'allow', unlocked: 'allow' });
  await writeFile(join(plugin, 'manifest.json'), JSON.stringify({ ...manifest, capabilities: { http: false } }));
  expect(await start()).toMatch(/^http-json is not admitted: its module imports interlock:host\/v1\.http/);
  await writeFile(join(plugin, 'manifest.json'), JSON.stringify(manifest));
  const config = await readConfig(folder.config);
  const [files] = config.ok ? config.value.orgs : [];
  expect(files && (await readOrg(files, new Set()))).toMatchObject({ ok: true });
});
