import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { type Figure, GOALS } from './figure.ts';

/** What is printed and written of the figures. */
export type Machine = {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  readonly platform: string;
  /** In GiB. */
  readonly memory: number;
};
export type Report = { readonly machine: Machine; readonly results: readonly Figure[] };

export const machine = (): Machine => ({
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableParallelism(),
  node: process.version,
  platform: `${platform()} ${arch()} ${release()}`,
  memory: Number((totalmem() / 2 ** 30).toFixed(1)),
});

export const machineLine = ({ cpu, cores, node, platform: system, memory }: Machine): string =>
  `${cpu}, ${cores} cores, ${memory} GiB, ${system}, Node ${node}, load ${loadavg()[0]?.toFixed(1)}`;

const HEAD = ['figure', 'value', 'unit', 'spread', 'goal'];

/** One line per figure, in columns. */
export function table(figures: readonly Figure[]): string {
  const rows = figures.map(({ id, value, unit, spread }) => [
    id,
    value.toLocaleString('en-US', { maximumSignificantDigits: 4 }),
    unit,
    `±${(spread * 100).toFixed(0)} %`,
    goalText(id, value),
  ]);
  const widths = HEAD.map((head, i) => Math.max(head.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (i === 1 || i === 3 ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd();
  return [HEAD, ...rows].map(line).join('\n');
}

function goalText(id: string, value: number): string {
  const goal = GOALS[id];
  if (!goal) return '';
  const { least, most } = goal;
  const met = value >= (least ?? -Infinity) && value <= (most ?? Infinity);
  const text = least === undefined ? `at most ${most}` : `at least ${least.toLocaleString('en-US')}`;
  return `${text}: ${met ? 'met' : 'missed'}`;
}
