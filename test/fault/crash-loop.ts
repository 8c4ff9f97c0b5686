import { parseArgs } from 'node:util';
import { prepareAll } from '../../sdk/build/prepare.ts';
import { startGate } from '../service/gate.ts';
import { pause, seeded, startLoad } from './load.ts';
import { startPeople } from './people.ts';
import { defects, openPromises } from './promises.ts';
import { type FaultWorld, type Field, openFaultWorld } from './world.ts';

/**
 * Kills a kernel under load with SIGKILL, again and again, at moments that a seed chooses, and holds every promise
 * against the disk, the API and the world's own record after each. Alone: node test/fault/crash-loop.ts --kills 300
 */
export type CrashLoop = {
  readonly kills: number;
  readonly seed: number;
  readonly say: (line: string) => void;
};

export type Summary = {
  readonly kills: number;
  /** Of these, kernels that were killed before they listened. */
  readonly early: number;
  readonly events: number;
  readonly unanswered: number;
  readonly votes: number;
  readonly settlements: number;
  /** Attempts whose outcome a kill made unknown. */
  readonly cut: number;
  /** Requests for an effect that had been done, answered by the target without doing it again. */
  readonly repeats: number;
  readonly records: number;
  readonly startMs: { readonly median: number; readonly slowest: number };
  readonly seconds: number;
};

/** A world whose firewall is a little way off, so that many kills hit what is on its way there or back. */
export const openDistantWorld = (): Promise<FaultWorld> =>
  openFaultWorld({ between: (firewall) => startGate(firewall, () => 60 * Math.random()) });

/** Kills, and then a pause in which everything ends: else what is cut off again and again waits longer and longer. */
const ROUND = 30;

/** One event in six needs a person to agree, two in six may not be repeated. */
const FIELDS: readonly Field[] = ['deliver', 'once', 'deliver', 'contain', 'deliver', 'once'];

/** @throws AssertionError for a promise that was broken. */
export async function crashLoop(world: FaultWorld, { kills, seed, say }: CrashLoop): Promise<Summary> {
  const random = seeded(seed);
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1_000;
  const starts: number[] = [];
  let early = 0;
  let round = 0;
  let records = 0;
  // Stopped once in good order, so that the later starts find the sources compiled.
  await world.start();
  await world.kernel().end('SIGTERM');
  await world.start();
  const load = startLoad(
    world.api,
    3,
    () => 20 + 80 * random(),
    (n) => FIELDS[n % FIELDS.length] ?? 'deliver',
  );
  const people = startPeople(world);
  const promises = openPromises(world, load, people);
  try {
    for (let kill = 1; kill <= kills; kill++) {
      // By what was done and not by time alone, and nothing is sent while the checks are made: so a slow machine and a
      // fast one have as much to do for each kill.
      load.goOn();
      await load.more(Math.floor(6 * random()));
      await pause(100 * random());
      await world.kernel().end();
      load.rest();
      // One start in five is killed too, wherever it is: while it loads, while it recovers, or just listening.
      if (random() < 0.2 && kill < kills) {
        const victim = world.launch();
        await pause(100 + 500 * random());
        await victim.end();
        kill++;
        early++;
      }
      await promises.onDisk(`after kill ${kill}`);
      starts.push(await world.start());
      ({ records } = await promises.afterStart(`after kill ${kill}`));
      const said = defects(world);
      if (said.length > 0) throw new Error(`after kill ${kill} the kernel said: ${said.join('\n')}`);
      if (kill % 10 === 0)
        say(`${kill} kills, ${load.taken.size} events, ${records} records, ${seconds().toFixed(1)} s`);
      if (kill >= ROUND * (round + 1)) {
        round = Math.floor(kill / ROUND);
        await promises.settled();
      }
    }
    say(`no more kills after ${seconds().toFixed(1)} s; what is open may end`);
    const { cut, repeats } = await promises.atEnd();
    starts.sort((a, b) => a - b);
    return {
      kills,
      early,
      events: load.taken.size,
      unanswered: load.unanswered(),
      votes: people.voted.size,
      settlements: people.settled.size,
      cut,
      repeats,
      records,
      startMs: { median: starts[starts.length >> 1] ?? 0, slowest: starts.at(-1) ?? 0 },
      seconds: seconds(),
    };
  } finally {
    await people.stop();
  }
}

export function summaryText(of: Summary): string {
  const { kills, early, events, unanswered, votes, settlements, cut, repeats, records, startMs, seconds } = of;
  return [
    `killed ${kills} times, ${early} of them before it listened, in ${seconds.toFixed(0)} s`,
    `${events} events were taken (${unanswered} requests got no answer and were sent again), and each run ended as it should`,
    `${votes} votes and ${settlements} settlements were taken, and are on the record`,
    `${cut} attempts were cut off with an unknown outcome; ${repeats} effects were asked for again, none was done twice`,
    `${records} audit records, valid after every start; no run without a next move`,
    `a start took ${startMs.median.toFixed(0)} ms in the median, ${startMs.slowest.toFixed(0)} ms at most`,
  ].join('\n');
}

const HELP = `Usage: node_modules/.bin/node test/fault/crash-loop.ts [--kills N] [--seed N]

Kills a kernel under load N times (300 by default, about ten minutes) and checks after
each that nothing that was answered is lost, nothing was done twice or without an
intent on disk, every open run has a next move, and the audit log is valid. The load
follows the seed; where exactly a kill hits does not.

Exit status: 0 every promise was kept; 1 one was broken; 2 the command line is wrong.
`;

async function main(): Promise<number> {
  let values: { kills: string; seed: string; help: boolean };
  try {
    const options = {
      kills: { type: 'string', default: '300' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      help: { type: 'boolean', default: false },
    } as const;
    ({ values } = parseArgs({ options }));
  } catch (error) {
    process.stderr.write(`crash loop: ${(error as Error).message}\n\n${HELP}`);
    return 2;
  }
  const [kills, seed] = [Number(values.kills), Number(values.seed)];
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (!(Number.isInteger(kills) && kills >= 1 && kills <= 10_000 && Number.isInteger(seed) && seed >= 0)) {
    process.stderr.write('crash loop: --kills takes a whole number from 1 to 10000, --seed one from 0\n');
    return 2;
  }
  const say = (line: string) => void process.stderr.write(`crash loop (seed ${seed}): ${line}\n`);
  await prepareAll();
  const world = await openDistantWorld();
  try {
    process.stdout.write(`${summaryText(await crashLoop(world, { kills, seed, say }))}\n`);
    return 0;
  } catch (error) {
    say(`BROKEN: ${(error as Error).message}`);
    return 1;
  } finally {
    await world.close();
  }
}

if (import.meta.main) process.exit(await main());
