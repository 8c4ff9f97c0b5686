import { hash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import * as v from 'valibot';
import { ABSENT } from '../author/absent.ts';
import { codeDigest } from '../contract/code-digest.ts';
import { DescriptionSchema, differences } from '../contract/description.ts';
import { type PluginManifest, PluginManifestSchema } from '../contract/plugin.ts';
import { isUnknownKey, knownKeysOf, wantedOf } from '../contract/wanted.ts';
import { type Base, loadBase, writeWhole } from './base.ts';
import { type Bundle, bundle } from './bundle.ts';
import { MANIFEST_SECTION, mapStack, SOURCE_MAP_SECTION } from './map-stack.ts';
import { seal } from './seal.ts';
import { bootVm, ScriptError } from './vm.ts';

/**
 * Seals a plugin: `plugin.ts` and `manifest.json` become one WebAssembly module in which the plugin is already loaded.
 *
 * Module scope runs here, once. What it computed lies in the memory image of the module, so that a call begins at once,
 * and so that two builds of the same sources are the same bytes.
 */

export type BuiltPlugin = {
  readonly name: string;
  readonly version: string;
  /** `sha256:` and 64 hex digits, of the module. */
  readonly digest: string;
  readonly codeDigest: string;
  readonly wasmPath: string;
  /** Size of the module. */
  readonly bytes: number;
  readonly manifest: PluginManifest;
  /** For the author: what is likely to fail in a cell. */
  readonly warnings: readonly string[];
};

/** `message` is for the author: what is wrong, where, and how to mend it. */
type BuildFault = {
  readonly kind: 'manifest' | 'bundle' | 'module-scope' | 'plugin';
  readonly message: string;
};

export type BuildOutcome =
  | { readonly ok: true; readonly value: BuiltPlugin }
  | { readonly ok: false; readonly error: BuildFault };

/** Free heap in a fresh module, so that a call with ordinary input and answers does not grow the memory. */
const HEADROOM_BYTES = 1024 * 1024;
const MODULE_SCOPE_MS = 5_000;

/** A rule for module scope was broken. Thrown through the engine, which is given up with it. */
class ModuleScopeFault extends Error {
  override readonly name = 'ModuleScopeFault';
}

export type BuildOptions = {
  /** Where plugin.wasm and plugin.json go; `<directory>/dist` when left out. */
  readonly outDir?: string;
  /** Module scope may compute tables; it may not hang the build. 5 s when left out. */
  readonly moduleScopeMs?: number;
};

/** @param directory Holds manifest.json and plugin.ts. */
export async function buildPlugin(directory: string, options: BuildOptions = {}): Promise<BuildOutcome> {
  const root = resolve(directory);
  const manifest = await readManifest(join(root, 'manifest.json'));
  if ('kind' in manifest) return { ok: false, error: manifest };
  const script = await bundle(join(root, 'plugin.ts'));
  if (script.kind === 'refused') return { ok: false, error: { kind: 'bundle', message: script.message } };

  const base = await loadBase();
  const image = await runModuleScope(base, script, manifest.value, options.moduleScopeMs ?? MODULE_SCOPE_MS);
  if ('kind' in image) return { ok: false, error: image };
  const encoder = new TextEncoder();
  const wasm = seal(base.wasm, image.memory, [
    { name: MANIFEST_SECTION, body: encoder.encode(JSON.stringify(manifest.value)) },
    { name: SOURCE_MAP_SECTION, body: encoder.encode(script.sourceMap) },
  ]);
  const digest = `sha256:${hash('sha256', wasm, 'hex')}`;
  const outDir = resolve(options.outDir ?? join(root, 'dist'));
  const wasmPath = join(outDir, 'plugin.wasm');
  const summary = { digest, codeDigest: codeDigest(wasm), manifest: manifest.value };
  await mkdir(outDir, { recursive: true });
  await writeWhole(wasmPath, wasm);
  await writeWhole(join(outDir, 'plugin.json'), `${JSON.stringify(summary, null, 2)}\n`);
  const { name, version } = manifest.value;
  const warnings = script.absent.map(
    ({ name, place }) => `${place} uses ${name}, which a cell does not have: ${ABSENT[name]}`,
  );
  return { ok: true, value: { name, version, wasmPath, bytes: wasm.length, ...summary, warnings } };
}

async function readManifest(file: string): Promise<{ readonly value: PluginManifest } | BuildFault> {
  const fault = (message: string): BuildFault => ({ kind: 'manifest', message });
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch {
    return fault(
      'there is no manifest.json beside plugin.ts. It says what the plugin is called and what its actions do.',
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return fault(`manifest.json is not JSON: ${(error as Error).message}`);
  }
  const parsed = v.safeParse(PluginManifestSchema, json);
  if (parsed.success) return { value: parsed.output };
  const issues = parsed.issues.map((issue) => {
    const text = isUnknownKey(issue)
      ? `this key is not known here; ${knownKeysOf(issue)}`
      : issue.input === undefined
        ? 'required, but missing'
        : `expected ${wantedOf(issue)}`;
    return `  ${v.getDotPath(issue) ?? '(top)'}: ${text}`;
  });
  return fault(`manifest.json is not a plugin manifest:\n${issues.join('\n')}`);
}

let compiled: Promise<WebAssembly.Module> | undefined;
let prelude: Promise<Bundle> | undefined;

/** The base, ready to run; compiled once per process. */
function compile(base: Base): Promise<WebAssembly.Module> {
  compiled ??= WebAssembly.compile(base.wasm);
  return compiled;
}

/** The script that prepares the engine; the same for every plugin. */
function loadPrelude(): Promise<Bundle> {
  prelude ??= bundle(join(import.meta.dirname, 'prelude.ts')).then((result) => {
    if (result.kind === 'refused') throw new Error(result.message);
    return result;
  });
  return prelude;
}

/** Runs the module scope of the plugin and gives the memory it left. */
async function runModuleScope(
  base: Base,
  plugin: Bundle,
  manifest: PluginManifest,
  limitMs: number,
): Promise<{ readonly memory: Uint8Array } | BuildFault> {
  const [module, { script }] = await Promise.all([compile(base), loadPrelude()]);
  const deadline = performance.now() + limitMs;
  const hooks = { imported: (name: string) => refuse(name, performance.now() > deadline) };
  try {
    // Compiled in an engine of its own, so that nothing of the source text is left in the memory of the plugin.
    const compiler = bootVm(module, hooks);
    const preludeCode = compiler.compile(script, 'prelude.js');
    const pluginCode = compiler.compile(plugin.script, 'plugin.js');

    const vm = bootVm(module, hooks);
    const exports = vm.run(preludeCode);
    const install = vm.property(exports, 'install');
    const bridge = vm.bridge('chdiwe');
    const adopt = vm.call(install, bridge);
    for (const value of [exports, install, bridge]) vm.free(value);
    const pluginExports = vm.run(pluginCode);
    vm.runJobs();
    const description = vm.call(adopt, pluginExports);
    const found = differences(manifest, v.parse(DescriptionSchema, JSON.parse(vm.textOf(description))), 'plugin.ts');
    if (found.length > 0) return { kind: 'plugin', message: found.join('\n') };
    for (const value of [adopt, pluginExports, description]) vm.free(value);
    return { memory: vm.snapshot(HEADROOM_BYTES) };
  } catch (error) {
    if (error instanceof RangeError || error instanceof WebAssembly.RuntimeError) {
      return {
        kind: 'module-scope',
        message: 'module scope recurses too deeply, or needs more memory than a cell has',
      };
    }
    if (!(error instanceof ScriptError || error instanceof ModuleScopeFault)) throw error;
    // Without the two frames around the plugin that the bundle adds.
    const own = error.message.replace(/\n +at <anonymous> \([^\n]*\n +at <eval> [^\n]*$/, '');
    return { kind: 'module-scope', message: mapStack(own, plugin.sourceMap) };
  }
}

/** Answers the imports of the bridge at build time: there is no host yet. */
function refuse(name: string, late: boolean): number {
  if (name !== 'interrupted') {
    throw new ModuleScopeFault(
      `module scope asks the host for ${name}; it runs when the plugin is sealed, and there is no host`,
    );
  }
  if (late) {
    throw new ModuleScopeFault(
      'module scope did not end: compute less when the plugin is sealed, or do it in an action',
    );
  }
  return 0;
}
