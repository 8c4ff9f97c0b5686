import { describe, expect, test } from 'vitest';
import { signWebhook } from '../contract/webhook.ts';
import { verifyWebhook } from './webhook.ts';

/** The example of the specification of Standard Webhooks. */
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const BODY = '{"test": 2432232314}';
const AT = 1_614_265_330;
const HEADERS = {
  'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  'webhook-timestamp': String(AT),
  'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
};
const NOW = AT * 1_000;

test('the example of the specification is signed as it says', () => {
  expect(signWebhook(SECRET, HEADERS['webhook-id'], AT, BODY)).toBe(HEADERS['webhook-signature']);
});

describe('a request', () => {
  type Change = {
    readonly headers?: Record<string, string | undefined>;
    readonly body?: string | Uint8Array;
    readonly secrets?: string | string[];
    readonly now?: number;
  };
  const signed = HEADERS['webhook-signature'];
  test.each<[string, Change, string]>([
    ['as it was sent', {}, 'ok'],
    ['as bytes', { body: Buffer.from(BODY) }, 'ok'],
    ['with a second signature', { headers: { 'webhook-signature': `v1a,xyz ${signed}` } }, 'ok'],
    ['under the former secret', { secrets: ['whsec_bmV3', SECRET] }, 'ok'],
    ['almost five minutes late', { now: NOW + 299_000 }, 'ok'],
    ['played again', { now: NOW + 301_000 }, 'stale'],
    ['from the future', { now: NOW - 301_000 }, 'stale'],
    ['with another body', { body: BODY.replace('4', '5') }, 'forged'],
    ['under another id', { headers: { 'webhook-id': 'msg_other' } }, 'forged'],
    ['at another time', { headers: { 'webhook-timestamp': String(AT + 1) } }, 'forged'],
    ['under another secret', { secrets: 'whsec_bmV3' }, 'forged'],
    ['under no secret', { secrets: [] }, 'forged'],
    ['without a signature', { headers: { 'webhook-signature': undefined } }, 'unsigned'],
    ['with an empty one', { headers: { 'webhook-signature': '' } }, 'forged'],
    ['with a time that is none', { headers: { 'webhook-timestamp': 'now' } }, 'unsigned'],
  ])('%s', (_, { headers = {}, body = BODY, secrets = SECRET, now = NOW }, expected) => {
    const verdict = verifyWebhook({ headers: { ...HEADERS, ...headers }, body }, secrets, now);
    expect(verdict.ok ? 'ok' : verdict.why).toBe(expected);
  });

  test('gives its id and its event', () => {
    expect(verifyWebhook({ headers: HEADERS, body: BODY }, SECRET, NOW)).toEqual({
      ok: true,
      id: HEADERS['webhook-id'],
      event: { test: 2_432_232_314 },
    });
  });

  test('that is signed and is no JSON is said to be none', () => {
    const signature = signWebhook('plain-secret', 'msg_1', AT, 'what');
    const headers = { ...HEADERS, 'webhook-id': 'msg_1', 'webhook-signature': signature };
    expect(verifyWebhook({ headers, body: 'what' }, 'plain-secret', NOW)).toEqual({ ok: false, why: 'not_json' });
  });
});
