import { durationMs } from '../base/time.ts';

/** How long a run that is over may take to undo what it did. */
export const UNDO_TIME = durationMs(1_800_000);
