import type { Cell } from './cell.ts';

/**
 * Decides when the pool of cells gets one more. Owns the looks at the pool; the pool owns its cells and their number.
 *
 * One more cell helps when the others leave a processor to it: they wait for an answer, or spin for long. Waiting for
 * the kernel counts too: with more cells more answers are there at once, and the kernel takes them in one go, with fewer
 * commits and fewer turns of its loop. That was measured: holding the pool small under load cost the kernel a quarter more
 * time for each run, and saved the cells less.
 */
const AWAY_MS = 1;
const SPINNING_MS = 50;
/** A cell costs 50 MB, so a single look, which may fall on any moment, does not decide. */
const LOOKS = 2;
const LOOK_EVERY_MS = 5;

export type Growth = {
  /** Calls wait and no cell is free: looks from now on, until that is over or a cell was added. */
  consider(): void;
  stop(): void;
};

export type Pool = {
  readonly cells: readonly Pick<Cell, 'phase' | 'phaseMs'>[];
  /** Whether calls wait and one more cell may be started. */
  readonly isShort: () => boolean;
  readonly add: () => void;
  readonly processors: number;
};

export function openGrowth({ cells, isShort, add, processors }: Pool): Growth {
  let timer: NodeJS.Timeout | undefined;
  let looks = 0;

  function consider(): void {
    if (timer || !isShort()) return;
    timer = setTimeout(() => {
      timer = undefined;
      look();
    }, LOOK_EVERY_MS);
  }

  function look(): void {
    looks = isShort() && wouldHelp() ? looks + 1 : 0;
    if (looks < LOOKS) {
      consider();
      return;
    }
    looks = 0;
    add();
  }

  function wouldHelp(): boolean {
    if (cells.some((cell) => cell.phase() === 'starting')) return false;
    const away = cells.filter((cell) => cell.phaseMs() >= (cell.phase() === 'blocked' ? AWAY_MS : SPINNING_MS));
    return cells.length < away.length + processors;
  }

  return {
    consider,
    stop() {
      clearTimeout(timer);
    },
  };
}
