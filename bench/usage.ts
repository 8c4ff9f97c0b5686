import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { cellsOf, processorMs } from '../test/hostile/processes.ts';
import type { KernelProcess, StubProcess } from './child.ts';

/**
 * What the processes of a bench use, from /proc (proc_pid_stat(5), proc_pid_smaps(5)). Where there is no /proc nothing
 * is known, and what is not measured is left out, never made up.
 */
export const HAS_PROC = existsSync('/proc/self/smaps_rollup');

export type Memory = {
  /** Resident set, in MiB: what a process has in memory, pages that it shares with others included. */
  readonly rss: number;
  /** Proportional set, in MiB: as above, each shared page divided by the number of its sharers. */
  readonly pss: number;
};

/** CPU time since the start of each process, in milliseconds. */
export type Cpu = {
  readonly at: number;
  readonly kernel: number;
  readonly cells: number;
  readonly stub: number;
  readonly driver: number;
  /** All of the machine, our processes and everybody else's. */
  readonly machine: number;
};

/** Linux shows CPU time to user space in ticks of 1/100 s. */
const TICK_MS = 10;

/** @returns undefined where it cannot be known. */
export function readCpu(kernel: KernelProcess, stub: StubProcess): Cpu | undefined {
  if (!HAS_PROC) return undefined;
  const own = process.cpuUsage();
  return {
    at: performance.now(),
    kernel: processorMs(kernel.pid),
    cells: cellsOf(kernel.pid).reduce((sum, pid) => sum + processorMs(pid), 0),
    stub: processorMs(stub.pid),
    driver: (own.user + own.system) / 1_000,
    machine: machineMs(),
  };
}

function machineMs(): number {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, soft = 0, steal = 0] =
    readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]?.split(/ +/).map(Number) ?? [];
  return (user + nice + system + irq + soft + steal) * TICK_MS;
}

export const used = (from: Cpu, to: Cpu) => {
  const kernel = to.kernel - from.kernel;
  const cells = to.cells - from.cells;
  const stub = to.stub - from.stub;
  const driver = to.driver - from.driver;
  const machine = to.machine - from.machine;
  /** Share of all processors that neither we nor the kernel's processes had: other work on the machine. */
  const others = Math.max(0, machine - kernel - cells - stub - driver) / ((to.at - from.at) * cpus().length);
  return { kernel, cells, stub, driver, others };
};

/** @returns memory of the kernel and of its cells, summed. */
export function readMemory(kernel: KernelProcess): { readonly kernel: Memory; readonly cells: Memory } {
  return {
    kernel: memoryOf(kernel.pid),
    cells: cellsOf(kernel.pid).map(memoryOf).reduce(sumOf, { rss: 0, pss: 0 }),
  };
}

export const sumOf = (a: Memory, b: Memory): Memory => ({ rss: a.rss + b.rss, pss: a.pss + b.pss });

function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const mib = (name: string) => Number(new RegExp(`^${name}: +([0-9]+) kB$`, 'm').exec(text)?.[1]) / 1_024;
  return { rss: mib('Rss'), pss: mib('Pss') };
}
