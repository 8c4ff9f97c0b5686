/** What a kernel does not start with: it says what to mend, ends with code 2, and does not hang. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { hostileModule } from '../hostile/hostile-module.ts';
import { copyPlugin, type KernelFolder, makeKernelFolder, writePlugin } from '../support/org-files.ts';

const MAIN = join(import.meta.dirname, '../../kernel/main.ts');

const folders: KernelFolder[] = [];
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await Promise.all(folders.splice(0).map((folder) => folder.remove()));
});

/** @returns the exit code and standard error of a kernel on this configuration. */
async function start(folder: KernelFolder): Promise<{ readonly code: number | null; readonly said: string }> {
  const child = spawn(process.execPath, [MAIN, '--config', folder.config], { stdio: ['ignore', 'ignore', 'pipe'] });
  children.push(child);
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const said = await text(child.stderr);
  return { code: await ended, said };
}

async function folderOf(plugins: readonly string[] = []): Promise<KernelFolder> {
  const folder = await makeKernelFolder('refused', [{ id: 'acme', plugins, egress: [] }]);
  folders.push(folder);
  return folder;
}

const change = async (file: string, by: (document: Record<string, unknown>) => object) =>
  writeFile(file, JSON.stringify(by(JSON.parse(await readFile(file, 'utf8')))));

describe('a kernel does not start', () => {
  it('with a manifest that was edited after the plugin was sealed', async () => {
    const folder = await folderOf();
    const plugin = join(folder.path, 'http-json');
    await copyPlugin('http-json', plugin);
    await change(join(plugin, 'manifest.json'), (manifest) => ({ ...manifest, title: 'Asks, and nothing else' }));
    await change(folder.config, (config) => {
      const [org] = config['orgs'] as readonly object[];
      return { ...config, orgs: [{ ...org, plugins: [plugin] }] };
    });
    const { code, said } = await start(folder);
    expect([code, said]).toEqual([2, expect.stringMatching(/^interlock: http-json .*seal the plugin again with npx/m)]);
  });

  it('with a plugin that says something else of itself than its manifest', async () => {
    const folder = await folderOf();
    // It says what it is given, and the kernel gives it an empty object.
    const module = await hostileModule('describes');
    const plugin = await writePlugin(
      folder.path,
      {
        apiVersion: 'interlock/plugin/v1',
        name: 'foreign',
        version: '1.0.0',
        title: 'From another toolchain',
        capabilities: { http: true },
        actions: { look: { title: 'Look', types: ['enrich'], effect: 'read', input: {}, output: {} } },
      },
      module,
    );
    await change(folder.config, (config) => {
      const [org] = config['orgs'] as readonly object[];
      return { ...config, orgs: [{ ...org, plugins: [plugin] }] };
    });
    const { code, said } = await start(folder);
    expect([code, said]).toEqual([
      2,
      expect.stringMatching(
        /^interlock: foreign is not installed: what its module says of itself .* docs\/plugins\.md/m,
      ),
    ]);
  });

  it.skipIf(process.platform !== 'linux').each(['/proc/nope', '/proc/nope/deeper', '/dev/null', '/dev/null/below'])(
    'with its data in %s',
    async (data) => {
      const folder = await folderOf();
      await change(folder.config, (config) => ({ ...config, data }));
      const { code, said } = await start(folder);
      expect([code, said]).toEqual([2, expect.stringMatching(`^interlock: ${data} cannot be made`)]);
    },
  );
});
