import { join } from 'node:path';
import { openSecretStore } from '../../kernel/adapter/file/secret-store.ts';
import { type Disk, type DiskOptions, openDisk } from './disk.ts';
import { ORG, openStandIn, type StandIn, setUp, type Target } from './stand-in.ts';

export type Life = StandIn & { readonly disk: Disk };

/** One life of the kernel on the folder. Rejects when the process ends by a crash: whatever it was about is over. */
export async function live<T>(
  folder: string,
  target: Target,
  number: number,
  options: DiskOptions & { readonly isOpen?: true | undefined },
  work: (life: Life) => Promise<T>,
  playbooks: readonly string[] = [],
): Promise<T> {
  const disk = openDisk(folder, options);
  const secrets = await openSecretStore({ file: join(folder, 'secrets.json'), key: KEY });
  if (!secrets.ok) throw new Error(secrets.error);
  if ((await secrets.value.list(ORG)).length === 0) await secrets.value.put(ORG, 'target-key', 'the-key-of-the-target');
  const standIn = await openStandIn(disk.store, target, number, secrets.value);
  const crashed = disk.crashed.then(() => Promise.reject(new Error('the process has ended')));
  const lived = setUp(standIn, playbooks, !options.isOpen).then(() => work({ ...standIn, disk }));
  try {
    return await Promise.race([lived, crashed]);
  } finally {
    // A kernel whose process is gone, or whose record has failed, cannot say that it stops.
    const stopped = standIn.kernel.stop().catch(() => undefined);
    await Promise.race([stopped, disk.crashed]);
    await disk.close();
  }
}
const KEY = new Uint8Array(32).fill(7);
