import { hash } from 'node:crypto';
import { type DurationMs, type UnixMs, unixMs } from '../../base/time.ts';
import type { Clock, Entropy } from '../../port/clock.ts';

/** Time that a test owns. */
export function openManualClock(start: number): Clock & { advance(by: DurationMs | number): UnixMs } {
  let at = start;
  return {
    now: () => unixMs(at),
    advance(by) {
      at += by;
      return unixMs(at);
    },
  };
}

/** Randomness that a test owns: the same seed gives the same ids and nonces. */
export function openSeededEntropy(seed: string): Entropy {
  let drawn = 0;
  const draw = () => hash('sha256', `${seed}\0${drawn++}`, 'buffer');
  return {
    id: () => `${drawn.toString(16).padStart(12, '0')}${draw().toString('hex').slice(0, 20)}`,
    nonce: (bytes) => draw().subarray(0, bytes).toString('base64'),
  };
}
