import { join } from 'node:path';
import { type KernelProcess, type StubProcess, startKernelProcess } from './child.ts';
import type { Fault } from './options.ts';
import type { Plan } from './plan.ts';
import { type Post, type Site, setUpSite } from './site.ts';

/** What every stage is given. */
export type Bench = {
  readonly plan: Plan;
  readonly folder: string;
  readonly stub: StubProcess;
  /** Folder for CPU profiles of the kernel, if any are wanted. */
  readonly profile: string | undefined;
  readonly fault: Fault | undefined;
  readonly say: (line: string) => void;
};

/** A fresh deployment and a kernel on it, for as long as `use` takes. */
export async function withKernel<T>(
  bench: Bench,
  name: string,
  post: Post,
  use: (kernel: KernelProcess, site: Site) => Promise<T>,
): Promise<T> {
  const site = await setUpSite(join(bench.folder, name), post, bench.stub.port);
  const kernel = await startKernelProcess(site, bench.profile && join(bench.profile, name));
  let result: T;
  try {
    result = await use(kernel, site);
  } catch (error) {
    await kernel.stop().catch(() => undefined);
    throw error;
  }
  await kernel.stop();
  return result;
}
