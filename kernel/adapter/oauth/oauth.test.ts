/** What the contract of all sources does not ask: how it logs in, what is kept, what is refused. Against a double. */
import { afterEach, describe, expect, it } from 'vitest';
import type { ProviderOf } from '../../../sdk/contract/secrets-policy.ts';
import { ACME, credentialsOf, openLent } from '../../../test/contract/lent.ts';
import { json } from '../../../test/double/http.ts';
import { startOAuth } from '../../../test/double/oauth.ts';
import { LIMITS } from '../../base/limits.ts';
import { openEgressClient } from '../undici/egress-client.ts';
import { openOAuth } from './oauth.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

type Provider = ProviderOf<'oauth'>;
async function worldOf(
  part: Partial<Provider> = {},
  options: { credential?: string; pem?: boolean; seconds?: number | null } = {},
) {
  const double = await startOAuth(options.seconds === undefined ? {} : { seconds: options.seconds });
  const egress = openEgressClient();
  open.push(double, egress);
  let elapsed = 0;
  const provider: Provider = {
    kind: 'oauth',
    name: 'idp',
    addresses: ['127.0.0.0/8'],
    issuer: double.url,
    tokenUrl: `${double.url}/token`,
    revocationUrl: `${double.url}/revoke`,
    clientId: double.client.id,
    auth: 'client_secret_basic',
    credential: { secret: 'login' },
    tokens: 'shared',
    secrets: [
      { name: 'api-token', scope: 'alerts:read alerts:write' },
      { name: 'graph-token', audience: 'https://graph.test' },
      { name: 'none', scope: 'none' },
    ],
    ...part,
  };
  const fitting =
    provider.auth === 'private_key_jwt' ? (options.pem ? double.keyPem : double.keyLine) : double.client.secret;
  const readCredential = credentialsOf({ login: options.credential ?? fitting });
  const { source, told } = openLent(openOAuth(provider, { egress, readCredential, elapsed: () => elapsed }));
  let steps = 0;
  const read = async (name = 'api-token') => {
    steps += 1;
    const leased = await source.lease(ACME, name, { run: 'run_1', step: `s${steps}` });
    return leased.ok ? leased.value.reveal() : leased.error;
  };
  const pass = (ms: number) => {
    elapsed += ms;
  };
  return { double, source, told, read, pass };
}

describe('a token', () => {
  it.each<[Provider['auth'], boolean]>([
    ['client_secret_basic', false],
    ['client_secret_post', false],
    ['private_key_jwt', false],
    ['private_key_jwt', true],
  ])('is given for %s (PEM: %s), once for what is asked for', async (auth, pem) => {
    const { read, double } = await worldOf({ auth }, { pem });
    const [one, two] = await Promise.all([read(), read()]);
    const other = await read('graph-token');
    expect(double.made).toContain(one);
    expect(two).toBe(one);
    expect(other).not.toBe(one);
    const forms = double.asked.map(({ body }) => new URLSearchParams(body));
    expect(forms.map((form) => [form.get('scope'), form.get('audience')])).toEqual([
      ['alerts:read alerts:write', null],
      [null, 'https://graph.test'],
    ]);
  });

  it('is asked for by HTTP Basic with client and secret form-encoded, as RFC 6749 says: a hyphen is %2D', async () => {
    const { read, double } = await worldOf({ clientId: 'soc-a b' });
    await read();
    const basic = /^Basic (.+)$/.exec(double.asked[0]?.headers.authorization ?? '')?.[1] ?? '';
    expect(Buffer.from(basic, 'base64').toString()).toMatch(/^soc%2Da\+b:s3cr%2Bt%2F[0-9a-f]{8}%2D[^-]+%3D$/);
  });

  it('is kept until shortly before its end', async () => {
    const { read, pass, double } = await worldOf();
    const first = await read();
    pass(470_000);
    expect(await read()).toBe(first);
    pass(20_000);
    expect(await read()).not.toBe(first);
    expect(double.made.length).toBe(2);
  });

  it('that says nothing of its end is of one step', async () => {
    const { read, source, double } = await worldOf({}, { seconds: null });
    expect(await read()).not.toBe(await read());
    const leased = await source.lease(ACME, 'api-token', { run: 'run_1', step: 'last' });
    expect(leased.ok && (await leased.value.revoke())).toBe('revoked');
    expect(double.isOver(double.made[2] ?? '')).toBe(true);
  });

  it('that says nothing of its end is of one step also where two ask at once', async () => {
    const { source, double } = await worldOf({}, { seconds: null });
    const lease = async (step: string) => {
      const leased = await source.lease(ACME, 'api-token', { run: 'run_1', step });
      if (!leased.ok) throw new Error(leased.error);
      return leased.value;
    };
    const [one, two, three] = await Promise.all([lease('a'), lease('b'), lease('c')]);
    expect(new Set([one.reveal(), two.reveal(), three.reveal()]).size).toBe(3);
    expect(await one.revoke()).toBe('revoked');
    expect([two, three].some((other) => double.isOver(other.reveal()))).toBe(false);
  });

  it('whose end is said to be far away is asked for anew all the same', async () => {
    const { read, pass } = await worldOf({}, { seconds: 1e12 });
    const first = await read();
    pass(LIMITS.leaseHours.value * 3_600_000);
    expect(await read()).not.toBe(first);
  });

  it('that is shared is revoked when the kernel ends', async () => {
    const { read, source, double } = await worldOf();
    const token = await read();
    expect(double.isOver(token)).toBe(false);
    await source.close(5_000);
    expect(double.isOver(token)).toBe(true);
  });

  it('of a type that a header does not carry is refused', async () => {
    const { read, double, told } = await worldOf();
    double.state.tokenType = 'DPoP';
    expect(['unknown', 'unavailable']).toContain(await read());
    expect(JSON.stringify(told)).not.toContain(double.made[0]);
  });
});

describe('no token', () => {
  it.each<[string, Parameters<typeof worldOf>[1], string, 'unknown' | 'unavailable', string]>([
    [
      'for a wrong secret',
      { credential: 'another-secret' },
      'api-token',
      'unavailable',
      'the server refused the login',
    ],
    ['for a scope that it has not', {}, 'none', 'unknown', 'invalid_scope'],
  ])('%s: said in words that repeat nothing', async (_, options, name, error, reason) => {
    const { read, told, double } = await worldOf({}, options);
    expect(await read(name)).toBe(error);
    expect(told[0]?.reason).toContain(reason);
    expect(JSON.stringify(told)).not.toContain(double.client.secret);
    expect(JSON.stringify(told)).not.toContain('another-secret');
  });

  it('for a key that is none', async () => {
    const { read, told } = await worldOf({ auth: 'private_key_jwt' }, { credential: 'no key at all' });
    expect(await read()).toBe('unavailable');
    expect(told[0]?.reason).toContain('PKCS #8');
  });

  it.each([
    ['a fault of the server', { status: 500, body: 'x'.repeat(100) }, 'answered with 500'],
    ['patience', json(429, {}), 'answered with 429'],
    ['a redirect', { status: 302 }, 'answered with 302'],
    ['what is no JSON', { status: 200, body: '<html>' }, 'form that is not known'],
    ['what has no token', json(200, { token_type: 'bearer' }), 'form that is not known'],
    ['a token that is no text', json(200, { access_token: ['a'], token_type: 'bearer' }), 'form that is not known'],
  ])('where the answer is %s', async (_, reply, reason) => {
    const { read, told, double } = await worldOf();
    double.state.reply = reply;
    expect(await read()).toBe('unavailable');
    expect(told[0]?.reason).toContain(reason);
    double.state.reply = null;
    expect(double.made).toContain(await read());
  });

  it('from an address that the policy does not grant', async () => {
    const { read, told, double } = await worldOf({ addresses: [] });
    expect(await read()).toBe('unavailable');
    expect(told[0]?.reason).toContain('E_PRIVATE_ADDRESS');
    expect(double.asked).toEqual([]);
  });
});
