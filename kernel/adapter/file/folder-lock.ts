import { hash } from 'node:crypto';
import { realpath, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { err, ok, type Result } from '../../base/result.ts';

/**
 * Holds a data folder for one kernel: two writers would give two records the same place in the chain.
 *
 * The lock is a listening socket, because the system gives it up with the process however that dies: on Linux in the
 * abstract namespace, elsewhere a file in the folder that is taken over when nobody answers on it.
 */
export async function lockFolder(folder: string): Promise<Result<{ release(): Promise<void> }, string>> {
  const path = await realpath(folder);
  const isLinux = process.platform === 'linux';
  const name = isLinux ? `\0interlock/${hash('sha256', path, 'hex')}` : join(path, 'lock');
  if (!isLinux && !(await isAnswered(name))) await rm(name, { force: true });
  const server = createServer((socket) => socket.destroy());
  const { promise, resolve } = Promise.withResolvers<NodeJS.ErrnoException | undefined>();
  server.once('error', resolve).listen(name, () => resolve(undefined));
  const fault = await promise;
  if (fault?.code === 'EADDRINUSE')
    return err(`another kernel uses ${folder}: stop it first, or give this one a data folder of its own`);
  if (fault) return err(`the data folder ${folder} cannot be locked (${fault.code})`);
  server.unref();
  return ok({ release: () => new Promise((done) => server.close(() => done())) });
}

const isAnswered = (name: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(name, () => resolve(true)).on('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
