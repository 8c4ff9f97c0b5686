import type { Cell } from './cell.ts';

/**
 * Decides when the pool of cells gets one more. Owns the looks at the pool; the pool owns its cells and their number.
 *
 * One more cell helps when the others leave a processor to it: they wait for an answer from outside, or spin for long.
 * Where calls are short, more cells than processors only take turns, and each costs memory and warm caches. An answer
 * that waits in the kernel does not count, because then the kernel is what is short of a processor: both times are
 * stretched by how late the kernel's own timers are.
 */
const AWAY_MS = 5;
const SPINNING_MS = 50;
const LAG_FACTOR = 4;
/** A single look often falls on a moment of the kernel's own delay. A cell is added when so many in a row agree. */
const LOOKS = 5;
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
    const due = performance.now() + LOOK_EVERY_MS;
    timer = setTimeout(() => {
      timer = undefined;
      look(performance.now() - due);
    }, LOOK_EVERY_MS);
  }

  function look(lagMs: number): void {
    looks = isShort() && wouldHelp(lagMs) ? looks + 1 : 0;
    if (looks < LOOKS) {
      consider();
      return;
    }
    looks = 0;
    add();
  }

  function wouldHelp(lagMs: number): boolean {
    if (cells.some((cell) => cell.phase() === 'starting')) return false;
    const stretch = LAG_FACTOR * lagMs;
    const away = cells.filter(
      (cell) => cell.phaseMs() >= stretch + (cell.phase() === 'blocked' ? AWAY_MS : SPINNING_MS),
    );
    return cells.length < away.length + processors;
  }

  return {
    consider,
    stop() {
      clearTimeout(timer);
    },
  };
}
