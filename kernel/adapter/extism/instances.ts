import { createPlugin } from '@extism/extism';
import type { Host } from './host-functions.ts';
import type { RawResult } from './result-frame.ts';
import { type Exports, type Snapshot, takeSnapshot } from './snapshot.ts';

/**
 * The modules that a cell holds, and the instance that each call runs on.
 *
 * A sealed module keeps one instance, which is put back to its snapshot after every call. Any other module gets a new
 * instance for every call. An instance whose call did not end well is never used again.
 */
export type Instances = {
  /** Compiles. @returns why it does not compile, or an empty text. */
  load(id: number, wasm: Uint8Array, sealed: boolean): string;
  unload(id: number): void;
  /** @returns undefined when the module is not there (it did not compile). */
  call(id: number, input: Uint8Array, softDeadlineAt: number): Promise<RawResult | undefined>;
  /** After the result is on its way: puts the instance back. @returns false when state is left, and the cell must end. */
  settle(): boolean;
};

type Module = { readonly compiled: WebAssembly.Module; readonly sealed: boolean; kept: Kept | undefined };
type Kept = { readonly execute: () => unknown; readonly snapshot: Snapshot };

const silent = () => undefined;
const noLogger = { ...console, trace: silent, debug: silent, info: silent, log: silent, warn: silent, error: silent };

/** The reply of a module that ended well is the only verdict after which an instance is kept. */
const REPLIED = 0;

export function openInstances(host: Host, checkRestoreEvery: number): Instances {
  const modules = new Map<number, Module>();
  let used: { readonly module: Module; readonly kept: Kept } | undefined;
  let restores = 0;

  /** Links the module with the host functions through the Extism SDK. Start code runs here. */
  async function instantiate(compiled: WebAssembly.Module): Promise<Exports> {
    const plugin = await createPlugin(
      { wasm: [{ module: compiled, name: 'main' }] },
      {
        functions: host.functions as Record<string, Record<string, (...args: unknown[]) => unknown>>,
        logger: noLogger,
      },
    );
    const { exports } = await plugin.getInstance('main');
    // Reactor modules set their runtime up here; the SDK calls it only under WASI.
    const initialize = exports['_initialize'];
    if (typeof initialize === 'function') initialize();
    return exports;
  }

  const executeOf = (exports: Exports) => exports['execute'] as () => unknown;

  /** Sealed: set up before the call begins, so that no byte of any call can be in the snapshot. */
  async function keep(module: Module): Promise<Kept | undefined> {
    if (module.kept) return module.kept;
    const exports = await instantiate(module.compiled);
    const snapshot = takeSnapshot(exports);
    module.kept = snapshot && { execute: executeOf(exports), snapshot };
    return module.kept;
  }

  async function call(id: number, input: Uint8Array, softDeadlineAt: number): Promise<RawResult | undefined> {
    const module = modules.get(id);
    if (module === undefined) return undefined;
    used = undefined;
    try {
      const kept = module.sealed ? await keep(module) : undefined;
      host.begin(input, softDeadlineAt);
      const execute = kept?.execute ?? executeOf(await instantiate(module.compiled));
      const result = host.end({ code: execute() });
      if (kept && result.verdict === REPLIED) used = { module, kept };
      else module.kept = undefined;
      return result;
    } catch (thrown) {
      module.kept = undefined;
      return host.end({ thrown });
    }
  }

  return {
    load(id, wasm, sealed) {
      try {
        modules.set(id, { compiled: new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>), sealed, kept: undefined });
        return '';
      } catch (fault) {
        return String(fault instanceof Error ? fault.message : fault).slice(0, 300);
      }
    },
    unload(id) {
      modules.delete(id);
    },
    call,
    settle() {
      if (used === undefined) return true;
      const { module, kept } = used;
      used = undefined;
      if (!kept.snapshot.restore()) module.kept = undefined;
      else if (++restores % checkRestoreEvery === 0 && !kept.snapshot.matches()) return false;
      return true;
    },
  };
}
