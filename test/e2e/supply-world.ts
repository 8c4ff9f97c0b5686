/**
 * A kernel folder with one plugin in it that is signed, locked and trusted as a test says, and everything that must keep it
 * from being loaded.
 */
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { pluginDigest } from '../../kernel/cell/parameters.ts';
import { readConfig } from '../../kernel/config.ts';
import { startKernel } from '../../kernel/main.ts';
import { readLock } from '../../kernel/plugin-files.ts';
import { PluginManifestSchema } from '../../sdk/contract/plugin.ts';
import type { PluginsLock } from '../../sdk/contract/trust.ts';
import { makeKeyPair, signPlugin } from '../../sdk/signature/sign.ts';
import { interlock } from '../cli/run.ts';
import { copyPlugin, makeKernelFolder } from '../support/org-files.ts';

/** The key of the one signer that `trust` names by default. */
export const MINE = makeKeyPair();
/** Of a trust policy that takes what nobody signed or locked. */
export const ALL = { unsigned: 'allow', unlocked: 'allow' };

export type SupplyWorld = Awaited<ReturnType<typeof openSupplyWorld>>;

/**
 * The plugin is `http-json`, of the org acme.
 * @param imports What the command line loads first.
 */
export async function openSupplyWorld(imports: readonly string[] = []) {
  const folder = await makeKernelFolder('supply', []);
  const plugin = join(folder.path, 'http-json');
  await copyPlugin('http-json', plugin);
  const files = await makeKernelFolder('supply-org', [
    { id: 'acme', plugins: [plugin], egress: [], trust: './trust.json' },
  ]);
  await cp(files.path, folder.path, { recursive: true });
  await writeFile(folder.config, (await readFile(files.config, 'utf8')).replaceAll(files.path, folder.path));
  await files.remove();

  const wasm = join(plugin, 'dist/plugin.wasm');
  const bundle = join(plugin, 'dist/plugin.sigstore.json');
  const at = (name: string) => join(folder.path, name);
  const put = (name: string, value: unknown) => writeFile(at(name), JSON.stringify(value));
  const read = async () => ({
    wasm: new Uint8Array(await readFile(wasm)),
    manifest: v.parse(PluginManifestSchema, JSON.parse(await readFile(join(plugin, 'manifest.json'), 'utf8'))),
  });
  const locked = () => readLock(at('plugins.lock'));
  const node = imports.flatMap((file) => ['--import', file]);
  const cli = (...args: readonly string[]) => interlock(['plugin', ...args], { node });
  return {
    config: folder.config,
    plugin,
    wasm,
    bundle,
    at,
    put,
    read,
    locked,
    /** The command `interlock plugin`. */
    cli,
    trust: (more: object = {}) =>
      put('trust.json', {
        apiVersion: 'interlock/trust/v1',
        signers: [{ id: 'platform', key: MINE.publicKey }],
        ...more,
      }),
    /** Signs as `interlock plugin sign` does it. */
    async sign(key = MINE.privateKey, of?: Uint8Array, change: object = {}): Promise<void> {
      const { wasm: own, manifest } = await read();
      const signed = signPlugin({ ...manifest, ...change }, of ?? own, key);
      await writeFile(bundle, JSON.stringify(signed?.bundle));
    },
    /** Looks at it and locks it as an operator does it. */
    async lock(change: (lock: PluginsLock) => PluginsLock = (same) => same): Promise<void> {
      const ran = await cli('lock', '--config', folder.config, '--approve');
      const written = await locked();
      if (ran.code !== 0 || !written.ok) throw new Error(`it was not locked: ${ran.stderr}`);
      await put('plugins.lock', change(written.value));
    },
    /** Starts and stops a kernel. @returns what kept it from starting, or undefined. */
    async start(said: string[] = []): Promise<string | undefined> {
      const config = await readConfig(folder.config);
      const running = config.ok ? await startKernel(config.value, (line) => void said.push(line)) : config;
      if (!running.ok) return running.error;
      await running.value.stop();
      return undefined;
    },
    /** Names of what is kept of modules, which is before anything of them is compiled. */
    modules: () => readdir(join(folder.data, 'modules')).catch(() => []),
    close: folder.remove,
  };
}

/** What must keep a kernel from starting: how it comes about, and what is said. */
export type Refused = readonly [how: string, prepare: (w: SupplyWorld) => Promise<void>, says: RegExp];

export const UNTRUSTED: readonly Refused[] = [
  [
    'without a trust policy',
    async (w) => {
      const config = JSON.parse(await readFile(w.config, 'utf8'));
      await w.put('interlock.json', {
        ...config,
        orgs: config.orgs.map(({ trust: _, ...org }: { trust: string }) => org),
      });
    },
    /http-json 1\.0\.0 is not loaded: it has no signature by a signer/,
  ],
  [
    'with no signature',
    async (w) => {
      await w.trust();
      await w.lock();
    },
    /has no signature by a signer/,
  ],
  [
    'with a byte flipped after it was signed',
    async (w) => {
      await w.trust({ unlocked: 'allow' });
      await w.sign();
      const { wasm } = await w.read();
      // The last byte lies in the source map, so the module itself is as good as before.
      wasm[wasm.length - 1] = (wasm.at(-1) ?? 0) ^ 1;
      await writeFile(w.wasm, wasm);
    },
    /its signature is for another module/,
  ],
  [
    'with a byte flipped after it was locked',
    async (w) => {
      await w.trust(ALL);
      await w.lock();
      const { wasm } = await w.read();
      wasm[wasm.length - 1] = (wasm.at(-1) ?? 0) ^ 1;
      await writeFile(w.wasm, wasm);
    },
    /plugins\.lock has 1\.0\.0 with another digest or manifest/,
  ],
  [
    'with the signature of somebody else',
    async (w) => {
      await w.trust({ unlocked: 'allow' });
      await w.sign(makeKeyPair().privateKey);
    },
    /none of the signers/,
  ],
  [
    'with the valid signature of another module',
    async (w) => {
      await w.trust(ALL);
      await w.sign(MINE.privateKey, Uint8Array.of(1));
    },
    /for another module/,
  ],
  [
    'with a statement that was changed',
    async (w) => {
      await w.trust({ unlocked: 'allow' });
      await w.sign();
      const bundle = JSON.parse(await readFile(w.bundle, 'utf8'));
      const payload = Buffer.from(bundle.dsseEnvelope.payload, 'base64')
        .toString()
        .replace('"http":true', '"http":false');
      bundle.dsseEnvelope.payload = Buffer.from(payload).toString('base64');
      await writeFile(w.bundle, JSON.stringify(bundle));
    },
    /none of the signers/,
  ],
  [
    'with the signature of another manifest',
    async (w) => {
      await w.trust({ unlocked: 'allow' });
      await w.sign(MINE.privateKey, undefined, { title: 'Other' });
    },
    /for another manifest/,
  ],
  [
    'with a signer whose time is over',
    async (w) => {
      await w.trust({
        unlocked: 'allow',
        signers: [{ id: 'platform', key: MINE.publicKey, until: '2020-01-01T00:00:00Z' }],
      });
      await w.sign();
    },
    /trusted until 2020/,
  ],
];

/** What a trust policy revokes: how it comes about. The kernel starts without the plugin, and says why. */
export type Revoking = readonly [what: string, entry: (w: SupplyWorld) => Promise<object>, says: RegExp];

export const REVOKED: readonly Revoking[] = [
  [
    'its signer',
    async () => ({ signer: 'platform', reason: 'key lost' }),
    /its signer platform is revoked \(key lost\)/,
  ],
  [
    'its module, locked or not',
    async (w) => {
      await w.lock();
      const { value } = (await w.locked()) as { value: PluginsLock };
      return { digest: value.plugins[0]?.digest, reason: 'sends too much' };
    },
    /this module is revoked \(sends too much\)/,
  ],
  [
    'module and manifest, by the digest that is on record',
    async (w) => {
      const { wasm, manifest } = await w.read();
      return { digest: pluginDigest(manifest, wasm), reason: 'sends too much' };
    },
    /this module is revoked \(sends too much\)/,
  ],
];

/** Starts a kernel whose org has revoked the plugin. @returns what it said of it; undefined where it did not start. */
export async function startRevoked(w: SupplyWorld, [, entry]: Revoking): Promise<string | undefined> {
  await w.trust(ALL);
  await w.sign();
  await w.trust({ ...ALL, revoked: [await entry(w)] });
  const said: string[] = [];
  const fault = await w.start(said);
  return fault === undefined ? (said.find((line) => line.startsWith('warning: http-json')) ?? '') : undefined;
}
