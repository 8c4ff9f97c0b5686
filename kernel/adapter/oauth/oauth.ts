import * as oauth from 'oauth4webapi';
import type { ProviderOf } from '../../../sdk/contract/secrets-policy.ts';
import { LIMITS } from '../../base/limits.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { EgressClient } from '../../port/egress.ts';
import type { Lenders, LendFault, Loan, ReadCredential } from '../../port/secret-lender.ts';
import { fetchOver } from './fetch-over.ts';
import { privateKeyOf } from './private-key.ts';

/**
 * Lends access tokens of an OAuth 2.0 authorization server: the grant of client credentials (RFC 6749 section 4.4), and
 * their revocation (RFC 7009). What the protocol asks for is the library's; what is sent goes through the egress guard.
 */
type Provider = ProviderOf<'oauth'>;
type Token = { readonly text: string; readonly termMs: number | null; readonly since: number };
type Deps = { egress: Pick<EgressClient, 'send'>; readCredential: ReadCredential; elapsed: () => number };

/** From this part of its term on a shared token is not lent any more: who gets it has some time left. */
const LENT_UNTIL = 0.8;
/** Whatever a server says of its end: nothing that is lent is held for longer. */
const LONGEST_MS = LIMITS.leaseHours.value * 3_600_000;

export function openOAuth(provider: Provider, deps: Deps): Lenders {
  const { elapsed } = deps;
  const server: oauth.AuthorizationServer = {
    issuer: provider.issuer,
    token_endpoint: provider.tokenUrl,
    ...(provider.revocationUrl !== undefined && { revocation_endpoint: provider.revocationUrl }),
  };
  const client: oauth.Client = { client_id: provider.clientId };
  const options = {
    [oauth.customFetch]: fetchOver(deps.egress, provider),
    // The policy says which scheme; the guard holds it to it.
    [oauth.allowInsecureRequests]: true,
  };
  /** Shared tokens, by what they are for. */
  const shared = new Map<string, Token>();
  const asking = new Map<string, Promise<Result<Token, LendFault>>>();

  const authenticate = async (): Promise<Result<oauth.ClientAuth, LendFault>> => {
    const read = await deps.readCredential(provider.credential);
    if (!read.ok) return unavailable(`the kernel cannot log in: ${read.error}`);
    if (provider.auth === 'client_secret_basic') return ok(oauth.ClientSecretBasic(read.value));
    if (provider.auth === 'client_secret_post') return ok(oauth.ClientSecretPost(read.value));
    const key = await privateKeyOf(read.value);
    return key ? ok(oauth.PrivateKeyJwt(key)) : unavailable('the credential is no RSA private key in PKCS #8');
  };

  const ask = async (secret: Provider['secrets'][number]): Promise<Result<Token, LendFault>> => {
    const auth = await authenticate();
    if (!auth.ok) return auth;
    const parameters = new URLSearchParams();
    if (secret.scope !== undefined) parameters.set('scope', secret.scope);
    if (secret.audience !== undefined) parameters.set('audience', secret.audience);
    const since = elapsed();
    try {
      const answer = await oauth.clientCredentialsGrantRequest(server, client, auth.value, parameters, options);
      const grant = await oauth.processClientCredentialsResponse(server, client, answer);
      // DPoP and the like: it would not open anything when it stands in a header alone.
      if (grant.token_type !== 'bearer') return unknown('the server gives tokens that are not bearer tokens');
      const termMs = grant.expires_in === undefined ? null : Math.min(grant.expires_in * 1_000, LONGEST_MS);
      return ok({ text: grant.access_token, termMs, since });
    } catch (error) {
      return err(faultOf(error));
    }
  };

  const revoke = async ({ text }: Token): Promise<boolean> => {
    const auth = await authenticate();
    if (!auth.ok) return false;
    try {
      const more = { additionalParameters: { token_type_hint: 'access_token' } };
      await oauth.processRevocationResponse(
        await oauth.revocationRequest(server, client, auth.value, text, { ...options, ...more }),
      );
      return true;
    } catch {
      return false;
    }
  };

  const sharedToken = async (key: string, secret: Provider['secrets'][number]): Promise<Result<Token, LendFault>> => {
    const known = shared.get(key);
    if (known && elapsed() - known.since < (known.termMs ?? 0) * LENT_UNTIL) return ok(known);
    const others = asking.get(key);
    if (others) {
      const got = await others;
      // Without a term it is of the step that asked for it, and revoked with that one.
      return got.ok && got.value.termMs === null ? ask(secret) : got;
    }
    const asked = ask(secret).finally(() => asking.delete(key));
    asking.set(key, asked);
    const got = await asked;
    // Without a term nobody would know when to ask again.
    if (got.ok && got.value.termMs !== null) shared.set(key, got.value);
    return got;
  };

  const lend = async (key: string, secret: Provider['secrets'][number]): Promise<Result<Loan, LendFault>> => {
    const isShared = provider.tokens === 'shared';
    const got = await (isShared ? sharedToken(key, secret) : ask(secret));
    if (!got.ok) return got;
    const { text, termMs, since } = got.value;
    const canRevoke = provider.revocationUrl !== undefined && (!isShared || termMs === null);
    return ok({
      fields: { [FIELD]: text },
      // A token without a word on its end is one of this step, for an hour at most.
      termMs: termMs === null ? 3_600_000 : Math.max(0, since + termMs - elapsed()),
      renew: null,
      revoke: canRevoke ? () => revoke(got.value) : null,
    });
  };

  return {
    byName: new Map(
      provider.secrets.map((secret) => {
        const key = JSON.stringify([provider.name, secret.scope ?? null, secret.audience ?? null]);
        return [secret.name, { provider: provider.name, field: FIELD, lender: { key, lend: () => lend(key, secret) } }];
      }),
    ),
    async close() {
      const tokens = [...shared.values()];
      shared.clear();
      if (provider.revocationUrl !== undefined) await Promise.all(tokens.map(revoke));
    },
  };
}

const FIELD = 'access_token';
const unknown = (reason: string) => err({ kind: 'unknown', reason } as const);
const unavailable = (reason: string) => err({ kind: 'unavailable', reason } as const);

/** RFC 6749 section 5.2. The code is of a closed list; what a server says beside it is not repeated. */
const CODES: Readonly<Record<string, LendFault>> = {
  invalid_client: { kind: 'unavailable', reason: 'the server refused the login (invalid_client)' },
  invalid_scope: { kind: 'unknown', reason: 'the server does not give this scope (invalid_scope)' },
  invalid_target: { kind: 'unknown', reason: 'the server does not know this audience (invalid_target)' },
  invalid_grant: { kind: 'unavailable', reason: 'the server refused the login (invalid_grant)' },
  unauthorized_client: { kind: 'unavailable', reason: 'the client may not ask for this (unauthorized_client)' },
  invalid_request: { kind: 'unknown', reason: 'the server does not take the request (invalid_request)' },
};

function faultOf(error: unknown): LendFault {
  if (error instanceof oauth.ResponseBodyError) {
    const known = Object.hasOwn(CODES, error.error) ? CODES[error.error] : undefined;
    return known ?? { kind: 'unavailable', reason: `the server refused it (${error.status})` };
  }
  if (error instanceof oauth.WWWAuthenticateChallengeError)
    return { kind: 'unavailable', reason: `the server refused the login (${error.status})` };
  // Of the guard: fetch-over.ts made it.
  const { cause } = error as { cause?: { lendFault?: LendFault } };
  const made = (error as { lendFault?: LendFault }).lendFault ?? cause?.lendFault;
  return made ?? { kind: 'unavailable', reason: 'the server answered in a form that is not known' };
}
