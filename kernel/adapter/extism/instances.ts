import { createPlugin } from '@extism/extism';
import type { CellEntry } from '../../port/cell-host.ts';
import type { Host } from './host-functions.ts';
import { type RawResult, VERDICT } from './result-frame.ts';
import { type Exports, type Snapshot, takeSnapshot } from './snapshot.ts';

/**
 * The modules that a cell holds, and the instance that each call runs on.
 *
 * A sealed module keeps one instance, which is put back to its snapshot after every call. Any other module gets a new
 * instance for every call. An instance whose call did not end well, or was left in the middle (`proc_exit`), is never used
 * again.
 */
export type Instances = {
  /** Compiles. @returns why it does not compile, or an empty text. */
  load(id: number, wasm: Uint8Array, sealed: boolean): string;
  unload(id: number): void;
  /** @returns undefined when the module is not there (it did not compile). */
  call(id: number, entry: CellEntry, input: Uint8Array, softDeadlineAt: number): Promise<RawResult | undefined>;
  /** After the result is on its way: puts the instance back. @returns false when state is left, and the cell must end. */
  settle(): boolean;
};

type Module = { readonly compiled: WebAssembly.Module; readonly sealed: boolean; kept: Instance | undefined };
type Instance = { readonly exports: Exports; readonly snapshot: Snapshot | undefined };

/**
 * The SDK takes the global `fetch` unless it is given one, and looks at the global `Response` unless it is given a
 * compiled module. Touching either loads the HTTP client of the runtime: 50 ms, for something that a cell cannot use.
 */
const noFetch = (() => Promise.reject(new Error('a cell has no network'))) as unknown as typeof fetch;
const silent = () => undefined;
const noLogger = { ...console, trace: silent, debug: silent, info: silent, log: silent, warn: silent, error: silent };

/**
 * Memory of dropped instances is given back by the garbage collector only, which does not hurry: it counts its own heap.
 * So the cell asks for it: a quick look at young objects often, a full one seldom (0.5 and 4 ms).
 */
const MINOR_EVERY_BYTES = 32 << 20;
const MAJOR_EVERY_BYTES = 256 << 20;
/** Taken for the memory of a module that does not export it. */
const UNSEEN_BYTES = 8 << 20;

declare const gc: ((options: { readonly type: 'minor' | 'major' }) => void) | undefined;

export function openInstances(host: Host, checkRestoreEvery: number): Instances {
  const modules = new Map<number, Module>();
  let used: { readonly module: Module; readonly instance: Instance; readonly endedWell: boolean } | undefined;
  let restores = 0;
  let sinceMinor = 0;
  let sinceMajor = 0;

  /** Links the module with the host functions through the Extism SDK. Start code runs here. */
  async function instantiate({ compiled, sealed }: Module): Promise<Instance> {
    const plugin = await createPlugin(compiled, {
      functions: host.functions as Record<string, Record<string, (...args: unknown[]) => unknown>>,
      logger: noLogger,
      fetch: noFetch,
    });
    const exports: Exports = (await plugin.getInstance()).exports;
    host.enter(exports['memory']);
    // Reactor modules set their runtime up here; the SDK calls it only under WASI.
    const initialize = exports['_initialize'];
    if (typeof initialize === 'function') initialize();
    return { exports, snapshot: sealed ? takeSnapshot(exports) : undefined };
  }

  function drop({ exports }: Instance): void {
    const memory = exports['memory'];
    const bytes = memory instanceof WebAssembly.Memory ? memory.buffer.byteLength : UNSEEN_BYTES;
    sinceMinor += bytes;
    sinceMajor += bytes;
    if (typeof gc !== 'function' || sinceMinor < MINOR_EVERY_BYTES) return;
    const type = sinceMajor < MAJOR_EVERY_BYTES ? 'minor' : 'major';
    gc({ type });
    sinceMinor = 0;
    if (type === 'major') sinceMajor = 0;
  }

  async function run(module: Module, entry: CellEntry, input: Uint8Array, softDeadlineAt: number): Promise<RawResult> {
    let instance = module.kept;
    module.kept = undefined;
    let result: RawResult;
    let returned = false;
    try {
      // Sealed: set up while no call is there, so that no byte of any call can be in the snapshot.
      if (module.sealed) instance ??= await instantiate(module);
      host.begin(input, softDeadlineAt);
      if (instance) host.enter(instance.exports['memory']);
      instance ??= await instantiate(module);
      const called = instance.exports[entry] as () => unknown;
      const code = called();
      returned = true;
      result = host.end({ code });
    } catch (thrown) {
      result = host.end({ thrown });
    }
    if (instance) used = { module, instance, endedWell: returned && result.verdict === VERDICT.replied };
    return result;
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
    async call(id, entry, input, softDeadlineAt) {
      const module = modules.get(id);
      return module && run(module, entry, input, softDeadlineAt);
    },
    settle() {
      if (used === undefined) return true;
      const { module, instance, endedWell } = used;
      used = undefined;
      if (!endedWell || !instance.snapshot?.restore()) drop(instance);
      else {
        if (++restores % checkRestoreEvery === 0 && !instance.snapshot.matches()) return false;
        module.kept = instance;
      }
      return true;
    },
  };
}
