/**
 * Patience with somebody who refuses: asked again later and later, and by one at a time. Without it every step of every
 * run would log in anew, and be locked out where logins that fail are counted.
 */
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 30_000;
/** Longer than any exchange, so that whoever asks is done by then. */
const TURN_MS = 30_000;

export type Patience<Fault> = {
  /** The last fault, while it is too early to ask again; undefined: the caller may, and says what came of it. */
  ask(): Fault | undefined;
  worked(): void;
  failed(fault: Fault): void;
};

export function openPatience<Fault>(elapsed: () => number): Patience<Fault> {
  let last: Fault | undefined;
  let failures = 0;
  let until = 0;
  return {
    ask() {
      if (last !== undefined && elapsed() < until) return last;
      // The first failure may have been a moment of bad luck.
      if (failures > 1) until = elapsed() + TURN_MS;
      return undefined;
    },
    worked() {
      last = undefined;
      failures = 0;
    },
    failed(fault) {
      last = fault;
      failures += 1;
      const waitMs = failures < 2 ? 0 : FIRST_WAIT_MS * 2 ** Math.min(failures - 2, 20);
      until = elapsed() + Math.min(waitMs, LONGEST_WAIT_MS);
    },
  };
}
