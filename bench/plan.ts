/** How long everything takes. Times in milliseconds. */
export type Plan = {
  /** Load before anything is measured: compilers, caches and cells are warm then. */
  readonly warmMs: number;
  /** Between two loads. */
  readonly pauseMs: number;
  readonly closed: Rounds;
  readonly slow: Rounds;
  readonly fast: Rounds;
  readonly variant: Rounds;
  readonly nonMatching: Rounds;
  readonly triggers: Rounds;
  readonly neighbour: Rounds;
  readonly starts: number;
  readonly memory: { readonly rounds: number; readonly idleMs: number; readonly loadedMs: number };
  readonly cell: { readonly rounds: number; readonly roundMs: number };
  readonly history: { readonly runs: number; readonly rounds: number };
  readonly loop: { readonly rounds: number };
};
export type Rounds = { readonly rounds: number; readonly roundMs: number };

const FULL: Plan = {
  warmMs: 5_000,
  pauseMs: 1_000,
  closed: { rounds: 5, roundMs: 5_000 },
  slow: { rounds: 3, roundMs: 12_000 },
  fast: { rounds: 3, roundMs: 8_000 },
  variant: { rounds: 3, roundMs: 3_000 },
  nonMatching: { rounds: 5, roundMs: 3_000 },
  triggers: { rounds: 5, roundMs: 800 },
  neighbour: { rounds: 16, roundMs: 4_000 },
  starts: 9,
  memory: { rounds: 3, idleMs: 3_000, loadedMs: 6_000 },
  cell: { rounds: 5, roundMs: 1_500 },
  history: { runs: 1_000_000, rounds: 5 },
  loop: { rounds: 5 },
};

const QUICK: Plan = {
  warmMs: 3_000,
  pauseMs: 300,
  closed: { rounds: 3, roundMs: 2_500 },
  slow: { rounds: 3, roundMs: 2_000 },
  fast: { rounds: 3, roundMs: 2_500 },
  variant: { rounds: 2, roundMs: 1_500 },
  nonMatching: { rounds: 3, roundMs: 1_500 },
  triggers: { rounds: 3, roundMs: 500 },
  neighbour: { rounds: 2, roundMs: 3_000 },
  starts: 3,
  memory: { rounds: 2, idleMs: 1_500, loadedMs: 3_000 },
  cell: { rounds: 3, roundMs: 700 },
  history: { runs: 100_000, rounds: 3 },
  loop: { rounds: 3 },
};

/**
 * @param scale Factor on every time; below 1 on the number of starts too. Such figures mean little: it is there to try
 *              the bench itself.
 */
export function planOf(quick: boolean, scale: number): Plan {
  const plan = quick ? QUICK : FULL;
  const times = (ms: number) => Math.max(1, Math.round(ms * scale));
  const scaled = ({ rounds, roundMs }: Rounds): Rounds => ({ rounds, roundMs: times(roundMs) });
  return {
    warmMs: times(plan.warmMs),
    pauseMs: times(plan.pauseMs),
    closed: scaled(plan.closed),
    slow: scaled(plan.slow),
    fast: scaled(plan.fast),
    variant: scaled(plan.variant),
    nonMatching: scaled(plan.nonMatching),
    triggers: scaled(plan.triggers),
    neighbour: scaled(plan.neighbour),
    starts: Math.max(1, Math.round(plan.starts * Math.min(1, scale))),
    memory: {
      rounds: plan.memory.rounds,
      idleMs: times(plan.memory.idleMs),
      loadedMs: times(plan.memory.loadedMs),
    },
    cell: scaled(plan.cell),
    loop: plan.loop,
    // Enough for a page of each kind.
    history: { ...plan.history, runs: Math.max(4_000, Math.round(plan.history.runs * Math.min(1, scale))) },
  };
}
