import { matchesType } from '../../sdk/contract/lifecycle.ts';
import type { AuditDraft } from '../audit/record.ts';
import type { OrgId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import { type UnixMs, unixMs } from '../base/time.ts';
import type { StoredLifecycle } from '../lifecycle/event.ts';
import type { Clock } from '../port/clock.ts';
import type { Row, Store, Write } from '../port/store.ts';
import { KEYS, within } from './keys.ts';
import type { Ledger } from './ledger.ts';
import { stateOf } from './outbox.ts';
import type { Registry } from './registry.ts';

/**
 * Keeps the feeds of lifecycle events within their bounds, one org after the other and a few rows at a time. What goes
 * goes on record, also for the webhooks that had not got it yet.
 */
const EVERY_MS = 600_000;
/** Rows that are looked at, or removed, in one turn of the event loop. */
const STRIDE = 256;

export type Bounds = { readonly events: number; readonly ageMs: number };
const BOUNDS: Bounds = {
  events: LIMITS.lifecycleEvents.value,
  ageMs: LIMITS.lifecycleDays.value * 86_400_000,
};

export function openPrune(deps: { store: Store; ledger: Ledger; registry: Registry; clock: Clock; bounds?: Bounds }) {
  const { store, ledger, registry, clock, bounds = BOUNDS } = deps;
  let next = unixMs(clock.now() + EVERY_MS);
  let sweeping: Promise<void> | undefined;
  let stopped = false;

  /** Where the newest that are kept begin: everything before is beyond the bound. */
  const floorOf = async (org: OrgId): Promise<string> => {
    const { from, to } = within(`${org}/lifecycle`);
    let place = to;
    for (let left = bounds.events; left > 0 && !stopped; ) {
      const rows = store.range({ from, to: place, limit: Math.min(STRIDE, left), reverse: true });
      const last = rows.at(-1);
      if (!last) return from;
      place = last.key;
      left -= rows.length;
      await turn();
    }
    return place;
  };

  const pruneOrg = async (org: OrgId): Promise<void> => {
    const { from, to } = within(`${org}/lifecycle`);
    const floor = await floorOf(org);
    const oldest = clock.now() - bounds.ageMs;
    while (!stopped && ledger.healthy()) {
      const rows = store.range({ from, to, limit: STRIDE });
      const firstKept = rows.findIndex(({ key, value }) => key >= floor && atOf(value) >= oldest);
      const gone = firstKept < 0 ? rows : rows.slice(0, firstKept);
      const last = gone.at(-1);
      if (!last) return;
      const lost = lostBy(org, gone);
      const ref = last.key.slice(from.length);
      await ledger.stage({
        audit: [{ org, kind: 'lifecycle.pruned', actor: 'system:outbox', ref }, ...lost.audit],
        rows: [...gone.map(({ key }) => ({ key, value: null })), ...lost.rows],
      });
      await turn();
    }
  };

  /** What of it webhooks were still to get. */
  const lostBy = (org: OrgId, gone: readonly Row[]): { readonly audit: AuditDraft[]; readonly rows: Write[] } => {
    const audit: AuditDraft[] = [];
    const rows: Write[] = [];
    const place = (key: string) => key.slice(`${org}/lifecycle/`.length);
    for (const { id, types } of registry.org(org)?.webhooks ?? []) {
      const key = KEYS.webhook(org, id);
      const state = stateOf(ledger.read(key));
      const missed = gone.filter(
        (row) => place(row.key) > state.after && types.some((type) => matchesType(type, typeOf(row.value))),
      );
      const last = missed.at(-1);
      if (!last) continue;
      audit.push({ org, kind: 'webhook.dropped', actor: 'system:outbox', ref: id, outcome: 'not_kept' });
      const after = place(last.key);
      rows.push({ key, value: JSON.stringify({ ...state, after, dropped: state.dropped + missed.length }) });
    }
    return { audit, rows };
  };

  const pruneAll = async (): Promise<void> => {
    for (const org of registry.orgs()) if (!stopped) await pruneOrg(org);
  };

  return {
    pruneOrg,
    /** Begins when it is time; one that is under way is not doubled. */
    async sweep(): Promise<void> {
      if (sweeping || stopped || clock.now() < next) return;
      next = unixMs(clock.now() + EVERY_MS);
      sweeping = pruneAll();
      try {
        await sweeping;
      } finally {
        sweeping = undefined;
      }
    },
    async stop(): Promise<void> {
      stopped = true;
      await sweeping?.catch(() => undefined);
    },
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const atOf = (value: string): UnixMs => (JSON.parse(value) as StoredLifecycle).at;
const typeOf = (value: string): string => (JSON.parse(value) as StoredLifecycle).type;
