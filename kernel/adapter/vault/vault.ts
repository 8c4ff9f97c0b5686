import * as v from 'valibot';
import type { ProviderOf } from '../../../sdk/contract/secrets-policy.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { EgressClient } from '../../port/egress.ts';
import type { Lender, Lenders, Loan, ReadCredential } from '../../port/secret-lender.ts';
import { openVaultClient, type VaultClient } from './vault-client.ts';
import { type Login, openLogin } from './vault-login.ts';

/**
 * Lends what HashiCorp Vault or OpenBao has: values of KV version 2, and credentials that an engine makes for the occasion
 * and takes back (database, and whatever else answers a GET with a lease).
 */
type Secret = ProviderOf<'vault'>['secrets'][number];

const Kv = v.object({ data: v.object({ data: v.nullable(v.record(v.string(), v.unknown())) }) });
const LeaseId = v.pipe(v.string(), v.minLength(1), v.maxLength(1_024), v.regex(/^[\x21-\x7e]+$/));
const Dynamic = v.object({
  lease_id: v.union([LeaseId, v.literal('')]),
  lease_duration: v.pipe(v.number(), v.integer(), v.minValue(0)),
  renewable: v.boolean(),
  data: v.record(v.string(), v.unknown()),
});
const Renewed = v.object({ lease_id: LeaseId, lease_duration: v.pipe(v.number(), v.integer(), v.minValue(0)) });

export function openVault(
  provider: ProviderOf<'vault'>,
  deps: { egress: Pick<EgressClient, 'send'>; readCredential: ReadCredential; elapsed: () => number },
): Lenders {
  const client = openVaultClient(provider, deps.egress);
  const login = openLogin({
    client,
    login: provider.login,
    readCredential: deps.readCredential,
    elapsed: deps.elapsed,
  });
  const lenderOf = (secret: Secret): Lender =>
    secret.engine === 'kv'
      ? kvLender(provider.name, secret, client, login)
      : dynamicLender(provider.name, secret, client, login);
  return {
    byName: new Map(
      provider.secrets.map((one) => [one.name, { provider: provider.name, field: one.field, lender: lenderOf(one) }]),
    ),
    close: login.close,
  };
}

function kvLender(
  provider: string,
  secret: Extract<Secret, { engine: 'kv' }>,
  client: VaultClient,
  login: Login,
): Lender {
  const { mount, path, version } = secret;
  const query = version === undefined ? '' : `?version=${version}`;
  return {
    key: JSON.stringify([provider, 'kv', mount, path, version ?? 'latest']),
    async lend() {
      const read = await login.withToken((token) =>
        client.ask({ method: 'GET', path: `${mount}/data/${path}${query}`, token }, Kv),
      );
      if (!read.ok) return read;
      const { data } = read.value.data;
      // A version that was deleted: the server says so with 404 and, here and there, with 200 and nothing in it.
      if (data === null) return err({ kind: 'unknown', reason: 'the version was deleted' });
      return ok({ fields: textsOf(data), termMs: null, renew: null, revoke: null });
    },
  };
}

function dynamicLender(
  provider: string,
  { path }: Extract<Secret, { engine: 'dynamic' }>,
  client: VaultClient,
  login: Login,
): Lender {
  return {
    key: JSON.stringify([provider, 'dynamic', path]),
    async lend() {
      const made = await login.withToken((token) => client.ask({ method: 'GET', path, token }, Dynamic));
      if (!made.ok) return made;
      const { lease_id, lease_duration, renewable, data } = made.value;
      // Without a lease nothing can be given back: that is no dynamic engine.
      if (lease_id === '')
        return err({ kind: 'unknown', reason: 'the path gives no lease: its engine is not dynamic' });
      const termMs = lease_duration * 1_000;
      const loan: Loan = {
        fields: textsOf(data),
        termMs,
        renew: renewable ? () => renew(client, login, lease_id, lease_duration) : null,
        revoke: () => revoke(client, login, lease_id),
      };
      return ok(loan);
    },
  };
}

async function renew(
  client: VaultClient,
  login: Login,
  id: string,
  seconds: number,
): Promise<Result<number, 'unavailable' | 'over'>> {
  const body = { lease_id: id, increment: seconds };
  const renewed = await login.withToken((token) =>
    client.ask({ method: 'PUT', path: 'sys/leases/renew', token, body }, Renewed),
  );
  if (renewed.ok) return renewed.value.lease_duration > 0 ? ok(renewed.value.lease_duration * 1_000) : err('over');
  // 400: the lease is not there any more, or has reached its greatest age.
  return err(renewed.error.kind === 'unknown' ? 'over' : 'unavailable');
}

/** `sync`: the answer says that it is done, and not that it will be. A lease that is not there is revoked, too. */
async function revoke(client: VaultClient, login: Login, id: string): Promise<boolean> {
  const body = { lease_id: id, sync: true };
  const done = await login.withToken((token) =>
    client.ask({ method: 'PUT', path: 'sys/leases/revoke', token, body }, v.unknown()),
  );
  return done.ok;
}

/** Only texts can ride in a header; whatever else a field is, the policy does not name. */
const textsOf = (data: Readonly<Record<string, unknown>>): Record<string, string> =>
  Object.fromEntries(Object.entries(data).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
