import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { loadBase } from './base.ts';
import { type BuiltPlugin, buildPlugin } from './build-plugin.ts';

/**
 * Makes everything that is built and not committed: the base of sealed plugins, and the plugins of this repository.
 * `npm ci` runs it; what is there already and still right is kept (the base) or made again in milliseconds (plugins).
 */

const ROOT = join(import.meta.dirname, '..', '..');
/** Folders of plugin folders. The SDK may be installed without any. */
const PLUGIN_FOLDERS = ['plugins', 'bench/plugins'];

/**
 * @param say Called with one line per thing made, and with every warning.
 * @throws Error that names the plugin and what is wrong with it, after the first that cannot be sealed.
 */
export async function prepareAll(say: (line: string) => void = () => {}): Promise<readonly BuiltPlugin[]> {
  const started = performance.now();
  const seconds = () => `${((performance.now() - started) / 1_000).toFixed(1)} s`;
  let built = false;
  const { baseDigest } = await loadBase(() => {
    built = true;
    say('interlock: building the base of sealed plugins, once');
  });
  say(`interlock: base ${baseDigest.slice(0, 19)} ${built ? `built in ${seconds()}` : 'is there'}`);

  const plugins: BuiltPlugin[] = [];
  for (const directory of await pluginDirectories()) {
    const outcome = await buildPlugin(directory);
    if (!outcome.ok)
      throw new Error(`${directory} cannot be sealed (${outcome.error.kind}).\n${outcome.error.message}`);
    const { name, version, digest, bytes, warnings } = outcome.value;
    for (const warning of warnings) say(`interlock: warning: ${directory}/${warning}`);
    say(`interlock: sealed ${name} ${version} ${digest.slice(0, 19)} ${Math.round(bytes / 1024)} KiB`);
    plugins.push(outcome.value);
  }
  return plugins;
}

async function pluginDirectories(): Promise<readonly string[]> {
  const found: string[] = [];
  for (const folder of PLUGIN_FOLDERS.map((path) => join(ROOT, path)).filter(existsSync)) {
    for (const name of (await readdir(folder)).sort()) {
      if (existsSync(join(folder, name, 'manifest.json'))) found.push(join(folder, name));
    }
  }
  return found;
}

if (import.meta.main) {
  try {
    await prepareAll((line) => console.error(line));
  } catch (error) {
    console.error(`interlock: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}
