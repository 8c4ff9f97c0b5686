import { readFileSync } from 'node:fs';
import { connect } from 'node:net';

/**
 * The program of a probe: started where a cell would be, it tries what a layer has to stop, and prints what came of it.
 * It is no cell: it may read /proc, to tell of itself. Arguments: the port of a listener of the kernel, the kernel's id.
 */
export type ProbeFacts = {
  /** Whether the listener of the kernel was reached. */
  readonly reached: boolean;
  /** Whether the kernel could be signalled. */
  readonly signalled: boolean;
  readonly pid: number;
  readonly parent: number;
  readonly uid: number;
  readonly groups: readonly number[];
  /** Of /proc/self/status; empty where there is none. */
  readonly status: string;
  readonly limits: string;
};

const [port = '0', kernel = '0'] = process.argv.slice(2);

const reaches = (): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(Number(port), '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

function signals(): boolean {
  try {
    return process.kill(Number(kernel), 0);
  } catch {
    return false;
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

const facts: ProbeFacts = {
  reached: await reaches(),
  signalled: signals(),
  pid: process.pid,
  parent: process.ppid,
  uid: process.getuid?.() ?? -1,
  groups: process.getgroups?.() ?? [],
  status: read('/proc/self/status'),
  limits: read('/proc/self/limits'),
};
process.stdout.write(JSON.stringify(facts));
