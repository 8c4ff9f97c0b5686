import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import * as v from 'valibot';
import type { ProviderOf } from '../../../sdk/contract/secrets-policy.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { lenderRule } from '../../egress/lender-rule.ts';
import type { EgressClient } from '../../port/egress.ts';
import { faultOfExchange, LENDER_BODY_BYTES, LENDER_TIMEOUT_MS } from '../../port/lender-request.ts';
import type { Lenders, LendFault, Loan, ReadCredential } from '../../port/secret-lender.ts';

/**
 * Lends installation access tokens of a GitHub App, narrowed to the permissions and repositories of the policy; each is of
 * one step and revoked with it. https://docs.github.com/en/rest/apps/apps#create-an-installation-access-token-for-an-app
 */
type Provider = ProviderOf<'github-app'>;
/** `now`: Unix milliseconds; the server compares it with its own clock. */
type Deps = { egress: Pick<EgressClient, 'send'>; readCredential: ReadCredential; now: () => number };

const API_VERSION = '2022-11-28';
const Created = v.object({
  token: v.pipe(v.string(), v.minLength(8), v.maxLength(4_096), v.regex(/^[\x21-\x7e]+$/)),
  expires_at: v.pipe(v.string(), v.isoTimestamp()),
});

export function openGithubApp(provider: Provider, { egress, readCredential, now }: Deps): Lenders {
  const base = new URL(`${provider.url.replace(/\/$/, '')}/`);
  const rule = lenderRule(base, provider.addresses, ['POST', 'DELETE']);
  const send = (method: 'POST' | 'DELETE', path: string, bearer: string, body: string | null) =>
    egress.send({
      rule,
      pool: `lender ${provider.name}`,
      url: new URL(path, base),
      method,
      headers: {
        accept: 'application/vnd.github+json',
        authorization: `Bearer ${bearer}`,
        'user-agent': 'interlock',
        'x-github-api-version': API_VERSION,
        ...(body !== null && { 'content-type': 'application/json' }),
      },
      body,
      timeoutMs: LENDER_TIMEOUT_MS,
      maxBodyBytes: LENDER_BODY_BYTES,
    });

  const lend = async ({ permissions, repositories }: Provider['secrets'][number]): Promise<Result<Loan, LendFault>> => {
    const read = await readCredential(provider.key);
    if (!read.ok) return err({ kind: 'unavailable', reason: `the kernel cannot log in: ${read.error}` });
    const key = keyOf(read.value);
    if (!key) return err({ kind: 'unavailable', reason: 'the key of the app is no RSA private key' });
    const path = `app/installations/${provider.installation}/access_tokens`;
    const answer = await send(
      'POST',
      path,
      jwtOf(provider.appId, key, now()),
      JSON.stringify({ permissions, repositories }),
    );
    if (answer.kind !== 'answered') return err(faultOfExchange(answer));
    if (answer.status !== 201) return err(faultOfStatus(answer.status));
    const parsed = v.safeParse(Created, jsonOf(answer.body), { abortEarly: true });
    if (!parsed.success) return err({ kind: 'unavailable', reason: 'the server answered in a form that is not known' });
    const { token, expires_at } = parsed.output;
    const revoke = async () => {
      const done = await send('DELETE', 'installation/token', token, null);
      // 401: it opens nothing any more.
      return done.kind === 'answered' && (done.status === 204 || done.status === 401);
    };
    return ok({ fields: { token }, termMs: Math.max(0, Date.parse(expires_at) - now()), renew: null, revoke });
  };

  return {
    byName: new Map(
      provider.secrets.map((secret) => {
        const { permissions = null, repositories = null } = secret;
        const key = JSON.stringify([provider.name, permissions, repositories]);
        return [secret.name, { provider: provider.name, field: 'token', lender: { key, lend: () => lend(secret) } }];
      }),
    ),
    close: async () => undefined,
  };
}

function faultOfStatus(status: number): LendFault {
  if (status === 401)
    return { kind: 'unavailable', reason: 'the server refused the login (401): check app id, key and clock' };
  if (status === 404) return { kind: 'unknown', reason: 'the app has no such installation (404)' };
  if (status === 422) return { kind: 'unknown', reason: 'the app does not have what the policy asks for (422)' };
  return { kind: 'unavailable', reason: `the server answered with ${status}` };
}

/** PEM, or the base64 of its DER: a secret of the local store is one line. */
function keyOf(text: string): KeyObject | undefined {
  try {
    const key = text.startsWith('-----BEGIN')
      ? createPrivateKey({ key: text, format: 'pem' })
      : createPrivateKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'pkcs8' });
    return key.asymmetricKeyType === 'rsa' ? key : undefined;
  } catch {
    return undefined;
  }
}

/** RFC 7519 under RS256. A minute back, as the documentation asks, because clocks differ; ten minutes are the most. */
function jwtOf(app: string, key: KeyObject, nowMs: number): string {
  const at = Math.floor(nowMs / 1_000);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'RS256', typ: 'JWT' })}.${part({ iat: at - 60, exp: at + 540, iss: app })}`;
  return `${text}.${sign('RSA-SHA256', Buffer.from(text), key).toString('base64url')}`;
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return undefined;
  }
}
