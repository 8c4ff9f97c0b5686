import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { BuiltPlugin } from '../build/build-plugin.ts';
import type { Plugin } from '../client/client.ts';
import { act, withExamples } from './act.ts';
import { addPluginLock } from './command-plugin-lock.ts';
import { addPluginSign } from './command-plugin-sign.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, fine, no, refuse } from './ending.ts';
import { shortDigest } from './form.ts';
import { fileFault, folderFault } from './input.ts';
import { clean, note, say, sayJson, table } from './print.ts';
import { type Globals, openSession } from './session.ts';
import { typed } from './typed.ts';

/** `interlock plugin`: what the org may use, and what an author of plugins does. */
export function addPlugin(program: Command): void {
  const plugin = program
    .command('plugin')
    .description('list the plugins of the org; seal, inspect, lock, sign and verify plugins');
  withExamples(plugin, ['interlock plugin list', 'interlock plugin build plugins/edge-firewall']);

  withExamples(
    plugin
      .command('list')
      .description(
        'plugins of the org: their actions with their parameters, and whether the egress policy has a grant',
      ),
    ['interlock plugin list', 'interlock plugin list --json'],
    'REPEAT says what makes a repeat of a write safe. Without a grant, nothing that a plugin asks for leaves.\n' +
      'PARAMETERS are what a step gives under `with`; those in brackets may be left out.',
  ).action((_options, command: Command) => act(listPlugins(command.optsWithGlobals())));

  withExamples(
    plugin
      .command('build')
      .description('seal plugin.ts and manifest.json of each folder into dist/plugin.wasm; needs no server')
      .argument('<dir...>', 'folders that hold plugin.ts and manifest.json'),
    ['interlock plugin build plugins/edge-firewall', 'interlock plugin build plugins/* --json'],
    'Types are taken off, not checked. The same sources give the same bytes, so that the printed digest can be compared.\n' +
      'Exit codes: 0 all are sealed, 1 one of them cannot be, 2 one is not the folder of a plugin.',
  ).action((dirs: string[], _options, command: Command) => act(buildPlugins(dirs, command.optsWithGlobals())));

  withExamples(
    plugin
      .command('locate')
      .description('say where in plugin.ts a fault of a run arose; needs no server')
      .argument('<dir>', 'folder of the plugin, as it was built')
      .argument('<text>', 'what a run says, or a place in it such as plugin.js:79:35'),
    [
      'interlock plugin locate plugins/edge-firewall plugin.js:79:35',
      'interlock plugin locate plugins/edge-firewall "TypeError: not a function at execute (plugin.js:79:35)"',
    ],
    'Exit codes: 0 the text with places in the source, 1 the module knows no place in it, 2 there is no sealed module.',
  ).action((dir: string, text: string, _options, command: Command) =>
    act(locate(dir, text, command.optsWithGlobals())),
  );
  addPluginLock(plugin);
  addPluginSign(plugin);
}

async function listPlugins(options: Globals): Promise<Ending> {
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.plugins();
  if (!answer.ok) return complain(answer.error, session.value);
  const { data } = answer.value;
  if (options.json) sayJson(data);
  else if (data.length === 0) say('no plugins');
  else
    say(
      table(
        ['ACTION', 'TYPES', 'EFFECT', 'REPEAT', 'VERSION', 'DIGEST', 'GRANT', 'PARAMETERS'],
        data.flatMap(actionRows),
      ),
    );
  if (!options.json) for (const one of data) sayTrust(one);
  return fine;
}

/** Servers of before do not say. */
function sayTrust({ name, may, signer, locked }: Plugin): void {
  if (may === undefined) return;
  const by = signer ? `signed by ${clean(signer, 63)}` : 'not signed';
  say(`\n${clean(name, 63)}: ${by}, ${locked ? 'locked' : 'not locked'}`);
  for (const sentence of may.slice(0, 100)) say(`  ${clean(sentence, 500)}`);
}

const actionRows = ({ name, version, digest, granted, actions }: Plugin): string[][] =>
  actions.map(({ action, types, effect, idempotent, parameters = [] }) => [
    clean(`${name}/${action}`, 130),
    types.map((type) => clean(type, 20)).join(', '),
    clean(effect, 20),
    effect === 'write' ? clean(idempotent, 20) : '-',
    clean(version, 40),
    shortDigest(digest),
    granted ? 'yes' : 'no',
    parameters.map((one) => clean(one.required ? one.name : `[${one.name}]`, 64)).join(' '),
  ]);

async function buildPlugins(dirs: readonly string[], { json }: Globals): Promise<Ending> {
  // All of them first: what is not a plugin's folder is wrong use, whatever the others hold.
  const faults = (await Promise.all(dirs.map(pluginFolderFault))).filter((fault) => fault !== undefined);
  if (faults.length > 0)
    return cannot('name folders that hold plugin.ts and manifest.json. Nothing was sealed.', faults);
  // Brings a bundler and an optimizer along: only here.
  const { buildPlugin } = await import('../build/build-plugin.ts');
  const { faultOfFeatures } = await import('../build/features.ts');
  const built: BuiltPlugin[] = [];
  for (const dir of dirs) {
    const outcome = await buildPlugin(dir);
    if (!outcome.ok) {
      note(`interlock: ${clean(dir, 200)} cannot be sealed (${outcome.error.kind}).`);
      for (const line of outcome.error.message.split('\n').slice(0, 50)) note(`  ${clean(line)}`);
      continue;
    }
    const fault = await faultOfFeatures(await readFile(outcome.value.wasmPath));
    if (fault !== undefined) {
      note(`interlock: ${clean(dir, 200)} is sealed, and no kernel takes it: ${clean(fault)}.`);
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

async function locate(dir: string, text: string, { json }: Globals): Promise<Ending> {
  const path = join(dir, 'dist', 'plugin.wasm');
  const fault = await fileFault(path);
  if (fault !== undefined) return cannot(typed`${fault}. Build the plugin first: interlock plugin build`);
  const { mapStack, sourceMapOf } = await import('../build/map-stack.ts');
  const bytes = await readFile(path);
  const module = await WebAssembly.compile(bytes).catch(() => undefined);
  const sourceMap = module && sourceMapOf(module);
  if (sourceMap === undefined)
    return cannot(typed`${clean(path, 200)} carries no source map. Build the plugin again: interlock plugin build`);
  const located = mapStack(text, sourceMap);
  if (located === text) return refuse('no place in this text is one of the plugin, as plugin.js:79:35 is.');
  if (json) sayJson({ text: located });
  else for (const line of located.split('\n')) say(clean(line, 2_000));
  return fine;
}

const pluginFolderFault = async (dir: string): Promise<string | undefined> =>
  (await folderFault(dir)) ??
  (await fileFault(join(dir, 'manifest.json'))) ??
  (await fileFault(join(dir, 'plugin.ts')));
