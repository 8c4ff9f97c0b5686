import type { ErrorClass } from '../../sdk/contract/error.ts';
import type { HealthStage } from '../../sdk/contract/plugin.ts';
import type { UnixMs } from '../base/time.ts';

/**
 * The health of one connector of one org (S 7.1, 12.4), as its health checks tell it. Pure.
 *
 * - K1 so many checks in a row that fail make it unhealthy, one that goes well makes it healthy: one lost answer alarms
 *   nobody, and nobody waits to hear that it is over.
 * - K2 a check that asked nothing of the connector (a stop, no free cell) changes nothing.
 */
export type Health =
  | { readonly state: 'unknown' }
  | { readonly state: 'healthy'; readonly since: UnixMs }
  /** `stage` and `error`: of the last check that failed. */
  | {
      readonly state: 'unhealthy';
      readonly since: UnixMs;
      readonly stage: HealthStage;
      readonly error: HealthError;
    };

export type HealthAnswer =
  | { readonly kind: 'well' }
  | { readonly kind: 'failed'; readonly stage: HealthStage; readonly error: HealthError }
  | { readonly kind: 'unasked' };

/** `failures`: checks in a row that failed. */
export type Pulse = { readonly health: Health; readonly failures: number };

type HealthError = { readonly class: ErrorClass; readonly message: string };

export const UNKNOWN: Pulse = { health: { state: 'unknown' }, failures: 0 };

/** @param failuresMax how many in a row make it unhealthy. */
export function pulseAfter({ health, failures }: Pulse, answer: HealthAnswer, failuresMax: number, now: UnixMs): Pulse {
  if (answer.kind === 'unasked') return { health, failures };
  if (answer.kind === 'well')
    return { health: health.state === 'healthy' ? health : { state: 'healthy', since: now }, failures: 0 };
  const { stage, error } = answer;
  const inARow = failures + 1;
  if (health.state === 'unhealthy') return { health: { ...health, stage, error }, failures: inARow };
  if (inARow < failuresMax) return { health, failures: inARow };
  return { health: { state: 'unhealthy', since: now, stage, error }, failures: inARow };
}
