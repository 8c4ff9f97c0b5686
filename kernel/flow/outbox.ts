import { WEBHOOK_HEADERS } from '../../sdk/contract/webhook.ts';
import type { AuditDraft } from '../audit/record.ts';
import type { OrgId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import { after, durationMs, type UnixMs, unixMs } from '../base/time.ts';
import type { Webhook } from '../egress/webhook.ts';
import type { Clock } from '../port/clock.ts';
import type { EgressClient } from '../port/egress.ts';
import type { SecretLease, SecretSource } from '../port/secret-source.ts';
import type { Write } from '../port/store.ts';
import type { EgressRefused } from './broker.ts';
import { type Delivered, deliver } from './delivery.ts';
import { FEED_START, type Feed } from './feed.ts';
import { KEYS } from './keys.ts';
import { proxyWith } from './leases.ts';
import type { Ledger } from './ledger.ts';
import type { Registry } from './registry.ts';
import { endOnRecord, leaseOnRecord } from './secrets.ts';
import { lifecycleRow } from './tell.ts';

/**
 * Sends lifecycle events to the webhooks of their org: each at least once, in the order of the feed, one after the other
 * for each webhook. Nothing waits for it. Where it is in the feed is a row; what was sent and not yet noted when the
 * kernel ended is sent again under the same id.
 */
export type WebhookState = {
  /** Id of the last event that was delivered, passed over or given up. */
  readonly after: string;
  /** Tries of the next one that failed. */
  readonly attempts: number;
  readonly retryAt: UnixMs;
  /** The word of the last failure; null after a success. */
  readonly failure: string | null;
  readonly delivered: number;
  /** Given up, because they were too old. */
  readonly dropped: number;
};

/** Events that are sent before it is noted; after a crash at most so many come twice. */
const BATCH = 32;
/** Webhooks at once, of all orgs. */
const AT_ONCE = 32;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 300_000;
/** Events that are given up in one step. */
const DROPPED_AT_ONCE = 200;

type Hook = { readonly org: OrgId; readonly webhook: Webhook };

export type Outbox = ReturnType<typeof openOutbox>;

export const stateOf = (text: string | undefined): WebhookState =>
  text === undefined
    ? { after: FEED_START, attempts: 0, retryAt: unixMs(0), failure: null, delivered: 0, dropped: 0 }
    : (JSON.parse(text) as WebhookState);

export function openOutbox(deps: {
  ledger: Ledger;
  registry: Registry;
  feed: Feed;
  egress: EgressClient;
  secrets: SecretSource;
  clock: Clock;
  report: (defect: unknown) => void;
  onRefusal?: ((refused: EgressRefused) => void) | undefined;
}) {
  const { ledger, registry, feed, egress, secrets, clock, report, onRefusal } = deps;
  /** Those that may have something to send. */
  const awake = new Map<string, Hook>();
  const busy = new Map<string, Promise<void>>();
  /** How far the feed was looked at, where what came since the last delivery is nothing for the webhook. Not noted. */
  const looked = new Map<string, string>();
  const stopping = new AbortController();

  const keyOf = ({ org, webhook }: Hook) => KEYS.webhook(org, webhook.id);
  const read = (hook: Hook) => stateOf(ledger.read(keyOf(hook)));
  const placeOf = (hook: Hook): string => {
    const noted = read(hook).after;
    const seen = looked.get(keyOf(hook));
    return seen !== undefined && seen > noted ? seen : noted;
  };
  const wake = (org: OrgId) => {
    for (const webhook of registry.org(org)?.webhooks ?? []) awake.set(KEYS.webhook(org, webhook.id), { org, webhook });
  };
  feed.onNews(wake);

  /** Notes what came of a step. Read anew, because what is pruned moves the place as well. */
  const note = (hook: Hook, audit: readonly AuditDraft[], part: Partial<WebhookState>, more: readonly Write[] = []) => {
    const before = read(hook);
    const later = part.after !== undefined && part.after > before.after ? part.after : before.after;
    const state: WebhookState = { ...before, ...part, after: later };
    return ledger.stage({ audit, rows: [{ key: keyOf(hook), value: JSON.stringify(state) }, ...more] });
  };
  const record = ({ org, webhook }: Hook, kind: AuditDraft['kind'], outcome?: string): AuditDraft => ({
    org,
    kind,
    actor: 'system:outbox',
    ref: webhook.id,
    ...(outcome !== undefined && { outcome }),
  });

  /** One batch. `later`: a failure is waited out. `idle`: there is nothing to send. */
  const step = async (hook: Hook): Promise<'more' | 'later' | 'idle'> => {
    const { org, webhook } = hook;
    const before = read(hook);
    const from = placeOf(hook);
    const page = feed.read(org, { after: from, types: webhook.types, limit: BATCH });
    if (page.events.length === 0) {
      looked.set(keyOf(hook), page.next);
      return page.next === from ? 'idle' : 'more';
    }
    const sent = await send(hook, page.events);
    if (stopping.signal.aborted && sent.delivered === 0) return 'later';
    const delivered = before.delivered + sent.delivered;
    const place = sent.after === undefined ? {} : { after: sent.after };
    const ok = sent.delivered > 0 ? [record(hook, 'webhook.delivered')] : [];
    if (!sent.failure) {
      await note(hook, ok, { ...place, delivered, attempts: 0, failure: null });
      return 'more';
    }
    const attempts = (sent.delivered > 0 ? 0 : before.attempts) + 1;
    const { outcome, reason, hint } = sent.failure;
    if (attempts === 1) onRefusal?.({ org, run: '-', step: '-', plugin: `webhook ${webhook.id}`, reason, hint });
    const waitMs = Math.min(FIRST_WAIT_MS * 2 ** Math.min(attempts - 1, 20), LONGEST_WAIT_MS);
    const retryAt = after(clock.now(), durationMs(waitMs));
    const failed = { ...place, delivered, attempts, failure: outcome, retryAt };
    await note(hook, [...ok, record(hook, 'webhook.failed', outcome)], failed);
    await giveUp(hook);
    return 'later';
  };

  type Sent = { delivered: number; after: string | undefined; failure: Extract<Delivered, { ok: false }> | undefined };

  /** On record before it is used, like every lease. @returns why there is none, for the operator. */
  const take = async (org: OrgId, name: string): Promise<Result<SecretLease, string>> => {
    const head = { org, actor: 'system:outbox' };
    const lease = await leaseOnRecord(secrets, ledger, head, name, { run: '-', step: '-' });
    if (lease.ok) return lease;
    return err(`the secret ${name} ${lease.error === 'unknown' ? 'is not stored' : 'cannot be read'}`);
  };

  const send = async ({ org, webhook }: Hook, events: ReturnType<Feed['read']>['events']): Promise<Sent> => {
    const sent: Sent = { delivered: 0, after: undefined, failure: undefined };
    const head = { org, actor: 'system:outbox' };
    // A signature is made with it: the value itself does not ride.
    const use = `${webhook.secret}/${webhook.rule.host}/${WEBHOOK_HEADERS.signature}`;
    const via = registry.org(org)?.egress.proxy;
    const none: Result<undefined, string> = ok(undefined);
    const [lease, pass] = await Promise.all([
      take(org, webhook.secret),
      via?.secret ? take(org, via.secret.name) : none,
    ]);
    try {
      if (!lease.ok || !pass.ok) {
        const missing = [lease, pass].flatMap((one) => (one.ok ? [] : [one.error]));
        sent.failure = { ok: false, outcome: 'no_secret', reason: missing.join('; '), hint: null };
        return sent;
      }
      const proxy = via && proxyWith(via, pass.value?.reveal() ?? null);
      for (const event of events) {
        const secret = lease.value.reveal();
        const { signal } = stopping;
        const done = await deliver(egress, { org, hook: webhook, proxy, event, secret, now: clock.now(), signal });
        if (signal.aborted && !done.ok) return sent;
        if (!done.ok) {
          sent.failure = done;
          return sent;
        }
        sent.delivered += 1;
        sent.after = event.id;
        if (signal.aborted) return sent;
      }
      return sent;
    } finally {
      const held = [lease, pass].flatMap((one) => (one.ok && one.value ? [one.value] : []));
      endOnRecord(ledger, report, head, held, lease.ok && pass.ok ? [{ ...head, kind: 'secret.used', ref: use }] : []);
    }
  };

  /** What was tried in vain and is too old is given up, and so is what stands behind it and is too old as well: loudly. */
  const giveUp = async (hook: Hook): Promise<void> => {
    const { org, webhook } = hook;
    const now = clock.now();
    const oldest = now - LIMITS.webhookHours.value * 3_600_000;
    const { after: place, dropped } = read(hook);
    const { events } = feed.read(org, { after: place, types: webhook.types, limit: DROPPED_AT_ONCE });
    const firstKept = events.findIndex(({ time }) => Date.parse(time) >= oldest);
    const gone = firstKept < 0 ? events : events.slice(0, firstKept);
    const last = gone.at(-1);
    if (!last) return;
    const seq = ledger.nextSeq();
    const told = lifecycleRow(org, now, {
      type: 'interlock.webhook.dropped',
      subject: webhook.id,
      data: { seq, webhook: webhook.id, events: gone.length },
    });
    const part = { after: last.id, dropped: dropped + gone.length, attempts: 0, retryAt: now };
    await note(hook, [record(hook, 'webhook.dropped', 'too_old')], part, [told]);
  };

  const run = async (key: string, hook: Hook): Promise<void> => {
    let next: Awaited<ReturnType<typeof step>> = 'idle';
    try {
      next = await step(hook);
    } catch (defect) {
      if (ledger.healthy()) report(defect);
    }
    busy.delete(key);
    // News may have come while it was looked at.
    const isDone = next === 'idle' && placeOf(hook) >= feed.last(hook.org);
    awake.delete(key);
    // Behind all others, so that one with much to send lets them have their turn.
    if (!isDone) awake.set(key, hook);
    if (next === 'more') sweep();
  };

  /** Begins what is due, without waiting for it. */
  const sweep = (): void => {
    if (stopping.signal.aborted || !ledger.healthy()) return;
    const now = clock.now();
    for (const [key, hook] of [...awake]) {
      if (busy.size >= AT_ONCE) return;
      if (!busy.has(key) && read(hook).retryAt <= now) busy.set(key, run(key, hook));
    }
  };

  return {
    /** Wakes every webhook: what is left from an earlier life is sent. */
    begin(): void {
      for (const org of registry.orgs()) wake(org);
    },
    /** Call it often. */
    sweep,
    /** How far each webhook of the org is. */
    state: (org: OrgId): readonly (WebhookState & { readonly webhook: Webhook })[] =>
      (registry.org(org)?.webhooks ?? []).map((webhook) => ({ webhook, ...read({ org, webhook }) })),
    /** Stops what is under way, and notes what was delivered. */
    async stop(): Promise<void> {
      stopping.abort('the kernel stops');
      await Promise.all(busy.values());
    },
  };
}
