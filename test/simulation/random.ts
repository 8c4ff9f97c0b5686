import { hash } from 'node:crypto';

/** All chance of a simulated world. The same seed draws the same, and what one part draws moves no other part. */
export type Random = {
  /** 0 <= x < 1. */
  next(): number;
  /** A whole number, 0 <= n < `count`. */
  below(count: number): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly [T, ...T[]] | readonly T[]): T;
  /** By weight: `{ often: 9, seldom: 1 }`. */
  weighted<K extends string>(weights: Readonly<Partial<Record<K, number>>>): K;
  fork(name: string): Random;
};

export function openRandom(seed: string): Random {
  const bytes = hash('sha256', seed, 'buffer');
  let [a, b, c, d] = [0, 4, 8, 12].map((at) => bytes.readInt32LE(at)) as [number, number, number, number];
  // sfc32: small and fast, and good enough to shuffle a world.
  const next = () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + t) | 0;
    return (t >>> 0) / 4_294_967_296;
  };
  const below = (count: number) => Math.floor(next() * count);
  return {
    next,
    below,
    chance: (probability) => next() < probability,
    pick: <T>(list: readonly T[]) => list[below(list.length)] as T,
    weighted<K extends string>(weights: Readonly<Partial<Record<K, number>>>) {
      const entries = Object.entries(weights) as [K, number][];
      let left = next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [name, weight] of entries) {
        left -= weight;
        if (left < 0) return name;
      }
      return (entries.at(-1) as [K, number])[0];
    },
    fork: (name) => openRandom(`${seed}\0${name}`),
  };
}
