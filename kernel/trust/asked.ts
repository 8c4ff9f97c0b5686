import { capabilitiesOf, type ModuleFacts } from '../../sdk/contract/may.ts';
import type { PluginManifest } from '../../sdk/contract/plugin.ts';
import { digestOf, digestOfJson } from '../base/digest.ts';
import type { Json } from '../base/json.ts';
import type { Asked } from './lock.ts';

/** By meaning: spaces, order of keys and defaults that are left out make no difference. */
export const manifestDigest = (manifest: PluginManifest): string =>
  digestOfJson('manifest', manifest as unknown as Json);

/** What a plugin is and asks for, as the lock would have it. */
export const askedBy = (manifest: PluginManifest, wasm: Uint8Array, facts: ModuleFacts): Asked => ({
  name: manifest.name,
  version: manifest.version,
  digest: digestOf(wasm),
  manifest: manifestDigest(manifest),
  signer: null,
  capabilities: [...capabilitiesOf(manifest, facts)],
  limits: {
    memoryPages: facts.memory.pagesMax,
    tableEntries: Math.max(0, ...facts.tables.map(({ entriesMax }) => entriesMax)),
  },
});
