import { execFile } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codeDigest, readSections } from '../contract/code-digest.ts';
import { loadBase, sealedCodeDigest } from './base.ts';
import { buildPlugin } from './build-plugin.ts';

const run = promisify(execFile);
const require = createRequire(import.meta.url);
const FIXTURE = join(import.meta.dirname, 'fixture');

let scratch: string;
let fixture: Buffer;
beforeAll(async () => {
  scratch = realpathSync(mkdtempSync(join(tmpdir(), 'interlock-sealing-')));
  fixture = readFileSync((await sealed(FIXTURE, join(scratch, 'fixture'))).wasmPath);
}, 60_000);
afterAll(() => rmSync(scratch, { recursive: true }));

async function sealed(directory: string, outDir?: string) {
  const built = await buildPlugin(directory, outDir === undefined ? {} : { outDir });
  if (!built.ok) throw new Error(built.error.message);
  return built.value;
}

const action = { title: 'Act', effect: 'none', input: {}, output: {} };
const manifest = {
  apiVersion: 'interlock/plugin/v1',
  name: 'probe',
  version: '1.0.0',
  title: 'Probe',
  capabilities: { http: true },
  actions: { act: action },
};
/** A plugin with one action; `body` is that action. */
const plugin = (body = 'execute: () => 1', name = 'probe') =>
  `import { definePlugin } from '@interlock/sdk';
export default definePlugin({ name: '${name}', version: '1.0.0', actions: { act: { ${body} } } });
`;

let made = 0;
function folder(files: Readonly<Record<string, unknown>>): string {
  const directory = join(scratch, `plugin-${++made}`);
  mkdirSync(directory);
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(directory, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return directory;
}

describe('a sealed module', () => {
  // Schemas are for the kernel: in each plugin they would be 90 KiB that every call puts back.
  test('holds nothing of the validator', () => {
    expect(Buffer.from(fixture).includes('~standard')).toBe(false);
  });

  test('asks its host for these functions and no more', () => {
    const imports = WebAssembly.Module.imports(new WebAssembly.Module(fixture));
    expect(imports.map(({ module, name, kind }) => `${kind} ${module} ${name}`).sort()).toEqual([
      'function extism:host/env alloc',
      'function extism:host/env error_set',
      'function extism:host/env input_offset',
      'function extism:host/env length',
      'function extism:host/env load_u64',
      'function extism:host/env load_u8',
      'function extism:host/env log_debug',
      'function extism:host/env log_error',
      'function extism:host/env log_info',
      'function extism:host/env log_warn',
      'function extism:host/env output_set',
      'function extism:host/env store_u64',
      'function extism:host/env store_u8',
      'function interlock:host/v1 http',
      'function interlock:host/v1 interrupted',
    ]);
  });

  test('exports two functions, the memory and every mutable global', () => {
    const exports = WebAssembly.Module.exports(new WebAssembly.Module(fixture));
    expect(exports.map(({ kind, name }) => `${kind} ${name}`).sort()).toEqual([
      'function describe',
      'function execute',
      'global __stack_pointer',
      'global interlock_clock',
      'global interlock_overrun',
      'memory memory',
    ]);
  });

  test('has no state besides its memory and its exported globals', async () => {
    // As text, because the instructions that would be other state have no other trace.
    const text = await disassembled(fixture);
    const mutable = [...text.matchAll(/^ \(global (\S+) \(mut /gm)].map(([, name]) => name);
    const exported = [...text.matchAll(/^ \(export "[^"]+" \(global (\S+)\)\)/gm)].map(([, name]) => name);
    expect(mutable).toHaveLength(3);
    expect(exported.sort()).toEqual(mutable.sort());
    expect(text.match(/\b(?:table\.(?:set|grow|fill|copy|init)|elem\.drop|data\.drop|memory\.init)\b/g)).toBeNull();
    expect(text).not.toMatch(/^ \((?:start|tag|import "[^"]+" "[^"]+" \((?!func))/m);
    expect(text.match(/^ \(memory .*$/gm)).toEqual([expect.stringMatching(/ \d+ 512\)$/)]);
  }, 60_000);

  test('carries the manifest and the source map', () => {
    const module = new WebAssembly.Module(fixture);
    const read = (name: string) =>
      JSON.parse(new TextDecoder().decode(WebAssembly.Module.customSections(module, name)[0] ?? new ArrayBuffer(0)));
    expect(read('interlock:manifest')).toMatchObject({ name: 'fixture', version: '1.2.3' });
    expect(read('interlock:sourcemap').sources).toEqual(
      expect.arrayContaining(['plugin.ts', '@interlock/sdk/author/index.ts']),
    );
  });

  test('has the code digest of every sealed module, and its own digest', async () => {
    const other = readFileSync((await sealed(folder({ 'manifest.json': manifest, 'plugin.ts': plugin() }))).wasmPath);
    const digest = await sealedCodeDigest();
    expect([codeDigest(fixture), codeDigest(other)]).toEqual([digest, digest]);
    expect(Buffer.compare(fixture, other)).not.toBe(0);
    expect(codeDigest((await loadBase()).wasm)).not.toBe(digest);
  });

  test('plugin.json says what was built', async () => {
    const built = await sealed(FIXTURE, join(scratch, 'fixture'));
    const summary = JSON.parse(readFileSync(join(scratch, 'fixture', 'plugin.json'), 'utf8'));
    expect(summary).toEqual({ digest: built.digest, codeDigest: await sealedCodeDigest(), manifest: built.manifest });
    expect(built).toMatchObject({ name: 'fixture', version: '1.2.3', bytes: fixture.length });
  });
});

describe('the same sources are the same bytes', () => {
  test('built again, and from another place', async () => {
    expect(Buffer.compare(readFileSync((await sealed(FIXTURE)).wasmPath), fixture)).toBe(0);
    const copy = join(scratch, 'else', 'where');
    cpSync(FIXTURE, copy, { recursive: true, filter: (file) => !file.endsWith('dist') });
    expect(Buffer.compare(readFileSync((await sealed(copy)).wasmPath), fixture)).toBe(0);
  });

  test('a CommonJS package is named by where it lies to the plugin', async () => {
    const bytes = await Promise.all(
      ['a', 'longer/path/b'].map(async (place) => {
        const root = join(scratch, place);
        const directory = join(root, 'plugins', 'probe');
        mkdirSync(join(root, 'node_modules', 'odd'), { recursive: true });
        mkdirSync(directory, { recursive: true });
        writeFileSync(join(root, 'node_modules', 'odd', 'index.js'), 'exports.odd = (n) => n % 2 === 1;');
        writeFileSync(join(directory, 'manifest.json'), JSON.stringify(manifest));
        writeFileSync(join(directory, 'plugin.ts'), `import { odd } from 'odd';\n${plugin('execute: () => odd(3)')}`);
        return readFileSync((await sealed(directory)).wasmPath);
      }),
    );
    expect(Buffer.compare(bytes[0] ?? fixture, bytes[1] ?? fixture)).toBe(0);
    expect(bytes[0]?.includes(scratch)).toBe(false);
  });

  test('with a base built elsewhere, over a damaged one, by two processes at once', async () => {
    const home = join(scratch, 'checkout');
    const built = ['.cache', 'dist', '.test.ts'];
    cpSync(join(import.meta.dirname, '..'), join(home, 'sdk'), {
      recursive: true,
      filter: (file) => !built.some((suffix) => file.endsWith(suffix)),
    });
    const modules = dirname(dirname(require.resolve('esbuild/package.json')));
    symlinkSync(modules, join(home, 'node_modules'));
    cpSync(FIXTURE, join(home, 'plugins', 'fixture'), { recursive: true, filter: (file) => !file.endsWith('dist') });
    // A cache that was damaged: its record is right, its module is cut off.
    const { baseDigest, wasm } = await loadBase();
    const [cache, record] = [join(home, 'sdk', 'build', '.cache'), join(import.meta.dirname, '.cache', 'base.json')];
    mkdirSync(cache);
    cpSync(record, join(cache, 'base.json'));
    const { inputsKey } = JSON.parse(readFileSync(record, 'utf8'));
    writeFileSync(join(cache, `base-${inputsKey.slice(0, 16)}.wasm`), wasm.subarray(0, 1_000));

    const prepare = () => run(process.execPath, [join(home, 'sdk', 'build', 'prepare.ts')]);
    for (const { stderr } of await Promise.all([prepare(), prepare()])) {
      expect(stderr).toMatch(/^interlock: building the base/m);
      expect(stderr).toMatch(/^interlock: sealed fixture 1\.2\.3 sha256:/m);
    }
    expect((await prepare()).stderr).not.toMatch(/building/);
    expect(Buffer.compare(readFileSync(join(home, 'plugins', 'fixture', 'dist', 'plugin.wasm')), fixture)).toBe(0);
    const rebuilt = JSON.parse(readFileSync(join(cache, 'base.json'), 'utf8'));
    expect(rebuilt).toEqual({ inputsKey, codeDigest: await sealedCodeDigest(), baseDigest });
  }, 60_000);
});

describe('refuses to seal', () => {
  const withoutName = { ...manifest, name: undefined };
  test.each<[string, string, RegExp, unknown, string]>([
    ['no manifest', 'manifest', /^there is no manifest\.json beside plugin\.ts/, undefined, plugin()],
    ['a manifest that is not JSON', 'manifest', /^manifest\.json is not JSON: /, '{', plugin()],
    [
      'an incomplete manifest',
      'manifest',
      /^manifest\.json is not a plugin manifest:\n {2}name: /,
      withoutName,
      plugin(),
    ],
    [
      'a key that is misspelt',
      'manifest',
      /\n {2}actions\.act\.idempotant: this key is not known here; known are: types, title, effect, methods, idempotent, plan, rollback, input, output$/,
      { ...manifest, actions: { act: { ...action, idempotant: 'key' } } },
      plugin(),
    ],
    [
      'a value that is none of those that can be',
      'manifest',
      /\n {2}actions\.act\.effect: expected one of: none, read, write$/,
      { ...manifest, actions: { act: { ...action, effect: 's3cret' } } },
      plugin(),
    ],
    ['a syntax error', 'bundle', /plugin\.ts:1:\d+:/, manifest, 'export default {'],
    [
      'an unknown import',
      'bundle',
      /Could not resolve "axios"[\s\S]*plugin\.ts:1:/,
      manifest,
      `import 'axios';\n${plugin()}`,
    ],
    [
      'a Node module',
      'bundle',
      /^(?!.*platform).*Could not resolve "node:fs": this is a part of Node, /s,
      manifest,
      `import 'node:fs';\n${plugin()}`,
    ],
    ['await at module scope', 'bundle', /Top-level await/, manifest, `await 1;\n${plugin()}`],
    [
      'a throw at module scope',
      'module-scope',
      /^Error: no table\n {4}at load \(plugin\.ts:1:\d+\)\n {4}at <anonymous> \(plugin\.ts:2:1\)$/,
      manifest,
      `const load = () => { throw new Error('no table'); };\nload();\n${plugin()}`,
    ],
    [
      'a rejected job at module scope',
      'module-scope',
      /log inside an action/,
      manifest,
      `Promise.resolve().then(() => console.log('late')).catch(() => {});\n${plugin()}`,
    ],
    [
      'a log at module scope, even when caught',
      'module-scope',
      /^Error: console at module scope[\s\S]*plugin\.ts:1:/,
      manifest,
      `try { console.log('hi'); } catch {}\n${plugin()}`,
    ],
    [
      'a request at module scope',
      'module-scope',
      /fetch is not defined/,
      manifest,
      `fetch('https://a/');\n${plugin()}`,
    ],
    [
      'no default export',
      'module-scope',
      /no plugin as its default export\. End it with: export default/,
      manifest,
      'export {};',
    ],
    ['a default export that is none', 'module-scope', /no plugin as its default export/, manifest, 'export default 7;'],
    ['an action without execute', 'module-scope', /the action act has no execute/, manifest, plugin('plan: () => 1')],
    ['another name', 'plugin', /says name "other", manifest\.json says "probe"/, manifest, plugin(undefined, 'other')],
    [
      'an action too many',
      'plugin',
      /^plugin\.ts has the action act, .*\nmanifest\.json has the action other, /,
      { ...manifest, actions: { other: action } },
      plugin(),
    ],
    [
      'a plan that was announced',
      'plugin',
      /says that act has plan, but plugin\.ts does not/,
      { ...manifest, actions: { act: { ...action, plan: true } } },
      plugin(),
    ],
    ['a rollback that was not', 'plugin', /set "rollback": true/, manifest, plugin('execute() {}, rollback() {}')],
    [
      'a check that is needed',
      'plugin',
      /has no check for it/,
      { ...manifest, actions: { act: { ...action, idempotent: 'check' } } },
      plugin(),
    ],
    [
      'a stage of the health check that was announced',
      'plugin',
      /has auth in healthCheck, but plugin\.ts does not have it/,
      { ...manifest, healthCheck: ['auth'] },
      plugin(),
    ],
    [
      'a stage of the health check that was not',
      'plugin',
      /has health, but manifest\.json does not say so: add it to "healthCheck"/,
      manifest,
      plugin().replace('actions:', 'health() {}, actions:'),
    ],
  ])('%s', async (_name, kind, message, manifestJson, source) => {
    const files = manifestJson === undefined ? {} : { 'manifest.json': manifestJson };
    const built = await buildPlugin(folder({ ...files, 'plugin.ts': source }));
    expect(built).toEqual({ ok: false, error: { kind, message: expect.stringMatching(message) } });
    expect(JSON.stringify(built)).not.toContain(scratch);
  });

  test('module scope that does not end', async () => {
    const directory = folder({ 'manifest.json': manifest, 'plugin.ts': `for (;;);\n${plugin()}` });
    const built = await buildPlugin(directory, { moduleScopeMs: 50 });
    expect(built).toMatchObject({ error: { kind: 'module-scope', message: expect.stringContaining('did not end') } });
  });
});

test('warns of globals that a cell does not have, once each, and leaves the program as it is', async () => {
  const source = `const now = () => ({ setTimeout: 1, fetch: (x) => x.fetch });
${plugin('execute: () => [typeof setTimeout, setTimeout, now(), globalThis.process, new URL("https://a/")]')}`;
  const { warnings } = await sealed(folder({ 'manifest.json': manifest, 'plugin.ts': source }));
  expect(warnings).toEqual([
    expect.stringMatching(/^plugin\.ts:3:\d+ uses setTimeout, which a cell does not have: a plugin has no timers/),
    expect.stringMatching(/^plugin\.ts:3:\d+ uses URL, which a cell does not have/),
  ]);
});

async function disassembled(wasm: Uint8Array): Promise<string> {
  const file = join(scratch, 'module.wasm');
  writeFileSync(file, wasm);
  const tool = join(dirname(require.resolve('binaryen/package.json')), 'bin', 'wasm-dis');
  await run(process.execPath, [tool, file, '-o', `${file}.wat`]);
  // The whole module: nothing that the text does not show.
  expect(readSections(wasm).map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 0, 0]);
  return readFileSync(`${file}.wat`, 'utf8');
}
