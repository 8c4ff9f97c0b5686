import { randomFillSync, randomUUIDv7 } from 'node:crypto';
import { unixMs } from '../../base/time.ts';
import type { Clock, Entropy } from '../../port/clock.ts';

/** The machine's clock and randomness. */
export const systemClock: Clock = { now: () => unixMs(Date.now()) };

const POOL_BYTES = 8_192;

export function openSystemEntropy(): Entropy {
  // Sixteen bytes at a time cost more in calls than in randomness.
  const pool = Buffer.allocUnsafe(POOL_BYTES);
  let at = POOL_BYTES;
  return {
    id: () => randomUUIDv7().replaceAll('-', ''),
    nonce(bytes) {
      if (at + bytes > POOL_BYTES) {
        randomFillSync(pool);
        at = 0;
      }
      const text = pool.toString('base64', at, at + bytes);
      pool.fill(0, at, at + bytes);
      at += bytes;
      return text;
    },
  };
}
