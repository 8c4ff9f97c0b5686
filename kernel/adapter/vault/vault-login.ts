import * as v from 'valibot';
import type { ProviderOf } from '../../../sdk/contract/secrets-policy.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { LendFault, ReadCredential } from '../../port/secret-lender.ts';
import type { VaultClient, VaultFault } from './vault-client.ts';

/**
 * Logs in to the server and keeps the token: in memory, renewed while that works, made anew when it does not. Owns the one
 * token at a time. An earlier one is not revoked, because the leases that were made with it would end with it.
 */
export type Login = {
  /** Runs what needs a token; once more, with a new one, when the server does not take the first any more. */
  withToken<T>(use: (token: string) => Promise<Result<T, VaultFault>>): Promise<Result<T, LendFault>>;
  close(): Promise<void>;
};

const Auth = v.object({
  auth: v.object({
    client_token: v.pipe(v.string(), v.minLength(1), v.maxLength(4_096), v.regex(/^[\x21-\x7e]+$/)),
    lease_duration: v.pipe(v.number(), v.integer(), v.minValue(0)),
    renewable: v.boolean(),
  }),
});
type Token = { readonly text: string; readonly termMs: number; readonly since: number; readonly isRenewable: boolean };

/** From this part of its term on a token is renewed before it is used. */
const RENEWED_AFTER = 0.5;
/** And from here on not used any more. */
const OVER_AFTER = 0.9;
/** Because a request was refused a token is made anew no more often. */
const ANEW_EVERY_MS = 60_000;

export function openLogin(deps: {
  client: VaultClient;
  login: ProviderOf<'vault'>['login'];
  readCredential: ReadCredential;
  /** Milliseconds; never runs backwards. */
  elapsed: () => number;
}): Login {
  const { client, login, readCredential, elapsed } = deps;
  let token: Token | undefined;
  let anewAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<Result<Token, LendFault>> | undefined;

  const tokenOf = ({ auth }: v.InferOutput<typeof Auth>): Token => ({
    text: auth.client_token,
    // 0: it does not end (a root token, or a periodic one without bounds).
    termMs: auth.lease_duration === 0 ? Number.POSITIVE_INFINITY : auth.lease_duration * 1_000,
    since: elapsed(),
    isRenewable: auth.renewable,
  });

  const logIn = async (): Promise<Result<Token, LendFault>> => {
    const from = login.method === 'approle' ? login.secretId : login.jwt;
    const read = await readCredential(from);
    if (!read.ok) return err({ kind: 'unavailable', reason: `the kernel cannot log in: ${read.error}` });
    const body =
      login.method === 'approle'
        ? { role_id: login.roleId, secret_id: read.value }
        : { role: login.role, jwt: read.value };
    const path = `auth/${login.mount}/login`;
    const answer = await client.ask({ method: 'POST', path, token: null, body }, Auth);
    if (answer.ok) return ok(tokenOf(answer.value));
    const { status, reason } = answer.error;
    const isRefused = status === 400 || status === 403 || status === 404;
    return err({ kind: 'unavailable', reason: isRefused ? `the server refused the login (${status})` : reason });
  };

  const renew = async (before: Token): Promise<Result<Token, LendFault>> => {
    const path = 'auth/token/renew-self';
    const answer = await client.ask({ method: 'POST', path, token: before.text, body: {} }, Auth);
    if (!answer.ok) return logIn();
    const renewed = tokenOf(answer.value);
    // Near its greatest age the server gives less and less: a new one, while there is time.
    return renewed.termMs < before.termMs * RENEWED_AFTER ? logIn() : ok(renewed);
  };

  const next = async (): Promise<Result<Token, LendFault>> => {
    const age = token ? (elapsed() - token.since) / token.termMs : 1;
    if (token && age < RENEWED_AFTER) return ok(token);
    const got = await (token?.isRenewable && age < OVER_AFTER ? renew(token) : logIn());
    if (got.ok) token = got.value;
    return got;
  };
  const current = (): Promise<Result<Token, LendFault>> => {
    asking ??= next().finally(() => {
      asking = undefined;
    });
    return asking;
  };

  return {
    async withToken(use) {
      const first = await current();
      if (!first.ok) return first;
      const done = await use(first.value.text);
      if (done.ok || done.error.status !== 403) return done;
      // Revoked on the other side, or a new policy of its role: a new login has what holds now. Or it is this path that is
      // refused: then each new login would do nothing but leave a token behind.
      if (token === first.value) {
        if (elapsed() - anewAt < ANEW_EVERY_MS) return done;
        anewAt = elapsed();
        token = undefined;
      }
      const second = await current();
      return second.ok ? use(second.value.text) : second;
    },
    async close() {
      const last = token;
      token = undefined;
      if (last)
        await client.ask({ method: 'POST', path: 'auth/token/revoke-self', token: last.text, body: {} }, v.null());
    },
  };
}
