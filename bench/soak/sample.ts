import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cellsOf } from '../../test/hostile/processes.ts';
import type { FromProbe } from './probe.ts';

/** What is looked at every few seconds, while nothing is under way. Memory in MiB, read from /proc (proc(5)). */
export type Sample = {
  /** Seconds since the load began, and runs that had ended by then. */
  readonly at: number;
  readonly runs: number;
  /** Anonymous memory: what was allocated. The record's file is mapped too, and grows with the record. */
  readonly kernel: number;
  readonly heap: number;
  /** Anonymous memory of one cell, the mean over all. */
  readonly cell: number;
  readonly cells: number;
  /** Open files and sockets, without those that this process holds the other end of. */
  readonly handles: number;
  readonly threads: number;
  readonly delay: number;
  /** Of the run's end, from the time at which its event was to be sent, in milliseconds. */
  readonly p99: number;
  /** Bytes of the record's data file. */
  readonly file: number;
};

export const dataFileOf = (configFile: string): string => join(dirname(configFile), 'data', 'record', 'data.mdb');

export function takeSample(
  pid: number,
  configFile: string,
  { heap, delay }: FromProbe,
  rest: Pick<Sample, 'at' | 'runs' | 'p99'>,
): Sample {
  const cells = cellsOf(pid);
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    ...rest,
    kernel: anonymousOf(pid),
    heap,
    cell: cells.reduce((sum, cell) => sum + anonymousOf(cell), 0) / cells.length,
    cells: cells.length,
    handles: readdirSync(`/proc/${pid}/fd`).length - ownSockets(),
    threads: Number(/^Threads:\s+(\d+)$/m.exec(status)?.[1]),
    delay,
    file: statSync(dataFileOf(configFile)).size,
  };
}

/** The driver keeps as many connections as it once had requests at a time. */
const ownSockets = (): number => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;

const anonymousOf = (pid: number): number =>
  Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024;
