import type { OrgId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Lender, Lenders, LendFault } from '../port/secret-lender.ts';
import type { KnownSecrets, SecretLease, SecretSource } from '../port/secret-source.ts';
import { type LentValues, openLentValues } from './lent-values.ts';
import { type OpenLoan, openLoan } from './loan.ts';
import { openPatience, type Patience } from './patience.ts';
import type { Scheduler } from './scheduler.ts';

/**
 * The secrets of an org out of several places: those that its secrets policy names are lent by a provider, for one step;
 * all others are those of the store. What a step borrows twice (two fields of one thing) it borrows once.
 */
export type LentSecrets = SecretSource & {
  /** Whether the policy has it lent by a provider: it cannot be stored here then. */
  isLent(org: OrgId, name: string): boolean;
  /** Puts the lenders of an org in force. */
  bind(org: OrgId, lenders: Lenders): void;
  /** Waits for what is on its way to be taken back, and then for the lenders to close, each at most `graceMs`. */
  close(graceMs: number): Promise<void>;
};

/** A secret that a provider did not lend, told to whoever runs the kernel. */
export type NotLent = {
  readonly org: OrgId;
  readonly name: string;
  readonly provider: string;
  readonly reason: string;
};

type OrgLoans = {
  readonly lenders: Lenders;
  readonly values: LentValues;
  readonly open: Map<string, Promise<Result<OpenLoan, LendFault>>>;
  /** The last fault of each name that was told, so that each is told once. */
  readonly told: Map<string, string>;
  /** By the key of the lender. */
  readonly patience: Map<string, Patience<LendFault>>;
  live: number;
};

export function openLentSecrets(deps: {
  stored: SecretSource;
  scheduler: Scheduler;
  report: (defect: unknown) => void;
  onNotLent?: ((fault: NotLent) => void) | undefined;
}): LentSecrets {
  const { stored, scheduler, report, onNotLent } = deps;
  const orgs = new Map<OrgId, OrgLoans>();
  /** What a provider was asked for and has not answered: loans, and the ends of loans. */
  const underWay = new Set<Promise<unknown>>();
  const known = new WeakMap<KnownSecrets, { readonly lent: KnownSecrets; readonly both: KnownSecrets }>();

  const borrow = (loans: OrgLoans, key: string, lender: Lender): Promise<Result<OpenLoan, LendFault>> => {
    const known = loans.open.get(key);
    if (known) return known;
    const patience = loans.patience.get(lender.key) ?? openPatience<LendFault>(scheduler.elapsed);
    loans.patience.set(lender.key, patience);
    const early = patience.ask();
    if (early) return Promise.resolve(err(early));
    const open = openLoan(lender, { scheduler, report });
    loans.open.set(key, open);
    const answered = open.then(() => undefined);
    underWay.add(answered);
    answered.finally(() => underWay.delete(answered));
    // What failed is asked for again by a later request.
    open.then((loan) => {
      if (loan.ok) return patience.worked();
      patience.failed(loan.error);
      if (loans.open.get(key) === open) loans.open.delete(key);
    });
    return open;
  };

  const lend = async (
    loans: OrgLoans,
    org: OrgId,
    name: string,
    forWhat: Parameters<SecretSource['lease']>[2],
  ): Promise<Result<SecretLease, 'unknown' | 'unavailable'>> => {
    const bound = loans.lenders.byName.get(name);
    if (!bound) return stored.lease(org, name, forWhat);
    const refuse = ({ kind, reason }: LendFault) => {
      if (loans.told.get(name) !== reason) onNotLent?.({ org, name, provider: bound.provider, reason });
      loans.told.set(name, reason);
      return err(kind);
    };
    if (loans.live >= LIMITS.leasesPerOrg.value)
      return refuse({ kind: 'unavailable', reason: `the org holds ${loans.live} leases already` });
    const key = JSON.stringify([forWhat.run, forWhat.step, bound.lender.key]);
    let opened: Result<OpenLoan, LendFault>;
    loans.live += 1;
    try {
      // One that was made for this very call is never too old for it: nobody would hold it then, and so give it back.
      const earlier = loans.open.get(key);
      const held = await earlier;
      if (held?.ok && held.value.isOver() && loans.open.get(key) === earlier) loans.open.delete(key);
      opened = await borrow(loans, key, bound.lender);
    } finally {
      loans.live -= 1;
    }
    if (!opened.ok) return refuse(opened.error);
    const loan = opened.value;
    const text = Object.hasOwn(loan.fields, bound.field) ? loan.fields[bound.field] : undefined;
    loan.hold();
    if (text === undefined) {
      if (loan.letGo().isLast) loans.open.delete(key);
      return refuse({ kind: 'unknown', reason: 'what it lends has not the field that the policy names' });
    }
    loans.told.delete(name);
    loans.values.hold(name, text);
    loans.live += 1;
    let held: string | undefined = text;
    let ended: ReturnType<SecretLease['revoke']> = 'ended';
    const mark = `[secret:${name}]`;
    return ok(
      Object.freeze({
        name,
        reveal: () => {
          if (held === undefined) throw new Error(`the lease of ${mark} has ended`);
          return held;
        },
        isOver: loan.isOver,
        revoke: () => {
          if (held === undefined) return ended;
          held = undefined;
          loans.live -= 1;
          const { isLast, end } = loan.letGo();
          if (isLast) loans.open.delete(key);
          ended = end;
          loans.values.letGo(name, text, loan.restMs());
          if (end !== 'ended') {
            underWay.add(end);
            end.finally(() => underWay.delete(end));
          }
          return ended;
        },
        toString: () => mark,
        toJSON: () => mark,
        [Symbol.for('nodejs.util.inspect.custom')]: () => mark,
      }),
    );
  };

  return {
    put: stored.put,
    list: stored.list,
    remove: stored.remove,
    async known(org) {
      const first = await stored.known(org);
      const lent = orgs.get(org)?.values.all() ?? [];
      if (!first.ok || lent.length === 0) return first;
      const before = known.get(first.value);
      if (before?.lent === lent) return ok(before.both);
      const both = [...first.value, ...lent];
      known.set(first.value, { lent, both });
      return ok(both);
    },
    lease: async (org, name, forWhat) => {
      const loans = orgs.get(org);
      return loans ? lend(loans, org, name, forWhat) : stored.lease(org, name, forWhat);
    },
    isLent: (org, name) => orgs.get(org)?.lenders.byName.has(name) ?? false,
    bind(org, lenders) {
      const before = orgs.get(org);
      void before?.lenders.close();
      orgs.set(org, {
        lenders,
        values: before?.values ?? openLentValues(scheduler.elapsed),
        open: new Map(),
        told: new Map(),
        patience: new Map(),
        live: 0,
      });
    },
    async close(graceMs) {
      const within = async (work: Promise<unknown>) => {
        const late = Promise.withResolvers<void>();
        const takeBack = scheduler.after(graceMs, late.resolve);
        await Promise.race([work, late.promise]);
        takeBack();
      };
      let isLate = false;
      const settle = async () => {
        while (underWay.size > 0 && !isLate) {
          await Promise.all(underWay);
          // What was lent last is given back in the next turn.
          await new Promise<void>((resolve) => scheduler.soon(resolve));
        }
      };
      await within(settle());
      isLate = true;
      // Also where one provider has not taken back what it lent: others have tokens to be told of.
      await within(Promise.all([...orgs.values()].map(({ lenders }) => lenders.close())));
    },
  };
}
