import { median, spread } from './statistics.ts';

/** One measured figure. The ids are a contract with whoever keeps figures over time: none changes its meaning. */
export type Figure = {
  readonly id: string;
  readonly value: number;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  /** Half the range over the rounds, relative to their median. */
  readonly spread: number;
};

/** The ids that each stage must give. A stage may give more; what those mean may change. */
export const CONTRACT = {
  W1: ['W1.runs_per_s', 'W1.p99_ms_at_50', 'W1.p99_ms_at_500'],
  W2: ['W2.nonmatching_events_per_s', 'W2.triggers_1_ms', 'W2.triggers_100_ms', 'W2.triggers_10000_ms'],
  W5: ['W5.noisy_neighbour_ratio'],
  start: ['start.cold_ms'],
  memory: ['memory.idle_mb', 'memory.loaded_mb'],
  cell: ['cell.calls_per_s', 'cell.p99_ms', 'cell.http_round_trip_ms', 'cell.respawn_ms', 'cell.memory_mb'],
  history: ['history.page_ms', 'history.rare_filter_ms'],
  loop: ['loop.lanes_ms', 'loop.rounds_ms'],
} as const;
export type StageName = keyof typeof CONTRACT;
export const STAGES = Object.keys(CONTRACT) as readonly StageName[];

/** What this project wants on two cores. A missed goal is shown and is no error: machines differ. */
export const GOALS: Readonly<Record<string, { readonly least?: number; readonly most?: number }>> = {
  'W1.runs_per_s': { least: 1_500 },
  'W1.p99_ms_at_500': { most: 25 },
  'W2.triggers_10000_ms': { most: 1 },
  'W5.noisy_neighbour_ratio': { most: 2 },
  'cell.calls_per_s': { least: 2_000 },
  'cell.p99_ms': { most: 5 },
  'cell.respawn_ms': { most: 120 },
  'cell.memory_mb': { most: 60 },
  'loop.lanes_ms': { most: 20 },
  'loop.rounds_ms': { most: 20 },
};

/** @param rounds What each round gave; the figure is their median. */
export function figure(id: string, unit: string, better: Figure['better'], rounds: readonly number[]): Figure {
  return { id, value: rounded(median(rounds)), unit, better, spread: Number(spread(rounds).toFixed(3)) };
}

/** Four digits are more than any figure here is good for. */
const rounded = (value: number): number => Number(value.toPrecision(4));

/** @returns what is wrong with the figures of a stage: one that lacks, is given twice, or cannot be. */
export function faultsOf(stage: StageName, figures: readonly Figure[]): readonly string[] {
  const ids = figures.map(({ id }) => id);
  const wanted: readonly string[] = CONTRACT[stage];
  const lacking = wanted.filter((id) => !ids.includes(id)).map((id) => `the figure ${id} is lacking`);
  const twice = ids.filter((id, at) => ids.indexOf(id) !== at).map((id) => `the figure ${id} is there twice`);
  const impossible = figures
    // CPU time comes in ticks of 10 ms, so a short round may have used none.
    .filter(
      ({ id, value, spread: wide }) =>
        !(value >= 0 && value < Infinity && wide >= 0) || (value === 0 && wanted.includes(id)),
    )
    .map(({ id, value }) => `the figure ${id} cannot be ${value}: the rounds were too short, or nothing was done`);
  return [...lacking, ...twice, ...impossible];
}
