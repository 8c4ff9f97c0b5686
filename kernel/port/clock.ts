import type { UnixMs } from '../base/time.ts';

/** Time and randomness come from outside, so that a run can be replayed and a test can own both. */
export interface Clock {
  now(): UnixMs;
}

export interface Entropy {
  /** A new 128-bit id as 32 hex digits; sorts by time of creation (RFC 9562, version 7). */
  id(): string;
  /** `bytes` random bytes as standard base64. */
  nonce(bytes: number): string;
}
