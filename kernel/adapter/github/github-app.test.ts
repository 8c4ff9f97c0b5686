/** What the contract of all sources does not ask. Against a double; see test/double/github.ts. */
import { afterEach, describe, expect, it } from 'vitest';
import type { ProviderOf } from '../../../sdk/contract/secrets-policy.ts';
import { ACME, credentialsOf, openLent } from '../../../test/contract/lent.ts';
import { startGithub } from '../../../test/double/github.ts';
import { json } from '../../../test/double/http.ts';
import { openEgressClient } from '../undici/egress-client.ts';
import { openGithubApp } from './github-app.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

type Provider = ProviderOf<'github-app'>;
async function worldOf(
  part: Partial<Provider> = {},
  options: { credential?: 'pem' | 'line' | 'none'; now?: () => number } = {},
) {
  const double = await startGithub();
  const egress = openEgressClient();
  open.push(double, egress);
  const provider: Provider = {
    kind: 'github-app',
    name: 'github',
    addresses: ['127.0.0.0/8'],
    url: double.url,
    appId: 'Iv1.app',
    installation: '42',
    key: { secret: 'login' },
    secrets: [
      { name: 'all' },
      { name: 'narrow', permissions: { contents: 'read' }, repositories: ['playbooks'] },
      { name: 'too-much', permissions: { secrets: 'write' } },
    ],
    ...part,
  };
  const { credential = 'pem', now = Date.now } = options;
  const login = credential === 'pem' ? double.keyPem : credential === 'line' ? double.keyLine : 'no key';
  const { source, told } = openLent(openGithubApp(provider, { egress, readCredential: credentialsOf({ login }), now }));
  const lease = (name: string, step = 'ban') => source.lease(ACME, name, { run: 'run_1', step });
  const read = async (name: string) => {
    const leased = await lease(name);
    return leased.ok ? leased.value.reveal() : leased.error;
  };
  return { double, told, lease, read };
}

describe('an installation token', () => {
  it.each(['pem', 'line'] as const)(
    'is given for a key as %s, with what the policy narrows it to',
    async (credential) => {
      const { read, double } = await worldOf({}, { credential });
      expect(double.made).toContain(await read('narrow'));
      expect(JSON.parse(double.asked[0]?.body ?? '')).toEqual({
        permissions: { contents: 'read' },
        repositories: ['playbooks'],
      });
      expect(await read('all')).not.toBe(await read('narrow'));
    },
  );

  it('is revoked with its step, at the second try if need be, and so is one that is gone already', {
    timeout: 10_000,
  }, async () => {
    const { lease, double } = await worldOf();
    const leased = await lease('all');
    double.state.failRevokes = 1;
    expect(leased.ok && (await leased.value.revoke())).toBe('revoked');
    expect(double.isOver(double.made[0] ?? '')).toBe(true);
    const gone = await lease('all', 'other');
    double.state.reply = json(401, {});
    expect(gone.ok && (await gone.value.revoke())).toBe('revoked');
  });

  it.each<[string, Parameters<typeof worldOf>, string, string, string]>([
    ['a key that is none', [{}, { credential: 'none' }], 'all', 'unavailable', 'no RSA private key'],
    ['another app', [{ appId: 'Iv1.other' }], 'all', 'unavailable', 'refused the login (401)'],
    ['a clock that is wrong', [{}, { now: () => Date.now() + 3_600_000 }], 'all', 'unavailable', 'clock'],
    ['another installation', [{ installation: '43' }], 'all', 'unknown', 'no such installation'],
    ['more than the app may', [{}], 'too-much', 'unknown', '(422)'],
  ])('is not given for %s', async (_, world, name, error, reason) => {
    const { read, told, double } = await worldOf(...world);
    expect(await read(name)).toBe(error);
    expect(told[0]?.reason).toContain(reason);
    expect(JSON.stringify(told)).not.toContain(double.keyLine.slice(0, 40));
  });

  it.each([
    [json(500, {}), '500'],
    [json(200, {}), '200'],
    [json(201, { token: 'ghs_' }), 'not known'],
    [json(201, { token: 'ghs_0123456789', expires_at: 'soon' }), 'not known'],
    [{ status: 201, body: 'x' }, 'not known'],
  ])('is not taken out of %j', async (reply, reason) => {
    const { read, told, double } = await worldOf();
    double.state.reply = reply;
    expect(await read('all')).toBe('unavailable');
    expect(told[0]?.reason).toContain(reason);
  });
});
