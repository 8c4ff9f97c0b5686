import { execFile } from 'node:child_process';
import { hash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { codeDigest } from '../contract/code-digest.ts';
import { PAGE_BYTES, seal } from './seal.ts';

/**
 * The base program of every sealed plugin: the QuickJS engine of quickjs-wasi, the bridge (shim.wat) and the closed
 * world (wasi.wat) merged into one module. Building it takes seconds and gives the same bytes everywhere, so it is
 * made once and kept in `.cache`, under a name made from everything that goes into it.
 */

export type Base = {
  readonly wasm: Uint8Array<ArrayBuffer>;
  readonly baseDigest: string;
  /** Code digest of every module sealed on this base. */
  readonly codeDigest: string;
};

type CacheEntry = { readonly inputsKey: string; readonly baseDigest: string; readonly codeDigest: string };

const CACHE = join(import.meta.dirname, '.cache');
const require = createRequire(import.meta.url);
const run = promisify(execFile);

/**
 * What the engine was compiled with, and no more. The tools refuse a module that uses anything else, which proves that
 * no instruction can change a table or drop a segment (those need reference-types or bulk-memory): between two calls
 * only the memory and the mutable globals can differ.
 */
const FEATURES = [
  '--mvp-features',
  '--enable-bulk-memory-opt', // memory.copy and memory.fill only
  '--enable-call-indirect-overlong',
  '--enable-mutable-globals',
  '--enable-nontrapping-float-to-int',
  '--enable-sign-ext',
];

/** Exports that a build or a host needs; everything that none of them reaches is dropped. */
const KEPT = [
  ...['memory', '__stack_pointer', 'interlock_clock', 'interlock_overrun', 'execute', 'describe'],
  ...['_initialize', 'qjs_init', 'qjs_set_interrupt_handler', 'qjs_set_max_stack_size', 'qjs_set_gc_threshold'],
  ...['qjs_set_memory_limit', 'qjs_run_gc', 'qjs_compile', 'qjs_eval_bytecode', 'qjs_call', 'qjs_new_object'],
  ...['qjs_new_host_function', 'qjs_get_prop_string', 'qjs_set_prop_string', 'qjs_get_undefined', 'qjs_free_value'],
  ...['qjs_get_string_len', 'qjs_free_cstring', 'qjs_is_exception', 'qjs_get_exception'],
  ...['qjs_is_job_pending', 'qjs_execute_pending_job', 'wasm_malloc', 'wasm_free'],
];

let loading: Promise<Base> | undefined;

/** The base, built when the cache has none for the present inputs. `onBuild` is called before a build. */
export function loadBase(onBuild: () => void = () => {}): Promise<Base> {
  loading ??= load(onBuild);
  // A failure is not kept: the next call tries again.
  loading.catch(() => {
    loading = undefined;
  });
  return loading;
}

/** Code digest of every module that this SDK seals. The kernel restores state between calls only for modules with it. */
export const sealedCodeDigest = async (): Promise<string> => (await loadBase()).codeDigest;

async function load(onBuild: () => void): Promise<Base> {
  const inputsKey = await keyOfInputs();
  const cached = await readCached(inputsKey);
  if (cached) return cached;
  onBuild();
  return build(inputsKey);
}

/** Everything that decides about the bytes: the engine, the bridge, the steps in this directory, the tool versions. */
async function keyOfInputs(): Promise<string> {
  const here = (file: string) => readFile(join(import.meta.dirname, file));
  const version = async (name: string) =>
    JSON.parse(await readFile(require.resolve(`${name}/package.json`), 'utf8')).version;
  const contents = await Promise.all([
    readFile(require.resolve('quickjs-wasi/quickjs.wasm')),
    ...['shim.wat', 'wasi.wat', 'base.ts', 'seal.ts', '../contract/code-digest.ts'].map(here),
  ]);
  const versions = await Promise.all(['quickjs-wasi', 'binaryen'].map(version));
  return hash('sha256', [...contents.map((bytes) => hash('sha256', bytes, 'hex')), ...versions].join('\n'), 'hex');
}

const wasmFile = (inputsKey: string) => join(CACHE, `base-${inputsKey.slice(0, 16)}.wasm`);
const entryFile = join(CACHE, 'base.json');

/** What is cached for these inputs, whole; undefined when there is nothing, or something damaged. */
async function readCached(inputsKey: string): Promise<Base | undefined> {
  try {
    const entry = JSON.parse(await readFile(entryFile, 'utf8')) as CacheEntry;
    if (entry.inputsKey !== inputsKey) return undefined;
    const wasm = await readFile(wasmFile(inputsKey));
    return digest(wasm) === entry.baseDigest ? { ...entry, wasm } : undefined;
  } catch {
    return undefined;
  }
}

const digest = (bytes: Uint8Array) => `sha256:${hash('sha256', bytes, 'hex')}`;

async function build(inputsKey: string): Promise<Base> {
  const scratch = await mkdtemp(join(tmpdir(), 'interlock-base-'));
  try {
    const wasm = await merge(scratch);
    const sealedCode = codeDigest(seal(wasm, new Uint8Array(PAGE_BYTES), []));
    const entry: CacheEntry = { inputsKey, baseDigest: digest(wasm), codeDigest: sealedCode };
    await mkdir(CACHE, { recursive: true });
    // Two processes may build at once. Both write the same bytes, and a reader sees all of a file or none of it.
    await writeWhole(wasmFile(inputsKey), wasm);
    await writeWhole(entryFile, `${JSON.stringify(entry, null, 2)}\n`);
    await forgetOthers(wasmFile(inputsKey));
    return { ...entry, wasm };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Removes bases of earlier inputs. Whoever is reading one, builds again. */
async function forgetOthers(kept: string): Promise<void> {
  for (const name of await readdir(CACHE)) {
    const file = join(CACHE, name);
    if (/^base-[0-9a-f]{16}\.wasm$/.test(name) && file !== kept) await rm(file, { force: true });
  }
}

async function merge(scratch: string): Promise<Uint8Array<ArrayBuffer>> {
  const at = (file: string) => join(scratch, file);
  const here = (file: string) => join(import.meta.dirname, file);
  // The bridge imports from the engine and the engine from the bridge; merged, they find each other by these names.
  const parts = [require.resolve('quickjs-wasi/quickjs.wasm'), 'qjs', here('shim.wat'), 'env'];
  await tool('wasm-merge', [...parts, here('wasi.wat'), 'wasi_snapshot_preview1', '-o', at('merged.wasm')]);
  const roots = KEPT.map((name) => ({ name, export: name, root: true }));
  await writeFile(at('roots.json'), JSON.stringify(roots));
  await tool('wasm-metadce', [at('merged.wasm'), `--graph-file=${at('roots.json')}`, '-o', at('base.wasm')]);
  return readFile(at('base.wasm'));
}

async function tool(name: string, args: readonly string[]): Promise<void> {
  const script = join(dirname(require.resolve('binaryen/package.json')), 'bin', name);
  try {
    await run(process.execPath, [script, ...args, ...FEATURES], { maxBuffer: 64 * 1024 * 1024 });
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string };
    throw new Error(`${name} failed while the base for plugins was built: ${stderr.slice(0, 2_000)}`);
  }
}

/** Writes beside the file and renames, so that nobody reads half of it. */
export async function writeWhole(file: string, data: string | Uint8Array): Promise<void> {
  const unfinished = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  await writeFile(unfinished, data);
  await rename(unfinished, file);
}
