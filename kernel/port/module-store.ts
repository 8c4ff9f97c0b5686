import type { Digest } from '../base/id.ts';

/**
 * Admitted plugin modules by digest, with the manifest they came with. Content-addressed, so a run keeps the version
 * it was started with for as long as it lives (S 13.4).
 */
export type StoredModule = { readonly wasm: Uint8Array; readonly manifest: unknown; readonly sealed: boolean };

export interface ModuleStore {
  /** Durable on return; putting the same digest twice changes nothing. */
  put(digest: Digest, module: StoredModule): Promise<void>;
  /** The bytes are checked against the digest; a mismatch or absence is undefined. */
  get(digest: Digest): Promise<StoredModule | undefined>;
}
