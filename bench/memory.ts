import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, withKernel } from './bench.ts';
import { openDriver } from './driver.ts';
import { type Figure, figure } from './figure.ts';
import { closedLoop } from './load.ts';
import { HAS_PROC, type Memory, readMemory, sumOf } from './usage.ts';

/**
 * Memory of the kernel and all its cells, each round in a fresh kernel: idle, some seconds after its start; loaded, the
 * most that was seen while W1 ran with 64 in flight.
 */
const IN_FLIGHT = 64;
const SAMPLE_MS = 250;

type Sample = { readonly kernel: Memory; readonly cells: Memory };
type Round = { readonly idle: Sample; readonly loaded: Sample };

export async function benchMemory(bench: Bench): Promise<Figure[]> {
  if (!HAS_PROC) throw new Error('memory is read from /proc/PID/smaps_rollup, which is not here: leave out this stage');
  const { rounds: wanted, idleMs, loadedMs } = bench.plan.memory;
  bench.say(`memory: ${wanted} times idle, then with ${IN_FLIGHT} in flight`);
  const rounds: Round[] = [];
  for (let i = 0; i < wanted; i++) rounds.push(await oneRound(bench, `memory-${i}`, idleMs, loadedMs));

  const of = (id: string, pick: (round: Round) => number) => figure(id, 'MiB', 'lower', rounds.map(pick));
  return (['idle', 'loaded'] as const).flatMap((when) => [
    of(`memory.${when}_mb`, (round) => total(round[when]).rss),
    of(`memory.${when}_kernel_mb`, (round) => round[when].kernel.rss),
    of(`memory.${when}_cells_mb`, (round) => round[when].cells.rss),
    of(`memory.${when}_pss_mb`, (round) => total(round[when]).pss),
  ]);
}

const total = ({ kernel, cells }: Sample): Memory => sumOf(kernel, cells);

const oneRound = (bench: Bench, name: string, idleMs: number, loadedMs: number): Promise<Round> =>
  withKernel(bench, name, 'query', async (kernel, site) => {
    await sleep(idleMs);
    const idle = readMemory(kernel);
    let loaded = idle;
    const driver = openDriver(kernel, site, bench.stub);
    const sampler = setInterval(() => {
      const now = readMemory(kernel);
      if (total(now).rss > total(loaded).rss) loaded = now;
    }, SAMPLE_MS);
    try {
      await closedLoop({ inFlight: IN_FLIGHT, warmMs: 0, rounds: 1, roundMs: loadedMs, work: driver.contain });
    } finally {
      clearInterval(sampler);
    }
    await driver.settle();
    driver.close();
    return { idle, loaded };
  });
