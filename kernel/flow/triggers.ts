import type { Suppressed } from '../../sdk/contract/api-trigger.ts';
import { SUPPRESSED } from '../../sdk/contract/api-trigger.ts';
import { digestOf } from '../base/digest.ts';
import type { Digest, OrgId } from '../base/id.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { UnixMs } from '../base/time.ts';
import { actorOf, type Principal } from '../org/principal.ts';
import type { Clock } from '../port/clock.ts';
import type { Store } from '../port/store.ts';
import type { Trigger } from '../trigger/schema.ts';
import { sumOf } from '../trigger/tally.ts';
import { within } from './keys.ts';
import type { Ledger } from './ledger.ts';
import type { Registry } from './registry.ts';
import { readState, refOf, stateRows, type TriggerName, type TriggerState } from './trigger-state.ts';

/**
 * The triggers that are in force, what became of their matches, and the switch by which a person stops one that makes
 * too much noise (S 12.1).
 */
export type TriggerInForce = TriggerName & {
  readonly on: Trigger['on'];
  readonly digest: Digest;
  readonly burstSince: UnixMs | null;
  readonly stopped: TriggerState['stopped'];
  readonly next: UnixMs | null;
  readonly last: TriggerState['last'];
};

export type NoisyTrigger = TriggerName & {
  readonly matched: number;
  readonly started: number;
  readonly absorbed: number;
  readonly suppressed: Readonly<Record<Suppressed, number>>;
  readonly failed: number;
  readonly inVain: number;
};

const ROWS_PER_TURN = 500;

export type Triggers = ReturnType<typeof openTriggers>;

export function openTriggers(deps: { store: Store; ledger: Ledger; registry: Registry; clock: Clock }) {
  const { store, ledger, registry, clock } = deps;

  const named = (org: OrgId) => {
    const { triggers, schedules = [] } = registry.org(org) ?? {};
    return [...(triggers?.all() ?? []), ...schedules]
      .map(({ playbook, digest, trigger }) => ({
        name: { playbook, trigger: trigger.id },
        on: trigger.on,
        digest: digest as Digest,
      }))
      .sort((a, b) => (keyOf(a.name) < keyOf(b.name) ? -1 : 1));
  };
  const find = (org: OrgId, name: TriggerName) => named(org).find((one) => keyOf(one.name) === keyOf(name));
  const shown = (org: OrgId, { name, on, digest }: ReturnType<typeof named>[number]): TriggerInForce => {
    const { pace, stopped, place, last } = readState(store.get, org, name);
    const burstSince = pace.burst?.since ?? null;
    return { ...name, on, digest, burstSince, stopped, next: on === 'schedule' ? (place?.at ?? null) : null, last };
  };

  /** Its place in the list, and what a cursor holds: no name has a dot. */
  const keyOf = ({ playbook, trigger }: TriggerName) => `${playbook}.${trigger}`;

  const turn = async (
    by: Principal,
    name: TriggerName,
    reason: string,
    kind: 'trigger.stopped' | 'trigger.resumed',
  ): Promise<Result<TriggerInForce, { readonly kind: 'not_found' }>> => {
    const found = find(by.org, name);
    if (!found) return err({ kind: 'not_found' });
    const before = readState(ledger.read, by.org, name);
    const stopped = kind === 'trigger.stopped' ? { by: by.id, at: clock.now(), reason } : null;
    if (stopped !== null || before.stopped !== null)
      await ledger.stage({
        audit: [{ org: by.org, kind, actor: actorOf(by.id), ref: refOf(name), act: digestOf(reason) }],
        rows: stateRows(by.org, name, before, { ...before, stopped }),
      });
    return ok(shown(by.org, found));
  };

  return {
    /** By playbook and id, behind the one that `after` names. */
    list(
      org: OrgId,
      limit: number,
      after?: string,
    ): { readonly items: TriggerInForce[]; readonly next: string | null } {
      const behind = named(org).filter(({ name }) => after === undefined || keyOf(name) > after);
      const page = behind.slice(0, limit);
      const last = page.at(-1);
      return {
        items: page.map((one) => shown(org, one)),
        next: last && behind.length > page.length ? keyOf(last.name) : null,
      };
    },

    /**
     * Those that matched in the last 24 hours, in force or not any more; first the one of which the most matches started
     * nothing. Looks at every trigger that ever matched, a page at a time, and lets others have their turn in between.
     */
    async noisy(org: OrgId, limit: number): Promise<readonly NoisyTrigger[]> {
      const now = clock.now();
      const span = within(`${org}/trigger`);
      let most: readonly NoisyTrigger[] = [];
      for (let from = span.from; ; ) {
        const rows = store.range({ from, to: span.to, limit: ROWS_PER_TURN });
        const counted = rows.map(({ key, value }) => countsOf(nameAt(key), JSON.parse(value) as TriggerState, now));
        const found = counted.filter(({ matched }) => matched > 0);
        most = [...most, ...found].sort(byNoise).slice(0, limit);
        const last = rows.at(-1);
        if (!last || rows.length < ROWS_PER_TURN) return most;
        from = `${last.key}\0`;
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    },

    /** From now on it starts nothing; runs that are under way go on. */
    stop: (by: Principal, name: TriggerName, reason: string) => turn(by, name, reason, 'trigger.stopped'),
    resume: (by: Principal, name: TriggerName, reason: string) => turn(by, name, reason, 'trigger.resumed'),
  };
}

const nameAt = (key: string): TriggerName => {
  const [, , playbook = '', trigger = ''] = key.split('/');
  return { playbook, trigger };
};

const byNoise = (a: NoisyTrigger, b: NoisyTrigger): number =>
  b.matched - b.started - (a.matched - a.started) || b.matched - a.matched;

function countsOf(name: TriggerName, { hours = [] }: Partial<TriggerState>, now: UnixMs): NoisyTrigger {
  const sums = sumOf(hours, now);
  const matched = Object.values(sums).reduce((total, count) => total + count, 0);
  const started = (sums.started ?? 0) + (sums.queued ?? 0);
  const suppressed = Object.fromEntries(SUPPRESSED.map((reason) => [reason, sums[reason] ?? 0]));
  return {
    ...name,
    matched,
    started,
    absorbed: sums.absorbed ?? 0,
    suppressed: suppressed as Record<Suppressed, number>,
    failed: sums.failed ?? 0,
    inVain: matched === 0 ? 0 : (matched - started) / matched,
  };
}
