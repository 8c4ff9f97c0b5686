import { type Bound, type Growth, growthOf } from './growth.ts';
import type { Sample } from './sample.ts';

/** What a long run must show, and whether it did. */
export type Line = {
  readonly id: string;
  readonly unit: string;
  readonly isFine: boolean;
  readonly said: string;
};
export type Verdict = {
  readonly isFine: boolean;
  readonly lines: readonly Line[];
};

/** The first part of the samples: compilers, caches and pools are not at rest before. */
const WARM_UP = 0.25;

type Watched = 'kernel' | 'heap' | 'cell' | 'handles' | 'threads' | 'delay';
export const BOUNDS: Readonly<Record<Watched, Bound & { readonly unit: string; readonly what: string }>> = {
  kernel: { share: 0.1, least: 24, unit: 'MiB', what: 'anonymous memory of the kernel' },
  heap: { share: 0.1, least: 6, unit: 'MiB', what: 'heap of the kernel after a collection' },
  cell: { share: 0.1, least: 6, unit: 'MiB', what: 'anonymous memory of a cell' },
  handles: {
    share: 0.05,
    least: 8,
    unit: '',
    what: 'open files and sockets of the kernel, without connections of the driver',
  },
  threads: { share: 0, least: 1, unit: '', what: 'threads of the kernel' },
  delay: { share: 0.5, least: 30, unit: 'ms', what: 'p99 delay of the event loop' },
};

/** How far the file's growth for each run may differ between the two halves, and what it may be of what is stored. */
const FILE_DRIFT = 0.2;
const FILE_SHARE = 3;

/**
 * @param samples in order; those of the warm-up are left out here.
 * @param stored bytes of keys and values on the record at the end.
 * @param stuck runs that the report of open work calls stuck, or that are open when all should have ended.
 */
export function judge(samples: readonly Sample[], stored: number, stuck: number): Verdict {
  const kept = samples.slice(Math.floor(samples.length * WARM_UP));
  const lines = [...Object.keys(BOUNDS).map((id) => flatLine(kept, id as Watched)), ...fileLines(kept, stored)];
  lines.push({
    id: 'open runs',
    unit: '',
    isFine: stuck === 0,
    said: stuck === 0 ? 'none is left' : `${stuck} are left`,
  });
  return { isFine: lines.every(({ isFine }) => isFine), lines };
}

function flatLine(samples: readonly Sample[], id: Watched): Line {
  const { unit, what, ...bound } = BOUNDS[id];
  const points = samples.map((sample) => ({ at: sample.at, value: sample[id] }));
  const growth = growthOf(points, bound);
  return { id, unit, isFine: growth.isFlat, said: `${what}: ${growthText(growth, unit)}` };
}

const growthText = ({ first, median, last, rise, doubt, allowed }: Growth, unit: string): string =>
  `${round(first)} at first, ${round(median)} in the middle, ${round(last)} at last; ` +
  `rises by ${round(rise)} (±${round(doubt)}) of at most ${round(allowed)} ${unit}`.trimEnd();

/** The record keeps every run for good, so the file grows: by the same for each run, and pages that are free are used. */
function fileLines(samples: readonly Sample[], stored: number): readonly Line[] {
  const [first, middle, last] = [samples[0], samples[samples.length >> 1], samples.at(-1)];
  if (!first || !middle || !last) throw new Error('too few samples');
  const perRun = (from: Sample, to: Sample) => (to.file - from.file) / (to.runs - from.runs);
  const [early, late] = [perRun(first, middle), perRun(middle, last)];
  const share = last.file / stored;
  return [
    {
      id: 'file per run',
      unit: 'bytes',
      isFine: Math.abs(late - early) <= FILE_DRIFT * early,
      said: `the record's file grows by ${round(early)} a run in the first half, ${round(late)} in the second (±${FILE_DRIFT * 100} %)`,
    },
    {
      id: 'file in use',
      unit: '',
      isFine: share <= FILE_SHARE,
      said: `the file is ${round(share)} times what is stored in it, of at most ${FILE_SHARE}: free pages are used again`,
    },
  ];
}

const round = (value: number): number => Number(value.toPrecision(4));
