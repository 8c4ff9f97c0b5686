import type { StopOf } from './decision.ts';

/** What cut a call off: an end of the kernel, or the stop of somebody. */
export type CutOffBy = 'restart' | StopOf;

/** As the reason of what is unknown since, and of what was stopped. Kernels that did not keep whose stop it was said `stop`. */
export const cutOffReason = (by: CutOffBy): string => (by === 'restart' ? by : `stop-of-${by}`);

export const cutOffText = (by: CutOffBy): string =>
  `cut off by ${by === 'restart' ? 'a restart' : `a stop of the ${by}`}`;
