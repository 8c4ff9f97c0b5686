import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { startKernelProcess, startNoiseProcess, startStubProcess } from './child.ts';
import { type Driver, openDriver } from './driver.ts';
import { type Figure, figure } from './figure.ts';
import { openLoop } from './load.ts';
import { setUpSites } from './site.ts';
import { median, quantile } from './statistics.ts';

/**
 * W5 "neighbour": what a quiet org hears of a noisy one. Two deployments alike, each with both orgs. In both the quiet one
 * starts runs of W1 at a fixed low rate; in one of them the noisy one sends as many events as it can, and its target takes
 * its time. The ratio of the quiet org's p99 is the figure.
 *
 * Rounds take turns, and the noise is halted with its kernel while the other one is measured: what the machine itself does
 * in those seconds, above all its disk, then falls on both sides alike.
 */
const RATE = 20;
const SLOW_MS = 100;

export async function benchNeighbour(bench: Bench): Promise<Figure[]> {
  const { plan, say } = bench;
  const slow = await startStubProcess(undefined, SLOW_MS);
  const calm = await startDeployment(bench, slow.port, 'calm');
  const loud = await startDeployment(bench, slow.port, 'loud');
  const { rounds, roundMs } = plan.neighbour;

  say(`W5: ${RATE}/s of a quiet org, ${rounds} rounds alone and as many beside a noisy neighbour, in turns`);
  await p99Of(calm.driver, plan.warmMs);
  await p99Of(loud.driver, plan.warmMs);
  const noise = await startNoiseProcess(loud.kernel.url, loud.noisy);
  await p99Of(loud.driver, plan.warmMs);
  const halted = [noise.halt, loud.kernel.halt];
  const alone: number[] = [];
  const beside: number[] = [];
  let loudMs = plan.warmMs;
  for (let i = 0; i < rounds; i++) {
    for (const { begin } of halted) begin();
    alone.push(await p99Of(calm.driver, roundMs));
    for (const { end } of halted) end();
    const since = performance.now();
    await sleep(plan.pauseMs);
    beside.push(await p99Of(loud.driver, roundMs));
    loudMs += performance.now() - since;
  }
  const { taken, refused } = await noise.stop();
  say(`  of the noise ${taken} events were taken and ${refused} turned away`);
  for (const { driver, kernel } of [calm, loud]) {
    driver.close();
    await kernel.stop();
  }
  await slow.stop();
  const base = median(alone);
  return [
    figure(
      'W5.noisy_neighbour_ratio',
      'times',
      'lower',
      beside.map((value) => value / base),
    ),
    figure('W5.p99_ms_alone', 'ms', 'lower', alone),
    figure('W5.p99_ms_beside', 'ms', 'lower', beside),
    figure('W5.noisy_events_per_s', 'events/s', 'higher', [taken / (loudMs / 1_000)]),
  ];
}

/** @param slowPort of the target that takes its time: that of the noisy org. */
async function startDeployment({ folder, stub, profile }: Bench, slowPort: number, name: string) {
  const [quiet, noisy] = await setUpSites(join(folder, `neighbour-${name}`), [
    { org: 'quiet', post: 'query', stubPort: stub.port },
    { org: 'noisy', post: 'query', stubPort: slowPort },
  ]);
  if (!quiet || !noisy) throw new Error('two orgs are needed');
  const kernel = await startKernelProcess(quiet, profile && join(profile, `neighbour-${name}`));
  return { kernel, noisy, driver: openDriver(kernel, quiet, stub) };
}

/** Of the runs of one round, in milliseconds. */
async function p99Of(driver: Driver, durationMs: number): Promise<number> {
  const { latencies } = await openLoop({ rate: RATE, durationMs, work: driver.contain });
  await driver.settle();
  return quantile(latencies, 0.99);
}
