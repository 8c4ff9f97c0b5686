import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SystemLayer } from '../../kernel/adapter/extism/layers.ts';

/** What `broken-out.ts` tries, and the layers of which any one stops it. */
export const STOPPED_BY: Readonly<Record<string, readonly SystemLayer[]>> = {
  'connect to the kernel': ['network-namespace'],
  'see an interface': ['network-namespace'],
  'signal the kernel': ['own-proc', 'process-namespace', 'own-user'],
  'signal what is above it': ['own-proc', 'process-namespace', 'own-user'],
  'read the arguments of the kernel': ['own-proc'],
  'read the environment of the kernel': ['own-proc', 'own-user'],
  'read the memory of the kernel': ['own-proc', 'own-user'],
  'read a file of the kernel': ['own-user'],
  'write a file': ['resource-limits'],
  // Where the user of the cell is root, of the system or of a namespace of users, it need not become it.
  'become root by a program': ['own-user'],
};

/** A process that lies where a cell lies and is none, beside a listener and a file of the kernel. */
export async function openBreakOut() {
  const folder = await mkdtemp(join(tmpdir(), 'interlock-broken-out-'));
  await chmod(folder, 0o777);
  const secret = join(folder, 'secret.key');
  await writeFile(secret, 'of the kernel', { mode: 0o600 });
  const listener = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  return {
    /** What of `STOPPED_BY` works behind this wrapper. */
    async reached(wrapper: readonly string[]): Promise<readonly string[]> {
      const { port } = listener.address() as AddressInfo;
      const program = join(import.meta.dirname, 'broken-out.ts');
      const [file = '', ...args] = [...wrapper, process.execPath, program, `${port}`, `${process.pid}`, secret, folder];
      return JSON.parse((await promisify(execFile)(file, args, { env: {} })).stdout);
    },
    async close(): Promise<void> {
      listener.close();
      await rm(folder, { recursive: true });
    },
  };
}
