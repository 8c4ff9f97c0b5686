import { join } from 'node:path';
import type { Bench } from './bench.ts';
import { startKernelProcess } from './child.ts';
import { type Figure, figure } from './figure.ts';
import { setUpSite } from './site.ts';

/**
 * From the spawn of the kernel to the first 200 of /healthz, on a deployment that is set up: policies are read, plugins
 * are admitted and loaded into cells, the record is open. The files are in the cache of the operating system.
 */
export async function benchStart({ plan, folder, stub, say }: Bench): Promise<Figure[]> {
  say(`start: ${plan.starts} times`);
  const site = await setUpSite(join(folder, 'start'), 'query', stub.port);
  const times: number[] = [];
  for (let i = 0; i < plan.starts; i++) {
    const kernel = await startKernelProcess(site);
    times.push(kernel.coldMs);
    await kernel.stop();
  }
  return [figure('start.cold_ms', 'ms', 'lower', times)];
}
