import type { ErrorClass } from '../../sdk/contract/error.ts';
import { ERROR_CLASSES } from '../../sdk/contract/error.ts';
import { digestOf } from '../base/digest.ts';
import { type DurationMs, durationMs } from '../base/time.ts';
import type { ActionStep, RetryRule } from '../playbook/graph.ts';
import type { ActionFacts, Outcome } from './decision.ts';
import type { RunEvent } from './event.ts';

/** Attempts and delays (S 5.3). What is tried again is never tried more often than the budget. */
export type RetryPolicy = RetryRule;

const DEFAULT: RetryPolicy = { attempts: 3, first: durationMs(500), most: durationMs(10_000), on: undefined };

/** A plan changes nothing, so its repeat is always safe. */
export const planRetryPolicy = (step: ActionStep): RetryPolicy => step.retry ?? DEFAULT;

/** An action whose repeat nothing makes safe is not repeated by default: one attempt. */
export function retryPolicy(step: ActionStep, action: ActionFacts): RetryPolicy {
  if (step.retry) return step.retry;
  return mayRepeat(action) || action.idempotent === 'check' ? DEFAULT : { ...DEFAULT, attempts: 1 };
}

/** Whether doing it twice under one key equals doing it once: it changes nothing, or the target honours the key. */
export const mayRepeat = (action: ActionFacts): boolean => action.effect !== 'write' || action.idempotent === 'key';

/** Whether the error is an answer that refuses the request: what it asked for was not done. */
const isRefusal = (error: ErrorClass): boolean => REFUSALS.includes(error);
const REFUSALS: readonly ErrorClass[] = ['invalid_input', 'unauthorized', 'forbidden', 'not_found', 'conflict'];

/** Whether the policy tries again after this error: the classes that its author names, or every transient one. */
export const isRetriable = ({ on }: Pick<RetryPolicy, 'on'>, error: ErrorClass): boolean =>
  error !== 'refused_by_policy' && (on ? on.includes(error) : ERROR_CLASSES[error].transient);

/**
 * The end of what may not be repeated, once a request of it has left. A gateway may give up on what is done all the same,
 * and a plugin may fail after what it did: only an answer that refuses is a failure, and only what was answered can be a
 * success. All else is unknown, and so nothing is sent again.
 */
export function asOnce(outcome: Outcome): Outcome {
  if (outcome.kind === 'succeeded' && outcome.left === 'uncertain')
    return { kind: 'indeterminate', reason: 'unknown-after-no-answer' };
  if (outcome.kind === 'failed' && outcome.left && !isRefusal(outcome.error.class))
    return { kind: 'indeterminate', reason: `unknown-after-${outcome.error.class}` };
  return outcome;
}

/** Exponential, capped, with up to a quarter of jitter so that many runs do not return at once. `jitter` is 0..1. */
export function backoff(
  policy: Pick<RetryPolicy, 'first' | 'most'>,
  failedAttempts: number,
  jitter: number,
): DurationMs {
  const raw = Math.min(policy.first * 2 ** Math.max(0, failedAttempts - 1), policy.most);
  return durationMs(Math.round(raw * (1 + 0.25 * jitter)));
}

/** 0..1, from what is tried: runs spread, and the same try waits the same time when it is decided again. */
export const jitterOf = (name: string): number => Number.parseInt(digestOf(name).slice(7, 11), 16) / 65_536;

/**
 * Whether a try that ended is followed by another, by a question to the action, or by the wait for either. Then its end is
 * not yet what became of the step.
 * @param later what its turn goes on with.
 */
export const isTriedAgain = (step: string, later: readonly RunEvent[]): boolean =>
  later.some((event) => AGAIN.includes(event.kind) && 'step' in event && event.step === step);
const AGAIN: readonly RunEvent['kind'][] = ['step-retry', 'step-checking', 'step-parked', 'step-held', 'step-intended'];
