import { median } from '../statistics.ts';

/**
 * Whether a series is flat: a straight line is laid through it (least squares), and it may rise by no more than the
 * bound over the whole time. Only a rise that stands out of the noise counts, by twice the standard error of the slope.
 */
export type Point = { readonly at: number; readonly value: number };
export type Bound = {
  /** Of the median. */
  readonly share: number;
  /** In the unit of the series; the larger of the two counts. */
  readonly least: number;
};
export type Growth = {
  readonly first: number;
  readonly median: number;
  readonly last: number;
  /** From the first point to the last, on the line. */
  readonly rise: number;
  /** Twice the standard error of it. */
  readonly doubt: number;
  readonly allowed: number;
  readonly isFlat: boolean;
};

/** @param points at least three, in order. */
export function growthOf(points: readonly Point[], { share, least }: Bound): Growth {
  const n = points.length;
  const meanAt = points.reduce((sum, { at }) => sum + at, 0) / n;
  const mean = points.reduce((sum, { value }) => sum + value, 0) / n;
  const spread = points.reduce((sum, { at }) => sum + (at - meanAt) ** 2, 0);
  const slope = points.reduce((sum, { at, value }) => sum + (at - meanAt) * (value - mean), 0) / spread;
  const squares = points.reduce((sum, { at, value }) => sum + (value - mean - slope * (at - meanAt)) ** 2, 0);
  const seconds = (points.at(-1)?.at ?? 0) - (points[0]?.at ?? 0);
  const rise = slope * seconds;
  const doubt = 2 * Math.sqrt(squares / Math.max(1, n - 2) / spread) * seconds;
  const middle = median(points.map(({ value }) => value));
  const allowed = Math.max(share * middle, least);
  const isFlat = Number.isFinite(rise) && rise - doubt <= allowed;
  return {
    first: points[0]?.value ?? 0,
    median: middle,
    last: points.at(-1)?.value ?? 0,
    rise,
    doubt,
    allowed,
    isFlat,
  };
}
