import type { LifecycleEvent } from '../../sdk/contract/lifecycle.ts';
import { signWebhook, WEBHOOK_HEADERS } from '../../sdk/contract/webhook.ts';
import type { OrgId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import type { UnixMs } from '../base/time.ts';
import type { Webhook } from '../egress/webhook.ts';
import type { EgressClient, OutboundProxy } from '../port/egress.ts';

/** One delivery of one lifecycle event: signed now, under the id that it has however often it is sent. */
export type Delivered =
  | { readonly ok: true }
  /** `outcome` is a word for the record; the rest is for the operator. */
  | { readonly ok: false; readonly outcome: string; readonly reason: string; readonly hint: string | null };

/** Org and place in its feed: nobody else has it, and it has no dot, at which the signed text is taken apart. */
const webhookIdOf = (org: OrgId, event: Pick<LifecycleEvent, 'id'>): string => `msg_${org}_${event.id}`;

export async function deliver(
  egress: EgressClient,
  { org, hook, proxy, event, secret, now, signal }: Sending,
): Promise<Delivered> {
  const id = webhookIdOf(org, event);
  const timestamp = Math.floor(now / 1_000);
  const body = JSON.stringify(event);
  const answer = await egress.send({
    rule: hook.rule,
    pool: JSON.stringify([org, 'webhook', hook.id]),
    url: hook.url,
    proxy,
    method: 'POST',
    headers: {
      'content-type': 'application/cloudevents+json; charset=utf-8',
      'user-agent': 'interlock',
      [WEBHOOK_HEADERS.id]: id,
      [WEBHOOK_HEADERS.timestamp]: String(timestamp),
      [WEBHOOK_HEADERS.signature]: signWebhook(secret, id, timestamp, body),
    },
    body,
    timeoutMs: LIMITS.webhookSeconds.value * 1_000,
    maxBodyBytes: LIMITS.httpBodyBytes.value,
    signal,
  });
  switch (answer.kind) {
    case 'answered':
      // A redirect is no answer: whoever moved tells the operator, who changes the policy.
      return answer.status >= 200 && answer.status < 300
        ? { ok: true }
        : { ok: false, outcome: `http.${answer.status}`, reason: `it answered ${answer.status}`, hint: null };
    case 'denied':
      return { ok: false, outcome: 'denied', reason: answer.reason, hint: answer.hint ?? null };
    case 'failed':
      return { ok: false, outcome: answer.class, reason: answer.reason, hint: null };
  }
}

export type Sending = {
  readonly org: OrgId;
  readonly hook: Webhook;
  /** Of the org, as for the requests of plugins. */
  readonly proxy: OutboundProxy | undefined;
  readonly event: LifecycleEvent;
  readonly secret: string;
  readonly now: UnixMs;
  readonly signal: AbortSignal;
};
