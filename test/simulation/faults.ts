import type { Random } from './random.ts';

/**
 * What can go wrong, and how often at most: once in so many chances. Each world has its own choice of them, because
 * where everything fails at once nothing gets far enough to break.
 */
const ONE_IN = {
  'crash before a commit': 60,
  'crash after a commit': 40,
  'write lost': 150,
  'write failed but done': 150,
  'slow disk': 8,
  'cell slow': 5,
  'cell unavailable': 12,
  'cell crashed': 12,
  'cell overran': 16,
  'cell never answers': 25,
  'cell talks after its end': 20,
  'plugin fails': 8,
  'plugin lies': 20,
  'plugin asks too much': 30,
  'reply is no reply': 30,
  'answer lost': 6,
  'request lost': 10,
  'connection refused': 8,
  'error status': 6,
  'gateway gave up': 12,
  'address refused': 40,
  'request arrives twice': 10,
  'network slow': 5,
  'secret unavailable': 10,
  'secrets unreadable': 15,
  'plan needs a person': 6,
  'plan is too wide': 12,
} as const;
export type Fault = keyof typeof ONE_IN;

export type Faults = {
  happens(fault: Fault): boolean;
  /** From now on nothing goes wrong any more. */
  cease(): void;
  isCalm(): boolean;
};

export function openFaults(random: Random): Faults {
  const rates = new Map<Fault, number>();
  const severity = random.pick([0, 0.3, 1, 1, 2]);
  for (const [fault, oneIn] of Object.entries(ONE_IN) as [Fault, number][])
    rates.set(fault, random.chance(0.5) ? Math.min(0.6, severity / oneIn) : 0);
  let calm = false;
  return {
    // Drawn in either case, so that a world is the same up to the end of its troubles wherever that is.
    happens: (fault) => random.chance(rates.get(fault) ?? 0) && !calm,
    cease() {
      calm = true;
    },
    isCalm: () => calm,
  };
}
