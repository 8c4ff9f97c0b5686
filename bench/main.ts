import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { prepareAll } from '../sdk/build/prepare.ts';
import type { Bench } from './bench.ts';
import { benchCell } from './cell.ts';
import { killChildren, startStubProcess } from './child.ts';
import { benchContain } from './contain.ts';
import { type Figure, faultsOf, STAGES, type StageName } from './figure.ts';
import { benchMemory } from './memory.ts';
import { benchNonMatching } from './non-matching.ts';
import { planOf } from './plan.ts';
import { profileText } from './profile.ts';
import { machine, machineLine, type Report, table } from './report.ts';
import { openScratch } from './site.ts';
import { benchStart } from './start.ts';
import { STUB_FAULTS } from './stub.ts';

/** `npm run bench`: measures the kernel as a process of its own, with a stub and a driver beside it. */
const HELP = `Usage: npm run bench -- [options]

Measures this checkout on this machine: the kernel as in production (a process of
its own, cells in processes of theirs, every commit on disk), a stub as the world
outside, and a driver, all on 127.0.0.1. About 3 minutes; with --quick 1 minute.

Stages (all by default):
  W1      an event starts a run of three steps: a transform in a cell, one POST
          through the broker, a state update. Runs/s with 64 in flight; latency
          at 50/s and at 500/s; CPU time per run
  W2      events that match no trigger, 64 in flight
  start   from the spawn of the kernel to the first 200 of /healthz
  memory  of the kernel and its cells, idle and under W1
  cell    calls of one cell, without the kernel around it

Options:
  --only STAGE     one stage; may be repeated
  --quick          shorter rounds and fewer of them
  --json FILE      also write { machine, results } there
  --profile DIR    leave a CPU profile of the kernel for each load there (open it
                   with Chrome DevTools) and print where the time went
  --scale F        all times times F, from 0.01 to 10; below 1 only to try the bench
  --fault FAULT    plant a fault, to see that the bench notices:
                   ${STUB_FAULTS.join(', ')}
  --help           this text

Each figure is the median over its rounds. The spread is half the range of the
rounds relative to that median. Latency counts from the time at which an event was
to be sent, whether or not the driver or the kernel were ready for it.

Exit status: 0 measured; 1 a run did not complete, an answer was wrong, or a
figure cannot be; 2 the command line was wrong. A missed goal is no error.
`;

const OPTIONS = {
  only: { type: 'string', multiple: true },
  quick: { type: 'boolean', default: false },
  json: { type: 'string' },
  profile: { type: 'string' },
  scale: { type: 'string', default: '1' },
  fault: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;

const say = (line: string): void => void process.stderr.write(`bench: ${line}\n`);

const STAGE: Readonly<Record<StageName, (bench: Bench) => Promise<Figure[]>>> = {
  W1: benchContain,
  W2: benchNonMatching,
  start: benchStart,
  memory: benchMemory,
  cell: cellStage,
};

async function cellStage({ plan, say: tell }: Bench): Promise<Figure[]> {
  const { rounds, roundMs } = plan.cell;
  tell('cell: one cell without the kernel around it');
  const results = await benchCell({ seconds: (rounds * roundMs) / 1_000 });
  // It gives the whole range relative to the median.
  return results.map((result) => ({ ...result, spread: result.spread / 2 }));
}

async function measure(stages: readonly StageName[], bench: Bench): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const stage of stages) {
    const given = await STAGE[stage](bench);
    const [fault] = faultsOf(stage, given);
    if (fault !== undefined) throw new Error(`the bench itself is wrong: ${fault}`);
    figures.push(...given);
  }
  return figures;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const unknown = values.only?.find((name) => !STAGES.includes(name as StageName));
  if (unknown !== undefined) return refuse(`--only ${unknown}: the stages are ${STAGES.join(', ')}`);
  const scale = Number(values.scale);
  if (!(scale >= 0.01 && scale <= 10)) return refuse('--scale takes a number from 0.01 to 10');
  const { fault, json, quick } = values;
  if (fault !== undefined && !STUB_FAULTS.includes(fault as (typeof STUB_FAULTS)[number]))
    return refuse(`--fault takes one of ${STUB_FAULTS.join(', ')}`);
  const stages = STAGES.filter((name) => values.only === undefined || values.only.includes(name));
  const profile = values.profile && resolve(values.profile);

  await prepareAll();
  const here = machine();
  say(machineLine(here));
  const scratch = await openScratch();
  try {
    const stub = await startStubProcess(fault);
    const bench: Bench = { plan: planOf(quick, scale), folder: scratch.folder, stub, profile, say };
    const results = await measure(stages, bench);
    await stub.stop();
    process.stdout.write(`${table(results)}\n`);
    if (profile) process.stdout.write(await profileText(profile));
    if (json !== undefined) await writeReport(json, { machine: here, results });
    return 0;
  } catch (error) {
    say(`failed: ${(error as Error).message.slice(0, 4_000)}`);
    return 1;
  } finally {
    killChildren();
    await scratch.remove();
  }
}

async function writeReport(file: string, report: Report): Promise<void> {
  await mkdir(dirname(resolve(file)), { recursive: true });
  await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
}

function refuse(why: string): number {
  process.stderr.write(`bench: ${why}\n\n${HELP}`);
  return 2;
}

if (import.meta.main) {
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => process.exit(130));
  process.on('exit', killChildren);
  try {
    process.exitCode = await main();
  } catch (error) {
    // parseArgs says in its message which argument it did not know.
    process.exitCode = refuse((error as Error).message);
  }
  process.exit();
}
