import { readdir, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { prepareAll } from '../sdk/build/prepare.ts';
import type { Bench } from './bench.ts';
import { benchCell } from './cell.ts';
import { killChildren, startStubProcess } from './child.ts';
import { benchContain } from './contain.ts';
import { type Figure, faultsOf, type StageName } from './figure.ts';
import { benchHistory } from './history.ts';
import { benchLoop } from './loop.ts';
import { benchMemory } from './memory.ts';
import { benchNeighbour } from './neighbour.ts';
import { benchNonMatching } from './non-matching.ts';
import { HELP, type Options, readOptions } from './options.ts';
import { planOf } from './plan.ts';
import { profileText } from './profile.ts';
import { machine, machineLine, type Report, table } from './report.ts';
import { openScratch } from './site.ts';
import { benchStart } from './start.ts';
import { STUB_FAULTS } from './stub.ts';
import { benchTriggers } from './triggers.ts';

/** `npm run bench`: measures the kernel as a process of its own, with a stub and a driver beside it. */
const STAGE: Readonly<Record<StageName, (bench: Bench) => Promise<Figure[]>>> = {
  W1: benchContain,
  W2: async (bench) => [...(await benchNonMatching(bench)), ...(await benchTriggers(bench))],
  W5: benchNeighbour,
  start: benchStart,
  memory: benchMemory,
  cell: cellStage,
  history: benchHistory,
  loop: benchLoop,
};

async function cellStage({ plan, say: tell }: Bench): Promise<Figure[]> {
  const { rounds, roundMs } = plan.cell;
  tell('cell: one cell without the kernel around it');
  return benchCell({ seconds: (rounds * roundMs) / 1_000 });
}

const say = (line: string): void => void process.stderr.write(`bench: ${line}\n`);

async function measure(stages: readonly StageName[], bench: Bench): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const stage of stages) {
    const given = await STAGE[stage](bench);
    const [fault] = faultsOf(stage, given);
    if (fault !== undefined) throw new Error(fault);
    figures.push(...given);
  }
  return figures;
}

/** @throws Error when something measured was wrong: then there are no figures. */
async function run({ stages, quick, scale, json, profile, fault }: Options, folder: string): Promise<void> {
  await prepareAll();
  const here = machine();
  say(machineLine(here));
  const stub = await startStubProcess(STUB_FAULTS.find((one) => one === fault));
  const bench: Bench = { plan: planOf(quick, scale), folder, stub, profile: profile && resolve(profile), fault, say };
  const results = await measure(stages, bench);
  await stub.stop();
  process.stdout.write(`${table(results)}\n`);
  if (bench.profile) process.stdout.write(await profileText(bench.profile));
  if (json !== undefined) await writeReport(json, { machine: here, results });
}

const writeReport = (file: string, report: Report): Promise<void> =>
  writeFile(file, `${JSON.stringify(report, null, 2)}\n`);

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  const wrong =
    'wrong' in options ? options.wrong : ((await profileFault(options.profile)) ?? (await reportFault(options.json)));
  if (wrong !== undefined || 'wrong' in options) {
    process.stderr.write(`bench: ${wrong}\nsee npm run bench -- --help\n`);
    return 2;
  }
  const scratch = openScratch();
  process.on('exit', () => {
    killChildren();
    scratch.remove();
  });
  try {
    await run(options, scratch.folder);
    return 0;
  } catch (error) {
    say(`failed: ${(error as Error).message.slice(0, 6_000)}`);
    return 1;
  }
}

/** Older profiles in the folder would be taken for those of this run. */
async function profileFault(folder: string | undefined): Promise<string | undefined> {
  const there = folder === undefined ? [] : await readdir(folder).catch(() => []);
  return there.length === 0 ? undefined : '--profile: the folder is not empty; name a new one';
}

/** Seen before anything is measured: minutes later it would be too late. A misspelt path makes no folder. */
async function reportFault(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const folder = await stat(dirname(resolve(file))).catch(() => undefined);
  return folder?.isDirectory() ? undefined : '--json: the folder of the file does not exist; make it, or name another';
}

if (import.meta.main) {
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => process.exit(130));
  process.exit(await main());
}
