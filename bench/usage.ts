import { readdirSync, readFileSync } from 'node:fs';

/**
 * What processes use, from /proc (proc_pid_stat(5), proc_pid_smaps(5)). Where there is no /proc, nothing is known and
 * every answer is undefined: a figure that is not measured is left out, never made up.
 */
export type Memory = {
  /** Resident set, in MiB: what the process has in memory, pages that it shares with others included. */
  readonly rss: number;
  /** Proportional set, in MiB: as above, each shared page divided by the number of its sharers. */
  readonly pss: number;
};

/** Linux gives CPU time in ticks of 1/100 s to user space on every architecture that Node runs on. */
const TICK_MS = 10;

type Stat = { readonly parent: number; readonly cpuMs: number };

function statOf(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in brackets, may hold anything; the fields are counted from behind it.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { parent: Number(fields[1]), cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS };
  } catch {
    return undefined;
  }
}

/** Ids of the processes that this one has started and that still live. */
export function childrenOf(pid: number): readonly number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^[0-9]+$/.test(name))
      .map(Number)
      .filter((id) => statOf(id)?.parent === pid);
  } catch {
    return [];
  }
}

/** CPU time that a process has used, all threads, user and system, in milliseconds. */
export const cpuOf = (pid: number): number | undefined => statOf(pid)?.cpuMs;

/** CPU time of processes together; one that is gone counts nothing. */
export const cpuOfAll = (pids: readonly number[]): number => pids.reduce((sum, pid) => sum + (cpuOf(pid) ?? 0), 0);

export function memoryOf(pid: number): Memory | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    const mib = (name: string) => Number(new RegExp(`^${name}: +([0-9]+) kB$`, 'm').exec(text)?.[1]) / 1_024;
    return { rss: mib('Rss'), pss: mib('Pss') };
  } catch {
    return undefined;
  }
}

/** CPU time of the whole machine since it started, everything that is not idle, in milliseconds. */
export function machineCpu(): number | undefined {
  try {
    const [, user = 0, nice = 0, system = 0, , , irq = 0, soft = 0, steal = 0] =
      readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]?.split(/ +/).map(Number) ?? [];
    return (user + nice + system + irq + soft + steal) * TICK_MS;
  } catch {
    return undefined;
  }
}
