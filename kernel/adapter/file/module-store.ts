import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { PluginManifestSchema } from '../../../sdk/contract/plugin.ts';
import type { Digest } from '../../base/id.ts';
import { pluginDigest } from '../../cell/parameters.ts';
import type { ModuleStore } from '../../port/module-store.ts';
import { makeFolder } from './folder.ts';

/** Plugin modules in a folder: `<hex>.wasm` and `<hex>.json` each. What is read is checked against its name. */
export async function openModuleStore(folder: string): Promise<ModuleStore> {
  const made = await makeFolder(folder);
  if (!made.ok) throw new Error(made.error);
  const path = (digest: Digest, ending: string) => join(folder, `${digest.slice(7)}.${ending}`);
  let writes = 0;
  const write = async (file: string, data: string | Uint8Array) => {
    // A name of its own for each: two orgs may bring the same module at once.
    const fresh = `${file}.${process.pid}.${writes++}.new`;
    await writeFile(fresh, data, { mode: 0o600, flush: true });
    await rename(fresh, file);
  };
  const get: ModuleStore['get'] = async (digest) => {
    try {
      const [wasm, text] = await Promise.all([readFile(path(digest, 'wasm')), readFile(path(digest, 'json'), 'utf8')]);
      const { manifest, sealed } = JSON.parse(text) as { manifest: unknown; sealed: boolean };
      const checked = v.parse(PluginManifestSchema, manifest);
      return pluginDigest(checked, wasm) === digest ? { wasm, manifest: checked, sealed } : undefined;
    } catch {
      return undefined;
    }
  };
  return {
    get,
    async put(digest, { wasm, manifest, sealed }) {
      if (await get(digest)) return;
      await write(path(digest, 'wasm'), wasm);
      await write(path(digest, 'json'), JSON.stringify({ manifest, sealed }));
    },
  };
}
