import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * The signature of a webhook, as Standard Webhooks has it: HMAC-SHA-256 over `id.timestamp.body`, in base64, behind the
 * version `v1,`. Kernel and receiver make it with this one function.
 */
export const WEBHOOK_HEADERS = {
  id: 'webhook-id',
  timestamp: 'webhook-timestamp',
  signature: 'webhook-signature',
} as const;

/** A secret that begins with `whsec_` is base64 behind that, as Standard Webhooks writes it; any other is its own bytes. */
const keyOf = (secret: string): Buffer =>
  secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret, 'utf8');

/** @param timestamp in seconds since 1970. */
export const signWebhook = (secret: string, id: string, timestamp: number, body: string | Uint8Array): string =>
  `v1,${createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.`).update(body).digest('base64')}`;

/** Whether one of the signatures in the header is ours; takes the same time for every wrong one. */
export function isSignedBy(
  secret: string,
  signatures: string,
  id: string,
  timestamp: number,
  body: string | Uint8Array,
): boolean {
  const expected = Buffer.from(signWebhook(secret, id, timestamp, body));
  return signatures.split(' ').some((one) => {
    const given = Buffer.from(one);
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}
