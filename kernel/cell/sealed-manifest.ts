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

/** The manifest that was sealed in; undefined where there is none, or more than one. */
export function sealedManifest(wasm: Uint8Array): PluginManifest | undefined {
  const [text, ...more] = sealedManifests(wasm);
  return text && more.length === 0 ? parsedOf(text) : undefined;
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
  const sealed = parsedOf(text);
  return sealed !== undefined && meaningOf(sealed) === meaningOf(manifest);
}

function parsedOf(text: Uint8Array): PluginManifest | undefined {
  try {
    return v.parse(PluginManifestSchema, JSON.parse(new TextDecoder().decode(text)));
  } catch {
    return undefined;
  }
}

const meaningOf = (manifest: PluginManifest): string => digestOfJson('manifest', manifest as unknown as Json);
