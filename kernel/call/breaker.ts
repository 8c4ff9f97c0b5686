import { unreachable } from '../base/assert.ts';
import { after, type DurationMs, durationMs, type UnixMs } from '../base/time.ts';
import type { BreakerPolicy } from './policy.ts';

/**
 * The circuit breaker of one connector of one org (S 12.3): closed, open, half open, closed again. Pure.
 *
 * - B1 closed: calls pass. `failures` ends in a row within the window that say the target is in trouble open it; an end
 *   that says it is well begins the count anew. An end that says nothing of the target changes nothing.
 * - B2 open: no call passes before `until`.
 * - B3 half open: at most `probes` calls at a time pass. The first one to find the target well closes it, the first one
 *   to find it in trouble opens it again.
 * - B4 while it is not closed, the ends of other calls than the probes of this round change nothing.
 */
export type Breaker =
  /** `failures`: when the last ends in a row were that say trouble; fewer than the policy asks for. */
  | { readonly state: 'closed'; readonly failures: readonly UnixMs[] }
  /** `since`: when it left the closed state. */
  | { readonly state: 'open'; readonly since: UnixMs; readonly until: UnixMs }
  | { readonly state: 'half_open'; readonly since: UnixMs; readonly until: UnixMs; readonly probing: number };

export const CLOSED: Breaker = { state: 'closed', failures: [] };

/** With what right a call set out; handed in again with its end. `round` names the half-open state it probes for. */
export type Pass = { readonly round: UnixMs | null };

export type Admission =
  | { readonly kind: 'passes'; readonly breaker: Breaker; readonly pass: Pass }
  | { readonly kind: 'refused'; readonly retryAfterMs: DurationMs };

/** Whether a call may set out now. */
export function admit(breaker: Breaker, policy: BreakerPolicy, now: UnixMs): Admission {
  switch (breaker.state) {
    case 'closed':
      return { kind: 'passes', breaker, pass: { round: null } };
    case 'open':
      if (now < breaker.until) return { kind: 'refused', retryAfterMs: durationMs(breaker.until - now) };
      return admit({ ...breaker, state: 'half_open', probing: 0 }, policy, now);
    case 'half_open':
      // Nobody knows when the probes end: whoever is refused comes back when the next round would begin.
      if (breaker.probing >= policy.probes) return { kind: 'refused', retryAfterMs: policy.openMs };
      return {
        kind: 'passes',
        breaker: { ...breaker, probing: breaker.probing + 1 },
        pass: { round: breaker.until },
      };
    default:
      return unreachable(breaker);
  }
}

/** What the end of a call says of its target. */
export type End = 'well' | 'trouble' | 'nothing';

/** A call that had passed is over. */
export function ended(breaker: Breaker, policy: BreakerPolicy, now: UnixMs, pass: Pass, end: End): Breaker {
  switch (breaker.state) {
    case 'closed': {
      if (end === 'nothing') return breaker;
      if (end === 'well') return breaker.failures.length === 0 ? breaker : CLOSED;
      const failures = [...breaker.failures.filter((at) => now - at < policy.windowMs), now];
      return failures.length < policy.failures ? { state: 'closed', failures } : opened(now, policy, now);
    }
    case 'open':
      return breaker;
    case 'half_open':
      if (pass.round !== breaker.until) return breaker;
      if (end === 'well') return CLOSED;
      if (end === 'trouble') return opened(breaker.since, policy, now);
      return { ...breaker, probing: breaker.probing - 1 };
    default:
      return unreachable(breaker);
  }
}

const opened = (since: UnixMs, policy: BreakerPolicy, now: UnixMs): Breaker => ({
  state: 'open',
  since,
  until: after(now, policy.openMs),
});

/** One that was open when an earlier life of the kernel ended: the next call probes. */
export const reopened = (since: UnixMs): Breaker => ({ state: 'open', since, until: since });
