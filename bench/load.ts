import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Two ways to put work on the kernel. Both stop at the first piece of work that goes wrong, because a figure over wrong
 * answers is no figure.
 */

/** One piece of work, the n-th of all. Resolves when it is done and was checked. */
export type Work = (n: number) => Promise<void>;

export type ClosedRound = {
  readonly seconds: number;
  readonly done: number;
  /** Of each piece of work that ended in the round, in milliseconds. */
  readonly latencies: readonly number[];
};

/**
 * Keeps `inFlight` pieces of work under way, without a pause, over a warm-up and some rounds; then lets the rest end.
 * @param atEdge Called at the beginning of the first round and at the end of each.
 */
export async function closedLoop(options: {
  readonly inFlight: number;
  readonly warmMs: number;
  readonly rounds: number;
  readonly roundMs: number;
  readonly work: Work;
  readonly atEdge?: () => void;
}): Promise<{ readonly rounds: readonly ClosedRound[]; readonly done: number }> {
  const { inFlight, warmMs, rounds: wanted, roundMs, work, atEdge = () => undefined } = options;
  const rounds: ClosedRound[] = [];
  let latencies: number[] = [];
  let started = 0;
  let over = false;

  const worker = async () => {
    while (!over) {
      const since = performance.now();
      await work(started++);
      latencies.push(performance.now() - since);
    }
  };
  const watch = async () => {
    await sleep(warmMs);
    atEdge();
    latencies = [];
    for (let i = 0; i < wanted && !over; i++) {
      const since = performance.now();
      // A round in which nothing ended says nothing: it goes on until something has.
      do await sleep(roundMs);
      while (latencies.length === 0 && !over);
      const seconds = (performance.now() - since) / 1_000;
      rounds.push({ seconds, done: latencies.length, latencies });
      atEdge();
      latencies = [];
    }
    over = true;
  };
  try {
    await Promise.all([watch(), ...Array.from({ length: inFlight }, worker)]);
  } finally {
    over = true;
  }
  return { rounds, done: started };
}

export type OpenRound = {
  /** From the time at which each piece of work was to begin, whether or not it could: nothing is left out. */
  readonly latencies: readonly number[];
  /** How late the driver itself began the work. Part of the latencies. */
  readonly lateness: readonly number[];
};

/**
 * Begins work at a fixed rate, whatever becomes of what was begun before. A kernel that stalls is sent the work all the
 * same, and its stall is in the latency of everything that was due meanwhile (no coordinated omission).
 */
export async function openLoop(options: {
  /** Per second. */
  readonly rate: number;
  readonly durationMs: number;
  readonly work: Work;
}): Promise<OpenRound> {
  const { rate, durationMs, work } = options;
  const total = Math.max(1, Math.round((rate * durationMs) / 1_000));
  const begin = performance.now() + 5;
  const lateness: number[] = [];
  const underWay: Promise<number>[] = [];
  const failed = Promise.withResolvers<never>();
  let broken = false;

  const one = async (n: number, due: number): Promise<number> => {
    await work(n);
    return performance.now() - due;
  };
  const pace = async () => {
    for (let n = 0; n < total && !broken; ) {
      const due = begin + (n * 1_000) / rate;
      const now = performance.now();
      if (now < due) {
        await sleep(due - now);
        continue;
      }
      lateness.push(now - due);
      const running = one(n++, due);
      underWay.push(running);
      running.catch((error) => {
        broken = true;
        failed.reject(error);
      });
    }
    return Promise.all(underWay);
  };
  return { latencies: await Promise.race([pace(), failed.promise]), lateness };
}
