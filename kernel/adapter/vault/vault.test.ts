/** What the contract of all sources does not ask: logins, tokens, seals. Against a double; see test/double/vault.ts. */
import { afterEach, describe, expect, it } from 'vitest';
import type { ProviderOf } from '../../../sdk/contract/secrets-policy.ts';
import { ACME, credentialsOf, openLent } from '../../../test/contract/lent.ts';
import { startVault, type VaultDouble } from '../../../test/double/vault.ts';
import { openEgressClient } from '../undici/egress-client.ts';
import { openVault } from './vault.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

type Provider = ProviderOf<'vault'>;

async function worldOf(
  part: {
    login?: 'approle' | 'jwt';
    provider?: Partial<Provider>;
    double?: Parameters<typeof startVault>[0];
    credential?: string;
  } = {},
) {
  const double: VaultDouble = await startVault(part.double);
  const egress = openEgressClient();
  open.push(double, egress);
  double.write('soc/edr', { key: 'first-value-of-the-key', port: 8080 });
  const { ids } = double;
  let elapsed = 0;
  const provider: Provider = {
    kind: 'vault',
    name: 'vault',
    url: double.url,
    addresses: ['127.0.0.0/8'],
    login:
      part.login === 'jwt'
        ? { method: 'jwt', mount: 'jwt', role: 'soc', jwt: { secret: 'login' } }
        : { method: 'approle', mount: 'approle', roleId: ids.roleId, secretId: { secret: 'login' } },
    secrets: [
      { name: 'edr-key', engine: 'kv', mount: 'secret', path: 'soc/edr', field: 'key' },
      { name: 'edr-first', engine: 'kv', mount: 'secret', path: 'soc/edr', field: 'key', version: 1 },
      { name: 'edr-port', engine: 'kv', mount: 'secret', path: 'soc/edr', field: 'port' },
      { name: 'db-password', engine: 'dynamic', path: 'database/creds/soc', field: 'password' },
      { name: 'denied', engine: 'dynamic', path: 'denied/creds', field: 'password' },
      { name: 'kv-as-dynamic', engine: 'dynamic', path: 'secret/data/soc/edr', field: 'key' },
    ],
    ...part.provider,
  };
  const credential = part.credential ?? (part.login === 'jwt' ? ids.jwt : ids.secretId);
  const readCredential = credentialsOf({ login: credential });
  const lenders = openVault(provider, { egress, readCredential, elapsed: () => elapsed });
  const { source, told } = openLent(lenders);
  let steps = 0;
  const read = async (name: string) => {
    steps += 1;
    const leased = await source.lease(ACME, name, { run: 'run_1', step: `s${steps}` });
    return leased.ok ? leased.value.reveal() : leased.error;
  };
  const pass = (ms: number) => {
    elapsed += ms;
  };
  const logins = () => double.asked.filter((line) => line.endsWith('/login')).length;
  return { double, source, told, read, pass, logins, lenders };
}

describe('a login', () => {
  it.each(['approle', 'jwt'] as const)('by %s is one for all who ask at once, and is kept', async (login) => {
    const { read, logins } = await worldOf({ login });
    expect(await Promise.all([read('edr-key'), read('edr-key'), read('db-password')])).toContain(
      'first-value-of-the-key',
    );
    await read('edr-key');
    expect(logins()).toBe(1);
  });

  it('is renewed in the second half of its term, and made anew after it or when it cannot be renewed', async () => {
    const { read, pass, logins, double } = await worldOf({ double: { tokenSeconds: 600 } });
    await read('edr-key');
    pass(310_000);
    await read('edr-key');
    expect(double.asked.filter((line) => line.endsWith('renew-self')).length).toBe(1);
    expect(logins()).toBe(1);
    pass(590_000);
    await read('edr-key');
    expect(logins()).toBe(2);
    double.state.failRenewals = 1;
    pass(310_000);
    expect(await read('edr-key')).toBe('first-value-of-the-key');
    expect(logins()).toBe(3);
  });

  it('is not made anew again and again for a path that the server refuses', async () => {
    const { lenders, read, logins, pass } = await worldOf();
    const { lender } = lenders.byName.get('denied') ?? {};
    for (let minute = 0; minute < 3; minute++) {
      for (let step = 0; step < 20; step++) expect(await lender?.lend()).toMatchObject({ ok: false });
      expect(await read('edr-key')).toBe('first-value-of-the-key');
      expect(logins()).toBe(2 + minute);
      pass(60_000);
    }
  });

  it('that the server forgot is made anew, once', async () => {
    const { read, double, logins } = await worldOf();
    await read('edr-key');
    double.revokeTokens();
    expect(await read('edr-key')).toBe('first-value-of-the-key');
    expect(logins()).toBe(2);
    double.state.status = 403;
    expect(await read('edr-key')).toBe('unavailable');
    expect(double.asked.length).toBeLessThan(8);
  });

  it.each([
    ['with a wrong credential', { credential: 'wrong-secret-id' }, 'the server refused the login (400)'],
    ['to a namespace that is not named', { double: { namespace: 'soc' } }, 'the server refused the login (404)'],
  ])('%s leaves everything unavailable, says why without a value, and is tried again', async (_, part, reason) => {
    const { read, told, double } = await worldOf(part);
    expect([await read('edr-key'), await read('db-password')]).toEqual(['unavailable', 'unavailable']);
    expect(told.map((one) => one.reason)).toEqual([reason, reason]);
    expect(JSON.stringify(told)).not.toContain(double.ids.secretId);
  });

  it('goes to the namespace of the policy', async () => {
    const { read } = await worldOf({ double: { namespace: 'soc' }, provider: { namespace: 'soc' } });
    expect(await read('edr-key')).toBe('first-value-of-the-key');
  });

  it('ends with the kernel, and with it every lease', async () => {
    const { read, source, double } = await worldOf();
    await read('db-password');
    await source.close(5_000);
    expect(double.asked.at(-1)).toBe('POST /v1/auth/token/revoke-self');
    expect(double.live()).toBe(0);
  });
});

describe('what is read', () => {
  it('is the latest version, or the one that is pinned', async () => {
    const { read, double } = await worldOf();
    double.write('soc/edr', { key: 'second-value-of-the-key' });
    expect([await read('edr-key'), await read('edr-first')]).toEqual([
      'second-value-of-the-key',
      'first-value-of-the-key',
    ]);
  });

  it.each([
    ['edr-port', 'unknown', 'what it lends has not the field that the policy names'],
    ['kv-as-dynamic', 'unavailable', 'the server answered in a form that is not known'],
  ])('as %s is %s', async (name, error, reason) => {
    const { read, told } = await worldOf();
    expect(await read(name)).toBe(error);
    expect(told.at(-1)?.reason).toBe(reason);
  });

  it('is unknown when its version was deleted', async () => {
    const { read, double } = await worldOf();
    double.write('soc/edr', null);
    expect(await read('edr-key')).toBe('unknown');
  });

  it.each([
    [400, 'unknown'],
    [403, 'unavailable'],
    [404, 'unknown'],
    [429, 'unavailable'],
    [472, 'unavailable'],
    [473, 'unavailable'],
    [500, 'unavailable'],
    [502, 'unavailable'],
    [503, 'unavailable'],
    [302, 'unavailable'],
    [307, 'unavailable'],
  ])('of a server that answers %d is %s, in a sentence that repeats nothing', async (status, error) => {
    const { read, told, double } = await worldOf();
    await read('edr-key');
    double.state.status = status;
    expect(await read('edr-key')).toBe(error);
    expect(told.at(-1)?.reason).toContain(String(status));
    double.state.status = 0;
    expect(await read('edr-key')).toBe('first-value-of-the-key');
  });

  it('of a server that is sealed, or gone, is unavailable until it is back', async () => {
    const { read, told, double } = await worldOf();
    double.state.isSealed = true;
    expect(await read('edr-key')).toBe('unavailable');
    expect(told.at(-1)?.reason).toContain('sealed');
    double.state.isSealed = false;
    expect(await read('edr-key')).toBe('first-value-of-the-key');
    await double.close();
    expect(await read('edr-key')).toBe('unavailable');
  });

  it('is not asked for at an address that the policy does not grant', async () => {
    const { read, told, double } = await worldOf({ provider: { addresses: [] } });
    expect(await read('edr-key')).toBe('unavailable');
    expect(told[0]?.reason).toContain('E_PRIVATE_ADDRESS');
    expect(double.asked).toEqual([]);
  });
});

describe('a lease', () => {
  it('that the server could not revoke at first is revoked by the next try', { timeout: 10_000 }, async () => {
    const { source, double } = await worldOf();
    double.state.failRevokes = 1;
    const leased = await source.lease(ACME, 'db-password', { run: 'run_1', step: 'ban' });
    if (!leased.ok) throw new Error(leased.error);
    const value = leased.value.reveal();
    expect(await leased.value.revoke()).toBe('revoked');
    expect(double.isOver(value)).toBe(true);
    expect(double.asked.filter((line) => line.endsWith('leases/revoke')).length).toBe(2);
  });

  it('is renewed while a long step runs', { timeout: 10_000 }, async () => {
    const { source, double } = await worldOf({ double: { leaseSeconds: 4 } });
    const leased = await source.lease(ACME, 'db-password', { run: 'run_1', step: 'ban' });
    if (!leased.ok) throw new Error(leased.error);
    await expect
      .poll(() => double.asked.filter((line) => line.endsWith('leases/renew')).length, { timeout: 6_000 })
      .toBeGreaterThan(0);
    expect(double.isOver(leased.value.reveal())).toBe(false);
    await leased.value.revoke();
  });
});
