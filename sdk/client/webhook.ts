import { isSignedBy, WEBHOOK_HEADERS } from '../contract/webhook.ts';

/**
 * For whoever receives lifecycle events: checks that a request is from the kernel and is not an old one played again.
 * Deliveries come at least once; `id` is the same however often, so keep those that you have seen.
 */
export type WebhookRequest = {
  /** With names in lower case, as Node has them. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Exactly the bytes that came, before anything parsed them. */
  readonly body: string | Uint8Array;
};

export type WebhookVerdict =
  | { readonly ok: true; readonly id: string; readonly event: unknown }
  /** `stale`: the clock of the sender, or yours, is off; or somebody plays it again. */
  | { readonly ok: false; readonly why: 'unsigned' | 'stale' | 'forged' | 'not_json' };

/** How far the time of a request may lie from now, in seconds. */
const TOLERANCE_S = 300;

/**
 * @param secrets the shared secret; two while it is being changed.
 * @param nowMs milliseconds since 1970.
 */
export function verifyWebhook(
  { headers, body }: WebhookRequest,
  secrets: string | readonly string[],
  nowMs: number = Date.now(),
): WebhookVerdict {
  const [id, written, signatures] = [WEBHOOK_HEADERS.id, WEBHOOK_HEADERS.timestamp, WEBHOOK_HEADERS.signature].map(
    (name) => headers[name],
  );
  if (typeof id !== 'string' || typeof written !== 'string' || typeof signatures !== 'string')
    return { ok: false, why: 'unsigned' };
  if (!/^[0-9]{1,12}$/.test(written)) return { ok: false, why: 'unsigned' };
  const timestamp = Number(written);
  if (Math.abs(nowMs / 1_000 - timestamp) > TOLERANCE_S) return { ok: false, why: 'stale' };
  const known = typeof secrets === 'string' ? [secrets] : secrets;
  if (!known.some((secret) => isSignedBy(secret, signatures, id, timestamp, body))) return { ok: false, why: 'forged' };
  try {
    return { ok: true, id, event: JSON.parse(typeof body === 'string' ? body : Buffer.from(body).toString('utf8')) };
  } catch {
    return { ok: false, why: 'not_json' };
  }
}
