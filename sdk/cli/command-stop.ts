import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { StopState } from '../client/client.ts';
import { act, withExamples } from './act.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, fine, ok, type Result } from './ending.ts';
import { folderFault } from './input.ts';
import { clean, exact, fields, say, sayJson, when } from './print.ts';
import { type Globals, openSession } from './session.ts';

/** `interlock stop`: the switch for the day on which nothing may be sent any more. */
type Options = Globals & { readonly reason?: string; readonly all?: true; readonly data?: string };

export function addStop(program: Command): void {
  const stop = program
    .command('stop')
    .description('stop the org, or the whole machine: nothing is sent any more')
    .option('--reason <text>', '(required to stop) why; everyone who asks is shown it')
    .option('--all', 'every org of this machine, by a file in the data folder; needs no server')
    .option('--data <folder>', '(required with --all) data folder of the kernel');
  withExamples(
    stop,
    [
      'interlock stop --reason "the playbook bans our own resolvers"',
      'interlock stop show',
      'interlock stop release',
      'interlock stop --all --data /var/lib/interlock --reason "intruder in the network of the kernel"',
      'interlock stop release --all --data /var/lib/interlock',
    ],
    'Calls under way are cut off; what they may have changed is recorded as indeterminate. Events are taken in and start no\n' +
      'run. Runs under way wait, and go on after the release, unless they reach their own timeout before.\n' +
      'To stop what is stopped changes nothing: the first reason stays.',
  ).action((_options, command: Command) => act(engage(command.optsWithGlobals())));

  withExamples(stop.command('release').description('let go: what waited goes on'), [
    'interlock stop release',
    'interlock stop release --all --data /var/lib/interlock',
  ]).action((_options, command: Command) => act(release(command.optsWithGlobals())));

  withExamples(stop.command('show').description('whether the org is stopped: by whom, since when, and why'), [
    'interlock stop show',
    'interlock stop show --json',
  ]).action((_options, command: Command) => act(show(command.optsWithGlobals())));
}

async function engage(options: Options): Promise<Ending> {
  const { reason, all, json } = options;
  if (reason === undefined || reason.trim() === '') return cannot('say why, for everyone who will ask: --reason "..."');
  if (all) {
    const file = await machineFile(options);
    if (!file.ok) return file;
    const fault = await writeFile(file.value, `${reason}\n`, { flag: 'wx', mode: 0o644 }).catch(codeOf);
    if (fault === 'EEXIST') return toldMachine(file.value, true, json, 'was stopped before; the first reason stays');
    if (fault !== undefined) return cannot(`${clean(file.value, 300)} cannot be written (${fault}).`);
    return toldMachine(file.value, true, json, 'is stopped: the kernel on this data folder sends nothing any more');
  }
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.stop({ reason });
  if (!answer.ok) return complain(answer.error, session.value);
  const { changed } = answer.value;
  const what =
    changed === false ? 'was stopped before; the first reason stays' : 'is stopped: nothing is sent any more';
  if (json) sayJson(answer.value);
  else say(`${session.value.org} ${what}\n${standing(answer.value)}`);
  return fine;
}

async function release(options: Options): Promise<Ending> {
  const { all, json } = options;
  if (all) {
    const file = await machineFile(options);
    if (!file.ok) return file;
    const fault = await rm(file.value).catch(codeOf);
    if (fault === 'ENOENT') return toldMachine(file.value, false, json, 'was not stopped');
    if (fault !== undefined) return cannot(`${clean(file.value, 300)} cannot be removed (${fault}).`);
    return toldMachine(file.value, false, json, 'is released');
  }
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.releaseStop();
  if (!answer.ok) return complain(answer.error, session.value);
  const { stopped, changed } = answer.value;
  if (json) sayJson(answer.value);
  else {
    say(`${session.value.org} ${changed === false ? 'was not stopped' : 'is released'}`);
    if (stopped) say(`the machine is still stopped\n${standing(answer.value)}`);
  }
  return fine;
}

async function show(options: Options): Promise<Ending> {
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.stopState();
  if (!answer.ok) return complain(answer.error, session.value);
  if (options.json) sayJson(answer.value);
  else if (answer.value.stopped) say(`${session.value.org} is stopped\n${standing(answer.value)}`);
  else say(`${session.value.org} is not stopped`);
  return fine;
}

/** The switches that are engaged. */
const standing = ({ org, machine }: StopState): string =>
  [
    ['org', org],
    ['machine', machine],
  ]
    .flatMap(([name, stop]) => {
      if (typeof stop !== 'object' || stop === null || stop.released !== null) return [];
      const { by, at, reason } = stop;
      return [
        fields([
          ['switch', `${name}`],
          ['by', clean(by, 310)],
          ['since', when(at)],
          ['reason', exact(reason, 2_000)],
        ]),
      ];
    })
    .join('\n');

async function machineFile({ data }: Options): Promise<Result<string>> {
  if (data === undefined) return cannot('with --all, name the data folder of the kernel: --data FOLDER');
  // In another folder the file would stop nothing, and whoever wrote it would not know.
  const fault = (await folderFault(data)) ?? (await folderFault(join(data, 'record')));
  return fault === undefined ? ok(join(data, 'STOP')) : cannot(`this is no data folder of a kernel: ${fault}.`);
}

function toldMachine(file: string, stopped: boolean, json: boolean | undefined, text: string): Ending {
  if (json) sayJson({ stopped, file });
  else say(`the machine ${text} (${clean(file, 300)})`);
  return fine;
}

const codeOf = (error: NodeJS.ErrnoException): string => error.code ?? 'unknown';
