import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { isSealedBy } from '../../../sdk/contract/code-digest.ts';
import { PluginManifestSchema } from '../../../sdk/contract/plugin.ts';
import type { Digest } from '../../base/id.ts';
import { pluginDigest } from '../../cell/parameters.ts';
import type { ModuleStore } from '../../port/module-store.ts';
import { makeFolder } from './folder.ts';

/**
 * Plugin modules in a folder: `<hex>.wasm` and `<hex>.json` each. What is read is checked against its name, and whether it
 * is sealed is asked of the module: nobody gets their own state put back by a word in a file.
 * @param sealedBases code digests of bases that we built.
 */
export async function openModuleStore(folder: string, sealedBases: ReadonlySet<string>): Promise<ModuleStore> {
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
      const { manifest } = JSON.parse(text) as { manifest: unknown };
      const checked = v.parse(PluginManifestSchema, manifest);
      if (pluginDigest(checked, wasm) !== digest) return undefined;
      return { wasm, manifest: checked, sealed: isSealedBy(sealedBases, wasm) };
    } catch {
      return undefined;
    }
  };
  return {
    get,
    async put(digest, { wasm, manifest }) {
      if (await get(digest)) return;
      await write(path(digest, 'wasm'), wasm);
      await write(path(digest, 'json'), JSON.stringify({ manifest }));
    },
  };
}
