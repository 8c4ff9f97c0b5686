import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { startKernelProcess, startNoiseProcess, startStubProcess } from './child.ts';
import { openDriver } from './driver.ts';
import { type Figure, figure } from './figure.ts';
import { openLoop } from './load.ts';
import { setUpSites } from './site.ts';
import { quantile } from './statistics.ts';

/**
 * W5 "neighbour": two orgs in one kernel. A quiet one starts runs of W1 at a fixed low rate, first alone, then beside a
 * noisy one that sends as many events as it can and whose target takes its time. The ratio of the quiet org's p99 says
 * how much of the noise it hears.
 */
const RATE = 20;
const SLOW_MS = 100;

export async function benchNeighbour(bench: Bench): Promise<Figure[]> {
  const { plan, folder, stub, profile, say } = bench;
  const slow = await startStubProcess(undefined, SLOW_MS);
  const [quiet, noisy] = await setUpSites(join(folder, 'neighbour'), [
    { org: 'quiet', post: 'query', stubPort: stub.port },
    { org: 'noisy', post: 'query', stubPort: slow.port },
  ]);
  if (!quiet || !noisy) throw new Error('two orgs are needed');
  const kernel = await startKernelProcess(quiet, profile && join(profile, 'neighbour'));
  const driver = openDriver(kernel, quiet, stub);
  const { rounds, roundMs } = plan.neighbour;
  const p99 = async (durationMs: number): Promise<number> => {
    const { latencies } = await openLoop({ rate: RATE, durationMs, work: driver.contain });
    await driver.settle();
    return quantile(latencies, 0.99);
  };
  say(`W5: ${RATE}/s alone`);
  await p99(plan.warmMs);
  const alone: number[] = [];
  for (let i = 0; i < rounds; i++) alone.push(await p99(roundMs));
  say(`W5: ${RATE}/s beside a noisy neighbour`);
  const noise = await startNoiseProcess(kernel.url, noisy);
  const since = performance.now();
  await sleep(plan.warmMs / 2);
  const beside: number[] = [];
  for (let i = 0; i < rounds; i++) beside.push(await p99(roundMs));
  const { taken, refused } = await noise.stop();
  const seconds = (performance.now() - since) / 1_000;
  say(`  of the noise ${taken} events were taken and ${refused} turned away`);
  driver.close();
  await kernel.stop();
  await slow.stop();
  const base = quantile(alone, 0.5);
  return [
    figure(
      'W5.noisy_neighbour_ratio',
      'times',
      'lower',
      beside.map((value) => value / base),
    ),
    figure('W5.p99_ms_alone', 'ms', 'lower', alone),
    figure('W5.p99_ms_beside', 'ms', 'lower', beside),
    figure('W5.noisy_events_per_s', 'events/s', 'higher', [taken / seconds]),
  ];
}
