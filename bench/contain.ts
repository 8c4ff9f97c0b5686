import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, withKernel } from './bench.ts';
import type { KernelProcess } from './child.ts';
import { type Driver, openDriver } from './driver.ts';
import { type Figure, figure } from './figure.ts';
import { closedLoop, openLoop } from './load.ts';
import type { Rounds } from './plan.ts';
import type { Post } from './site.ts';
import { quantile } from './statistics.ts';
import { type Cpu, readCpu, used } from './usage.ts';

/**
 * W1 "contain": an event of about 1 KB matches the one trigger and starts a run of three steps: shape the event in a
 * cell, post to the stub through the broker, set the state of the incident. A run is over when its end was read back
 * over HTTP, which shows only what is on disk.
 */
const IN_FLIGHT = 64;

export async function benchContain(bench: Bench): Promise<Figure[]> {
  const { plan, say, stub } = bench;
  const figures = await withKernel(bench, 'contain', 'query', async (kernel, site) => {
    const driver = openDriver(kernel, site, stub);
    const closed = await saturate(bench, kernel, driver, 'W1.', plan.warmMs, plan.closed);
    const slow = await atRate(bench, driver, 50, plan.slow);
    const fast = await atRate(bench, driver, 500, plan.fast);
    driver.close();
    return [...closed, ...slow, ...fast];
  });
  say('W1 with a secret in the request of the second step, and with webhook/deliver there, for information');
  return [...figures, ...(await variant(bench, 'secret')), ...(await variant(bench, 'deliver'))];
}

/** The same workload with another second step. */
const variant = (bench: Bench, post: Post): Promise<Figure[]> =>
  withKernel(bench, post, post, async (kernel, site) => {
    const driver = openDriver(kernel, site, bench.stub);
    const figures = await saturate(bench, kernel, driver, `W1.${post}_`, bench.plan.warmMs, bench.plan.variant);
    driver.close();
    return figures.filter(({ id }) => /runs_per_s|kernel_cpu|cells_cpu/.test(id));
  });

/** As many runs as the kernel can do with 64 of them under way, and what each costs. */
async function saturate(
  bench: Bench,
  kernel: KernelProcess,
  driver: Driver,
  prefix: string,
  warmMs: number,
  rounds: Rounds,
): Promise<Figure[]> {
  bench.say(`${prefix}runs_per_s: ${IN_FLIGHT} in flight`);
  const edges: (Cpu | undefined)[] = [];
  const atEdge = () => void edges.push(readCpu(kernel, bench.stub));
  const load = await closedLoop({ inFlight: IN_FLIGHT, warmMs, ...rounds, work: driver.contain, atEdge });
  await driver.settle();
  const rates = load.rounds.map(({ done, seconds }) => done / seconds);
  const p99 = load.rounds.map(({ latencies }) => quantile(latencies, 0.99));
  return [
    figure(`${prefix}runs_per_s`, 'runs/s', 'higher', rates),
    figure(`${prefix}p99_ms_at_64_in_flight`, 'ms', 'lower', p99),
    ...costs(
      prefix,
      load.rounds.map(({ done }) => done),
      edges,
    ),
  ];
}

/** CPU time per run of each process, and the share of the processors that other work took meanwhile. */
function costs(prefix: string, done: readonly number[], edges: readonly (Cpu | undefined)[]): Figure[] {
  const uses = done.flatMap((runs, i) => {
    const [from, to] = [edges[i], edges[i + 1]];
    return from && to ? [{ runs, ...used(from, to) }] : [];
  });
  if (uses.length === 0) return [];
  const perRun = (id: string, name: 'kernel' | 'cells' | 'stub' | 'driver') =>
    figure(
      `${prefix}${id}`,
      'ms/run',
      'lower',
      uses.map((use) => use[name] / use.runs),
    );
  return [
    perRun('kernel_cpu_ms', 'kernel'),
    perRun('cells_cpu_ms', 'cells'),
    perRun('stub_cpu_ms', 'stub'),
    perRun('driver_cpu_ms', 'driver'),
    figure(
      `${prefix}others_cpu_percent`,
      '%',
      'lower',
      uses.map(({ others }) => others * 100),
    ),
  ];
}

/** Latency at a fixed rate, from the time at which each event was to be sent to the answer that shows the run's end. */
async function atRate(bench: Bench, driver: Driver, rate: number, { rounds, roundMs }: Rounds): Promise<Figure[]> {
  bench.say(`W1 at ${rate}/s`);
  const latencies: (readonly number[])[] = [];
  const lateness: number[] = [];
  for (let i = 0; i < rounds; i++) {
    await sleep(bench.plan.pauseMs);
    const round = await openLoop({ rate, durationMs: roundMs, work: driver.contain });
    await driver.settle();
    latencies.push(round.latencies);
    lateness.push(...round.lateness);
  }
  bench.say(`  the driver itself was ${quantile(lateness, 0.99).toFixed(1)} ms late at p99; that is in the latencies`);
  return [50, 95, 99].map((p) =>
    figure(
      `W1.p${p}_ms_at_${rate}`,
      'ms',
      'lower',
      latencies.map((round) => quantile(round, p / 100)),
    ),
  );
}
