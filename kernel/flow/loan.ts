import { LIMITS } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Lender, LendFault, Loan } from '../port/secret-lender.ts';
import type { Scheduler } from './scheduler.ts';

/**
 * One thing that a provider lent, from the loan to its end: renewed while somebody holds it, given back by the last who
 * lets go. Owns the times of both.
 */
export type OpenLoan = {
  readonly fields: Loan['fields'];
  /** Its term has passed. */
  isOver(): boolean;
  /** Milliseconds for which the values may open something yet, as far as is known. */
  restMs(): number;
  hold(): void;
  /** @returns what comes of giving it back: of all that held it the same. */
  letGo(): { readonly isLast: boolean; readonly end: 'ended' | Promise<'revoked' | 'failed'> };
};

/** A term is renewed when this part of it has passed: there is time to try again before it ends. */
const RENEWED_AFTER = 0.5;
/** Taken off a term, because the provider counts it from before its answer. */
const EARLY_MS = 2_000;
const LEAST_WAIT_MS = 1_000;
/** Waits before each try to give it back. */
const REVOKE_WAITS_MS = [0, 1_000, 5_000];
/** The longest delay that a timer holds. */
const LONGEST_WAIT_MS = 2_000_000_000;

export async function openLoan(
  lender: Lender,
  deps: { scheduler: Scheduler; report: (defect: unknown) => void },
): Promise<Result<OpenLoan, LendFault>> {
  const { scheduler, report } = deps;
  const lent = await lender.lend().catch((defect) => {
    report(defect);
    return err({ kind: 'unavailable', reason: 'the lender failed inside' } as const);
  });
  if (!lent.ok) return lent;
  const { fields, renew, revoke } = lent.value;
  // What is no time is none: nothing may be held for ever because of it.
  const termMs = lent.value.termMs === null ? null : Math.max(0, lent.value.termMs || 0);
  const endOf = (ms: number) => scheduler.elapsed() + Math.min(ms, LIMITS.leaseHours.value * 3_600_000);
  let endsAt = termMs === null ? Number.POSITIVE_INFINITY : endOf(termMs);
  let holders = 0;
  let isRevoked = false;
  let takeBack: () => void = () => undefined;
  const given = Promise.withResolvers<'revoked' | 'failed'>();

  const restMs = () => (isRevoked ? 0 : Math.max(0, endsAt - scheduler.elapsed()));
  const isOver = () => restMs() <= Math.min(EARLY_MS, (termMs ?? 0) / 10) && endsAt !== Number.POSITIVE_INFINITY;

  const renewLater = (ask: NonNullable<Loan['renew']>) => {
    const waitMs = Math.min(Math.max(restMs() * RENEWED_AFTER, LEAST_WAIT_MS), LONGEST_WAIT_MS);
    takeBack = scheduler.after(waitMs, async () => {
      if (holders === 0 || restMs() === 0) return;
      const renewed = await ask().catch((defect) => {
        report(defect);
        return err('unavailable' as const);
      });
      if (renewed.ok) endsAt = Math.max(endsAt, endOf(renewed.value));
      if (holders > 0 && (renewed.ok || renewed.error === 'unavailable')) renewLater(ask);
    });
  };
  if (renew && termMs !== null) renewLater(renew);

  const giveBack = async (ask: NonNullable<Loan['revoke']>): Promise<'revoked' | 'failed'> => {
    for (const waitMs of REVOKE_WAITS_MS) {
      if (waitMs > 0) await new Promise<void>((resolve) => scheduler.after(waitMs, resolve));
      const done = await ask().catch((defect) => {
        report(defect);
        return false;
      });
      if (done) {
        isRevoked = true;
        return 'revoked';
      }
    }
    return 'failed';
  };

  return ok({
    fields,
    isOver,
    restMs,
    hold: () => {
      holders += 1;
    },
    letGo: () => {
      holders -= 1;
      const isLast = holders === 0;
      if (isLast) takeBack();
      if (revoke === null) return { isLast, end: 'ended' };
      if (isLast) void giveBack(revoke).then(given.resolve);
      return { isLast, end: given.promise };
    },
  });
}
