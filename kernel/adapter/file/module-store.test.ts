import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { codeDigest } from '../../../sdk/contract/code-digest.ts';
import { PluginManifestSchema } from '../../../sdk/contract/plugin.ts';
import { pluginDigest } from '../../cell/parameters.ts';
import { openModuleStore } from './module-store.ts';

/** What lies in the folder is hostile: whoever can write the data folder can write it. */
const ROOT = join(import.meta.dirname, '../../..');
const wasm = new Uint8Array(await readFile(join(ROOT, 'plugins/http-json/dist/plugin.wasm')));
const manifest = v.parse(
  PluginManifestSchema,
  JSON.parse(await readFile(join(ROOT, 'plugins/http-json/manifest.json'), 'utf8')),
);
const digest = pluginDigest(manifest, wasm);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'interlock-modules-'));
});
afterEach(() => rm(folder, { recursive: true }));
const file = (ending: string) => join(folder, `${digest.slice(7)}.${ending}`);

describe('a module that is kept', () => {
  test.each([
    ['ours', new Set([codeDigest(wasm)]), true],
    ['not ours', new Set<string>(), false],
  ])('and is %s is sealed or not by its code, whatever is written beside it', async (_, bases, sealed) => {
    const store = await openModuleStore(folder, bases);
    await store.put(digest, { wasm, manifest, sealed: !sealed });
    expect(await store.get(digest)).toMatchObject({ sealed });
    await writeFile(file('json'), JSON.stringify({ manifest, sealed: !sealed }));
    expect(await store.get(digest)).toMatchObject({ sealed });
  });

  test.each<[string, () => Promise<void>]>([
    [
      'another byte',
      async () =>
        writeFile(
          file('wasm'),
          wasm.map((byte, at) => (at === wasm.length - 1 ? byte ^ 1 : byte)),
        ),
    ],
    ['another manifest', () => writeFile(file('json'), JSON.stringify({ manifest: { ...manifest, title: 'Other' } }))],
    ['no manifest', () => rm(file('json'))],
    ['no JSON', () => writeFile(file('json'), '{')],
  ])('with %s is none, and is kept anew', async (_, change) => {
    const store = await openModuleStore(folder, new Set());
    await store.put(digest, { wasm, manifest, sealed: false });
    await change();
    expect(await store.get(digest)).toBeUndefined();
    await store.put(digest, { wasm, manifest, sealed: false });
    expect(await store.get(digest)).toMatchObject({ manifest });
    expect(await readdir(folder)).toHaveLength(2);
  });
});
