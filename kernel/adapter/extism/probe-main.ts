import { accessSync, constants, readFileSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';

/**
 * The program of a probe: started where a cell would be, it tries what a layer has to stop, and prints what came of it.
 * It is no cell: it may read /proc, to tell of itself. Arguments: the port of a listener of the kernel, the kernel's id, and
 * the program of a cell.
 */
export type ProbeFacts = {
  /** Whether the listener of the kernel was reached. */
  readonly reached: boolean;
  /** Whether the kernel could be signalled. */
  readonly signalled: boolean;
  readonly pid: number;
  readonly parent: number;
  /** The number that /proc has for this process. */
  readonly inProc: number;
  /** Whether the program of a cell can be read. */
  readonly mayRead: boolean;
  readonly uid: number;
  readonly groups: readonly number[];
  /** Of /proc/self/status; empty where there is none. */
  readonly status: string;
  readonly limits: string;
};

const [port = '0', kernel = '0', program = ''] = process.argv.slice(2);

const reaches = (): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(Number(port), '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

function orElse<T>(other: T, look: () => T): T {
  try {
    return look();
  } catch {
    return other;
  }
}
const read = (file: string): string => orElse('', () => readFileSync(file, 'utf8'));

const facts: ProbeFacts = {
  reached: await reaches(),
  signalled: orElse(false, () => process.kill(Number(kernel), 0)),
  pid: process.pid,
  parent: process.ppid,
  inProc: orElse(0, () => Number(readlinkSync('/proc/self'))),
  mayRead: orElse(false, () => accessSync(program, constants.R_OK) === undefined),
  uid: process.getuid?.() ?? -1,
  groups: process.getgroups?.() ?? [],
  status: read('/proc/self/status'),
  limits: read('/proc/self/limits'),
};
process.stdout.write(`${JSON.stringify(facts)}\n`);
// To be killed, as a cell is; or, where that is not allowed, told to end.
process.stdin.resume();
