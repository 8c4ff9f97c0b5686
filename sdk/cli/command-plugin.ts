import type { Command } from 'commander';
import type { BuiltPlugin } from '../build/build-plugin.ts';
import { act, withExamples } from './act.ts';
import { type Ending, fine, no } from './ending.ts';
import { clean, note, say, sayJson, table } from './print.ts';
import type { Globals } from './session.ts';

/** `interlock plugin`: what an author of plugins does. Needs no server. */
export function addPlugin(program: Command): void {
  const plugin = program.command('plugin').description('seal plugins into WebAssembly modules (no server needed)');
  withExamples(plugin, ['interlock plugin build plugins/crowdsec']);

  withExamples(
    plugin
      .command('build')
      .description('seal plugin.ts and manifest.json of each folder into dist/plugin.wasm')
      .argument('<dir...>', 'folders that hold plugin.ts and manifest.json'),
    ['interlock plugin build plugins/crowdsec', 'interlock plugin build plugins/* --json'],
    'The same sources give the same bytes, so that the printed digest can be compared.\n' +
      'Exit codes: 0 all are sealed, 1 one of them cannot be.',
  ).action((dirs: string[], _options, command: Command) => act(buildPlugins(dirs, command.optsWithGlobals())));
}

async function buildPlugins(dirs: readonly string[], { json }: Globals): Promise<Ending> {
  // Brings a bundler and an optimizer along: only here.
  const { buildPlugin } = await import('../build/build-plugin.ts');
  const built: BuiltPlugin[] = [];
  for (const dir of dirs) {
    const outcome = await buildPlugin(dir);
    if (!outcome.ok) {
      note(`interlock: ${clean(dir, 200)} cannot be sealed (${outcome.error.kind}).`);
      for (const line of outcome.error.message.split('\n').slice(0, 50)) note(`  ${clean(line)}`);
      continue;
    }
    built.push(outcome.value);
    for (const warning of outcome.value.warnings) note(`interlock: warning: ${clean(dir, 200)}/${clean(warning)}`);
  }
  if (json) sayJson(built);
  else if (built.length > 0) {
    const rows = built.map(({ name, version, digest, bytes }) => [
      name,
      version,
      `${Math.ceil(bytes / 1024)} KiB`,
      digest,
    ]);
    say(table(['PLUGIN', 'VERSION', 'SIZE', 'DIGEST'], rows));
  }
  return built.length === dirs.length ? fine : no;
}
