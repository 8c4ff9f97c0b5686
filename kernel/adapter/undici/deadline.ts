import { EgressError, failed } from './failure.ts';

/** A promise that is settled once, from outside, or fails at the deadline. */
export function before<T>(deadline: number, late: string) {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timer = setTimeout(() => reject(failed('timeout', late)), Math.max(0, deadline - performance.now()));
  const settle = (outcome: T | EgressError): void => {
    clearTimeout(timer);
    if (outcome instanceof EgressError) reject(outcome);
    else resolve(outcome);
  };
  return { promise, settle };
}
