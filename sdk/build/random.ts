/**
 * The `Math.random` of a sealed plugin: sfc32 (Chris Doty-Humphrey, PractRand), whose whole state is the 128-bit seed.
 * Every step can be run backwards, so no bit of the seed is lost, and the first rounds are thrown away, so that seeds
 * that differ little give numbers that differ much. Not for secrets: a plugin that needs a unique value has its
 * idempotency key.
 *
 * @param seed Two decimal unsigned 64-bit integers.
 * @returns numbers from 0 (included) to 1 (excluded), with 53 random bits.
 */
export function createRandom(seed: readonly [string, string]): () => number {
  const [low, high] = [BigInt(seed[0]), BigInt(seed[1])];
  let a = Number(low & 0xffff_ffffn) | 0;
  let b = Number((low >> 32n) & 0xffff_ffffn) | 0;
  let c = Number(high & 0xffff_ffffn) | 0;
  let counter = Number((high >> 32n) & 0xffff_ffffn) | 0;
  const next = (): number => {
    const out = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + out) | 0;
    return out >>> 0;
  };
  for (let round = 0; round < 16; round++) next();
  return () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
}
