import { dieWithParent } from './cell-command.ts';
import { KILL_POLICY, type KillPolicy } from './kill-record.ts';
import { QUOTA, type Quota } from './quota.ts';

/** What can be set about the pool of cells. */
export type CellHostOptions = {
  /** Cells kept ready, and at most. */
  readonly min: number;
  readonly max: number;
  /** Calls of one org that may wait; one more ends as `unavailable`. */
  readonly waitingMax: number;
  /** A cell beyond `min` that did nothing for so long is let go. */
  readonly idleMs: number;
  readonly envelopeBytesMax: number;
  readonly quota: Quota;
  /** Every so many restores of a sealed module are checked against the snapshot. */
  readonly checkRestoreEvery: number;
  readonly kills: KillPolicy;
  /** Command put in front of every cell (see `cellCommand`); by default one that kills it with its kernel. The
   * kernel gives what `probeLayers` found. */
  readonly wrapper: readonly string[];
  readonly entry?: string;
};

export const defaultOptions = (): CellHostOptions => ({
  min: 2,
  max: 8,
  waitingMax: 1_024,
  idleMs: 30_000,
  envelopeBytesMax: 1 << 20,
  quota: QUOTA,
  checkRestoreEvery: 64,
  kills: KILL_POLICY,
  wrapper: dieWithParent(),
});
