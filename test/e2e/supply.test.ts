/**
 * What a kernel loads of plugins, through its own configuration: S1 to S3 of the suite of hostile plugins. Whatever is
 * refused is refused before anything of it is compiled, kept or put on record.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { OrgId } from '../../kernel/base/id.ts';
import { readConfig, readOrg } from '../../kernel/config.ts';
import { startKernel } from '../../kernel/main.ts';
import { openKeyless } from '../../sdk/signature/test-keyless.ts';
import { hostileModule } from '../hostile/hostile-module.ts';
import { copyPlugin } from '../support/org-files.ts';
import {
  ALL,
  MINE,
  openSupplyWorld,
  REVOKED,
  type Refused,
  type SupplyWorld,
  startRevoked,
  UNTRUSTED,
} from './supply-world.ts';

let w: SupplyWorld;
beforeEach(async () => {
  w = await openSupplyWorld();
});
afterEach(() => w.close());

const UNFIT: readonly Refused[] = [
  [
    'with a plugin that nobody locked',
    async (w) => {
      await w.trust();
      await w.sign();
    },
    /plugins\.lock does not have it\n {2}new: may ask to send requests\n[\s\S]*interlock plugin lock --config FILE --approve/,
  ],
  [
    'with a plugin that asks for more than was locked',
    async (w) => {
      await w.trust(ALL);
      await w.lock((whole) => ({
        ...whole,
        plugins: whole.plugins.map((one) => ({ ...one, capabilities: ['http', 'method:GET'] })),
      }));
    },
    /asks for more than its entry in plugins\.lock\n {2}new: may ask to send HEAD\n {2}new: may ask to send POST/,
  ],
  [
    'with a lock that is none',
    async (w) => {
      await w.trust(ALL);
      await w.put('plugins.lock', { apiVersion: 'interlock/plugins-lock/v1', plugins: [{ name: 's3cret' }] });
    },
    /plugins\.lock does not have the form that docs\/plugins\.md describes/,
  ],
  [
    'with a key that is none',
    async (w) => {
      await w.trust({ signers: [{ id: 'platform', key: '-----BEGIN PUBLIC KEY-----s3cret' }] });
    },
    /\/signers\/0\/key expected a public key on the curve P-256/,
  ],
  [
    'with one key under two names, of which one is revoked',
    async (w) => {
      const key = MINE.publicKey;
      await w.trust({
        unlocked: 'allow',
        signers: [
          { id: 'platform', key },
          { id: 'former', key: `${key}\n` },
        ],
        revoked: [{ signer: 'former', reason: 'key lost' }],
      });
      await w.sign();
    },
    /\/signers\/1\/key expected a key that no other signer has/,
  ],
  [
    'with one identity under two names, of which one is revoked',
    async (w) => {
      const keyless = await openKeyless();
      await w.put('root.json', keyless.root);
      const who = { issuer: 'https://token.example', identity: 'https://git.example/acme/plugins' };
      await w.trust({
        unlocked: 'allow',
        signers: ['ci', 'former'].map((id) => ({ id, ...who, trustedRoot: 'root.json' })),
        revoked: [{ signer: 'former', reason: 'taken over' }],
      });
      const { wasm, manifest } = await w.read();
      await writeFile(w.bundle, JSON.stringify(await keyless.sign(who, manifest, wasm)));
    },
    /\/signers\/1\/identity expected an identity that no other signer has/,
  ],
  [
    'with a file of 2 MB in the place of a signature',
    async (w) => {
      await w.trust(ALL);
      await w.sign();
      await writeFile(w.bundle, `${await readFile(w.bundle, 'utf8')}${' '.repeat(2 << 20)}`);
    },
    /plugin\.sigstore\.json is not a signature: sign the plugin again/,
  ],
  [
    'with a trusted root that is none',
    async (w) => {
      await w.put('root.json', {});
      await w.trust({ signers: [{ id: 'ci', issuer: 'i', identity: 'x', trustedRoot: 'root.json' }] });
    },
    /\/signers\/0\/trustedRoot expected the file of a trusted root/,
  ],
  [
    'with a file of 100 MB in the place of a module',
    async (w) => {
      await w.trust(ALL);
      await writeFile(w.wasm, new Uint8Array(100 << 20));
    },
    /has 104857600 bytes; at most 8388608 are admitted/,
  ],
];

test('a plugin is copied without the signature that somebody left beside it', async () => {
  await w.sign();
  await copyPlugin(w.plugin, w.at('copy'));
  expect((await readdir(w.at('copy/dist'))).sort()).toEqual(['plugin.json', 'plugin.wasm']);
  expect((await readdir(w.at('copy'))).sort()).toEqual((await readdir(w.plugin)).sort());
});

describe('a kernel starts', () => {
  test('with a plugin that is signed by a key and locked', async () => {
    await w.trust();
    await w.sign();
    await w.lock();
    expect(await w.start()).toBeUndefined();
    expect(await w.modules()).toHaveLength(2);
  });

  test('with a plugin that a person signed who is known by issuer and name', async () => {
    const who = { issuer: 'https://token.example', identity: 'https://git.example/acme/plugins' };
    const keyless = await openKeyless();
    await w.put('root.json', keyless.root);
    await w.trust({ signers: [{ id: 'ci', ...who, trustedRoot: 'root.json' }] });
    const { wasm, manifest } = await w.read();
    await writeFile(w.bundle, JSON.stringify(await keyless.sign(who, manifest, wasm)));
    await w.lock();
    const locked = await w.locked();
    expect(locked).toMatchObject({ value: { plugins: [{ signer: who }] } });
    expect(await w.start()).toBeUndefined();
  });
});

describe('a kernel starts without a plugin that is revoked, and says so:', () => {
  test.each(REVOKED)('%s', async (...revoking) => {
    const said = await startRevoked(w, revoking);
    expect(said).toMatch(/^warning: http-json 1\.0\.0 is not loaded: .*\. The org acme goes on without it/);
    expect(said).toMatch(revoking[2]);
    expect(await w.modules()).toEqual([]);
  });

  test.each([
    ['that is no signer any more', { signers: [] }, async () => {}],
    ['whose signature was taken away', {}, async (): Promise<void> => rm(w.bundle)],
  ])('its signer, %s, where the org takes what nobody signed', async (_, change, prepare) => {
    await w.trust(ALL);
    await w.sign();
    expect(await w.start()).toBeUndefined();
    await w.trust({ ...ALL, revoked: [{ signer: 'platform', reason: 'key lost' }], ...change });
    await prepare();
    const config = await readConfig(w.config);
    const running = config.ok ? await startKernel(config.value) : config;
    if (!running.ok) throw new Error(running.error);
    const plugins = running.value.kernel.plugins('acme' as OrgId);
    await running.value.stop();
    expect(plugins).toEqual([]);
  });

  test('a signer whose name nobody has is told, because a slip would stop nothing', async () => {
    await w.trust({ ...ALL, revoked: [{ signer: 'plattform', reason: 'key lost' }] });
    const said: string[] = [];
    expect(await w.start(said)).toBeUndefined();
    expect(said.join('\n')).toMatch(/\/revoked\/0\/signer: the org acme has no signer plattform now/);
  });
});

describe('a kernel does not start, and nothing is kept,', () => {
  test.each<Refused>([...UNTRUSTED, ...UNFIT])('%s', async (_, prepare, says) => {
    await prepare(w);
    const fault = await w.start();
    expect(fault).toMatch(says);
    expect(fault).not.toContain('s3cret');
    expect(await w.modules()).toEqual([]);
  });
});

test.each([
  [{}, ''],
  [{ unsigned: 'allow' }, 'takes plugins that nobody signed: '],
  [{ unlocked: 'allow' }, 'takes plugins that plugins.lock does not have: '],
  [ALL, 'takes plugins that nobody signed and that plugins.lock does not have: '],
])('a trust policy with %j is told at the start as what it is', async (more, tells) => {
  await w.trust(more);
  await w.sign();
  await w.lock();
  const said: string[] = [];
  expect(await w.start(said)).toBeUndefined();
  const warnings = said.filter((line) => line.includes('takes plugins'));
  expect(warnings).toEqual(
    tells === '' ? [] : [expect.stringContaining(`warning: ${w.at('trust.json')}: the org acme ${tells}`)],
  );
});

test('an upgrade that asks for more is shown, and not locked before somebody agrees', async () => {
  await w.trust(ALL);
  await w.lock((whole) => ({
    ...whole,
    plugins: whole.plugins.map((one) => ({ ...one, digest: `sha256:${'0'.repeat(64)}`, capabilities: ['http'] })),
  }));
  const before = await readFile(w.at('plugins.lock'), 'utf8');
  const shown = await w.cli('lock', '--config', w.config);
  expect(shown.code).toBe(1);
  expect(shown.stdout).toContain('new: may ask to send GET');
  expect(shown.stderr).toContain('nothing was written');
  expect(await readFile(w.at('plugins.lock'), 'utf8')).toBe(before);
  expect(await w.start()).toMatch(/with another digest or manifest\n {2}new: may ask to send GET/);
  expect(await w.cli('lock', '--config', w.config, '--approve')).toMatchObject({ code: 0 });
  expect(await w.start()).toBeUndefined();
  expect(await w.cli('lock', '--config', w.config)).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('is current'),
  });
});

test('a module that can send is refused where its manifest says that it cannot', async () => {
  const { manifest } = await w.read();
  await mkdir(join(w.plugin, 'dist'), { recursive: true });
  await writeFile(w.wasm, await hostileModule('requester'));
  await w.trust(ALL);
  await writeFile(join(w.plugin, 'manifest.json'), JSON.stringify({ ...manifest, capabilities: { http: false } }));
  expect(await w.start()).toMatch(/^http-json is not admitted: its module imports interlock:host\/v1\.http/);
  await writeFile(join(w.plugin, 'manifest.json'), JSON.stringify(manifest));
  const config = await readConfig(w.config);
  const [files] = config.ok ? config.value.orgs : [];
  expect(files && (await readOrg(files, new Set()))).toMatchObject({ ok: true });
});
