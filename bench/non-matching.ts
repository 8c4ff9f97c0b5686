import { type Bench, withKernel } from './bench.ts';
import { openDriver } from './driver.ts';
import { type Figure, figure } from './figure.ts';
import { closedLoop } from './load.ts';
import { type Cpu, readCpu, used } from './usage.ts';

/**
 * W2: the same event with a severity below what the trigger asks for. It is judged by the whole rule, recorded with
 * the reason, and starts nothing. Over when the answer says that it is on record.
 */
const IN_FLIGHT = 64;

export function benchNonMatching(bench: Bench): Promise<Figure[]> {
  const { plan, say, stub } = bench;
  return withKernel(bench, 'non-matching', 'query', async (kernel, site) => {
    say(`W2: ${IN_FLIGHT} in flight`);
    const driver = openDriver(kernel, site, stub);
    const edges: (Cpu | undefined)[] = [];
    const { rounds } = await closedLoop({
      inFlight: IN_FLIGHT,
      warmMs: plan.warmMs / 2,
      ...plan.nonMatching,
      work: driver.pass,
      atEdge: () => void edges.push(readCpu(kernel, stub)),
    });
    await driver.settle();
    driver.close();
    const rates = rounds.map(({ done, seconds }) => done / seconds);
    const cpu = rounds.flatMap(({ done }, i) => {
      const [from, to] = [edges[i], edges[i + 1]];
      return from && to ? [{ kernel: used(from, to).kernel / done, driver: used(from, to).driver / done }] : [];
    });
    return [
      figure('W2.nonmatching_events_per_s', 'events/s', 'higher', rates),
      ...(cpu.length > 0
        ? [
            figure(
              'W2.kernel_cpu_ms',
              'ms/event',
              'lower',
              cpu.map((use) => use.kernel),
            ),
            figure(
              'W2.driver_cpu_ms',
              'ms/event',
              'lower',
              cpu.map((use) => use.driver),
            ),
          ]
        : []),
    ];
  });
}
