import * as v from 'valibot';
import { readSections } from '../../sdk/contract/code-digest.ts';
import { MANIFEST_SECTION, type PluginManifest, PluginManifestSchema } from '../../sdk/contract/plugin.ts';
import { digestOfJson } from '../base/digest.ts';
import type { Json } from '../base/json.ts';
import { cursor, faulty, name } from './wasm-reader.ts';

/**
 * Compares the manifest beside a module with the one that was sealed into it. What people review is the file, and what
 * was built and tested is the module: a file that was edited afterwards could call a write a read.
 *
 * A module of another toolchain may hold no manifest; then the file is the only statement there is.
 * @param wasm an admitted module.
 * @returns what is wrong and how to mend it, or undefined.
 */
export function faultOfManifest(manifest: PluginManifest, wasm: Uint8Array): string | undefined {
  const sealed = sealedManifests(wasm);
  return sealed.every((text) => isSame(text, manifest))
    ? undefined
    : 'manifest.json is not the one that is sealed in dist/plugin.wasm; seal the plugin again with npx interlock plugin build, and have the change reviewed';
}

function sealedManifests(wasm: Uint8Array): readonly Uint8Array[] {
  return readSections(wasm)
    .filter(({ id }) => id === 0)
    .flatMap(({ body, end }) => {
      const inner = cursor(wasm.subarray(body, end));
      return name(inner) === MANIFEST_SECTION && !faulty(inner) ? [inner.bytes.subarray(inner.at)] : [];
    });
}

/** By meaning: spaces, order of keys and defaults that are left out make no difference. */
function isSame(text: Uint8Array, manifest: PluginManifest): boolean {
  try {
    const sealed = v.parse(PluginManifestSchema, JSON.parse(new TextDecoder().decode(text)));
    return meaningOf(sealed) === meaningOf(manifest);
  } catch {
    return false;
  }
}

const meaningOf = (manifest: PluginManifest): string => digestOfJson('manifest', manifest as unknown as Json);
