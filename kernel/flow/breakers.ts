import type { AuditDraft } from '../audit/record.ts';
import type { OrgId } from '../base/id.ts';
import type { DurationMs, UnixMs } from '../base/time.ts';
import { admit, type Breaker, CLOSED, type End, ended, type Pass, reopened } from '../call/breaker.ts';
import { breakerFor, DEFAULT_EXECUTION } from '../call/policy.ts';
import type { Principal } from '../org/principal.ts';
import type { Clock } from '../port/clock.ts';
import { KEYS } from './keys.ts';
import type { Ledger } from './ledger.ts';
import type { Registry } from './registry.ts';
import { lifecycleRow } from './tell.ts';

/**
 * The circuit breakers of every connector of every org. That one opened and that it closed is on record, with the row
 * that lets it survive a restart; the rounds in between are not, because they change nothing for anyone.
 */
export type BreakerState = {
  readonly state: Breaker['state'];
  /** When it left the closed state. */
  readonly since: UnixMs | null;
  /** When the next call may try. */
  readonly retryAt: UnixMs | null;
  /** Failures in a row that count at present, while it is closed. */
  readonly failures: number;
};

/** A connector has failed for so long that its calls stopped, or is well again: for whoever has to be told. */
export type BreakerChange = {
  readonly org: OrgId;
  readonly connector: string;
  readonly kind: 'opened' | 'recovered' | 'reset';
};

/** `opened` is since when; the rest of an open breaker begins anew with a restart. */
type BreakerRow = { readonly since: UnixMs };

export type Breakers = ReturnType<typeof openBreakers>;

export function openBreakers(deps: {
  ledger: Pick<Ledger, 'read' | 'stage' | 'nextSeq'>;
  registry: Pick<Registry, 'org'>;
  clock: Clock;
  report: (defect: unknown) => void;
  tell?: (change: BreakerChange) => void;
}) {
  const { ledger, registry, clock, report, tell = () => undefined } = deps;
  /** Bounded by the connectors of the orgs. */
  const known = new Map<string, Breaker>();

  const keyOf = (org: OrgId, connector: string) => KEYS.breaker(org, connector);
  const policyOf = (org: OrgId, connector: string) =>
    breakerFor(registry.org(org)?.execution ?? DEFAULT_EXECUTION, connector);
  const load = (org: OrgId, connector: string): Breaker => {
    const key = keyOf(org, connector);
    const there = known.get(key);
    if (there) return there;
    const text = ledger.read(key);
    const breaker = text === undefined ? CLOSED : reopened((JSON.parse(text) as BreakerRow).since);
    known.set(key, breaker);
    return breaker;
  };

  /** The change and its record in one commit. @returns when it is on disk; what is decided next rests on it at once. */
  const move = (change: BreakerChange, actor: string, since: UnixMs | null): Promise<void> => {
    const { org, connector, kind } = change;
    const record: AuditDraft =
      kind === 'opened'
        ? { org, kind: 'breaker.opened', actor, ref: connector }
        : { org, kind: 'breaker.closed', actor, ref: connector, outcome: kind };
    const row: BreakerRow | null = since === null ? null : { since };
    tell(change);
    const told = lifecycleRow(org, clock.now(), {
      type: kind === 'opened' ? 'interlock.breaker.opened' : 'interlock.breaker.closed',
      subject: connector,
      data: { seq: ledger.nextSeq(), breaker: connector },
    });
    return ledger.stage({
      audit: [record],
      rows: [{ key: keyOf(org, connector), value: row && JSON.stringify(row) }, told],
    });
  };

  return {
    /** Whether a call may set out now. */
    admit(
      org: OrgId,
      connector: string,
    ): { readonly pass: Pass } | { readonly pass: null; readonly retryAfterMs: DurationMs } {
      const admission = admit(load(org, connector), policyOf(org, connector), clock.now());
      if (admission.kind === 'refused') return { pass: null, retryAfterMs: admission.retryAfterMs };
      known.set(keyOf(org, connector), admission.breaker);
      return { pass: admission.pass };
    },

    /** A call that was admitted is over. */
    ended(org: OrgId, connector: string, pass: Pass, end: End): void {
      const before = load(org, connector);
      const after = ended(before, policyOf(org, connector), clock.now(), pass, end);
      known.set(keyOf(org, connector), after);
      const actor = 'system:worker';
      // Rejects when the record has failed, and then the process is on its way out.
      if (before.state === 'closed' && after.state === 'open')
        move({ org, connector, kind: 'opened' }, actor, after.since).catch(report);
      if (before.state !== 'closed' && after.state === 'closed')
        move({ org, connector, kind: 'recovered' }, actor, null).catch(report);
    },

    show(org: OrgId, connector: string): BreakerState {
      const breaker = load(org, connector);
      return breaker.state === 'closed'
        ? { state: 'closed', since: null, retryAt: null, failures: breaker.failures.length }
        : { state: breaker.state, since: breaker.since, retryAt: breaker.until, failures: 0 };
    },

    /**
     * Closes it by hand. Changes nothing when it is closed, but forgets what was counted.
     * @returns whether it was open.
     */
    async reset(by: Principal, connector: string): Promise<boolean> {
      const isOpen = load(by.org, connector).state !== 'closed';
      known.set(keyOf(by.org, connector), CLOSED);
      if (isOpen) await move({ org: by.org, connector, kind: 'reset' }, `principal:${by.id}`, null);
      return isOpen;
    },
  };
}
