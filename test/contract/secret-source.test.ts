import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { openAwsSts } from '../../kernel/adapter/aws/aws-sts.ts';
import { openSecretStore } from '../../kernel/adapter/file/secret-store.ts';
import { openGithubApp } from '../../kernel/adapter/github/github-app.ts';
import { openOAuth } from '../../kernel/adapter/oauth/oauth.ts';
import { openEgressClient } from '../../kernel/adapter/undici/egress-client.ts';
import { openVault } from '../../kernel/adapter/vault/vault.ts';
import type { Lenders } from '../../kernel/port/secret-lender.ts';
import type { ProviderOf } from '../../sdk/contract/secrets-policy.ts';
import { startGithub } from '../double/github.ts';
import { startOAuth } from '../double/oauth.ts';
import { startSts } from '../double/sts.ts';
import { startVault } from '../double/vault.ts';
import { ACME, credentialsOf, openLent } from './lent.ts';
import { SECRET_SOURCE_CHECKS, type SourceWorld } from './secret-source.ts';

const egress = openEgressClient();
const LOOPBACK = ['127.0.0.0/8'];
const closers: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const close of closers) await close();
  await egress.close();
});

function contract(name: string, open: () => Promise<SourceWorld>) {
  describe(`${name} keeps the contract of a source of secrets: it`, () => {
    let world: SourceWorld;
    beforeAll(async () => {
      world = await open();
    });
    it.each(SECRET_SOURCE_CHECKS)('$title', ({ run }) => run(world));
  });
}

contract('the local store', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'interlock-source-'));
  closers.push(() => rm(folder, { recursive: true }));
  const store = await openSecretStore({ file: join(folder, 'secrets.json'), key: randomBytes(32) });
  if (!store.ok) throw new Error(store.error);
  const value = randomBytes(16).toString('hex');
  await store.value.put(ACME, 'api-key', value);
  return { source: store.value, org: ACME, name: 'api-key', missing: 'other-key', value, ends: 'ended' };
});

async function vault() {
  const double = await startVault();
  closers.push(double.close);
  double.write('soc/edr', { key: 'first-value-of-the-key' });
  double.write('soc/edr', { key: 'second-value-of-the-key' });
  const { ids } = double;
  const { source } = openLent(
    openVault(
      {
        kind: 'vault',
        name: 'vault',
        url: double.url,
        addresses: LOOPBACK,
        login: { method: 'approle', mount: 'approle', roleId: ids.roleId, secretId: { secret: 'vault-login' } },
        secrets: [
          { name: 'edr-key', engine: 'kv', mount: 'secret', path: 'soc/edr', field: 'key' },
          { name: 'other-key', engine: 'kv', mount: 'secret', path: 'soc/none', field: 'key' },
          { name: 'db-password', engine: 'dynamic', path: 'database/creds/soc', field: 'password' },
          { name: 'other-password', engine: 'dynamic', path: 'database/creds/none', field: 'password' },
        ],
      },
      {
        egress,
        readCredential: credentialsOf({ 'vault-login': ids.secretId }),
        elapsed: performance.now.bind(performance),
      },
    ),
  );
  return { double, source };
}

contract('Vault, KV version 2', async () => {
  const { source } = await vault();
  const value = 'second-value-of-the-key';
  return { source, org: ACME, name: 'edr-key', missing: 'other-key', value, ends: 'ended' };
});
contract('Vault, dynamic credentials', async () => {
  const { source, double } = await vault();
  const { isOver } = double;
  return { source, org: ACME, name: 'db-password', missing: 'other-password', isOver, ends: 'revoked' };
});

async function lent(lenders: Lenders, part: Pick<SourceWorld, 'name' | 'ends' | 'isOver'>): Promise<SourceWorld> {
  const { source } = openLent(lenders);
  return { source, org: ACME, missing: 'named-nowhere', ...part };
}
const elapsed = () => performance.now();
const now = () => Date.now();

for (const tokens of ['shared', 'step'] as const)
  contract(`OAuth 2.0, ${tokens} tokens`, async () => {
    const double = await startOAuth();
    closers.push(double.close);
    const provider: ProviderOf<'oauth'> = {
      kind: 'oauth',
      name: 'idp',
      addresses: LOOPBACK,
      issuer: double.url,
      tokenUrl: `${double.url}/token`,
      revocationUrl: `${double.url}/revoke`,
      clientId: double.client.id,
      auth: 'client_secret_basic',
      credential: { secret: 'login' },
      tokens,
      secrets: [{ name: 'api-token' }],
    };
    const readCredential = credentialsOf({ login: double.client.secret });
    const lenders = openOAuth(provider, { egress, readCredential, elapsed });
    const { isOver } = double;
    return tokens === 'step'
      ? lent(lenders, { name: 'api-token', ends: 'revoked', isOver })
      : lent(lenders, { name: 'api-token', ends: 'ended' });
  });

contract('AWS STS', async () => {
  const double = await startSts();
  closers.push(double.close);
  const roleArn = 'arn:aws:iam::123456789012:role/soc';
  const terms = { roleArn, sessionName: 'interlock', durationSeconds: 900 };
  const lenders = openAwsSts(
    {
      kind: 'aws-sts',
      name: 'aws',
      addresses: LOOPBACK,
      url: double.url,
      token: { secret: 'login' },
      secrets: [{ name: 'session-token', ...terms, field: 'sessionToken' }],
    },
    { egress, readCredential: credentialsOf({ login: double.token }), now },
  );
  return lent(lenders, { name: 'session-token', ends: 'ended' });
});

contract('GitHub App', async () => {
  const double = await startGithub();
  closers.push(double.close);
  const lenders = openGithubApp(
    {
      kind: 'github-app',
      name: 'github',
      addresses: LOOPBACK,
      url: double.url,
      appId: 'Iv1.app',
      installation: '42',
      key: { secret: 'login' },
      secrets: [{ name: 'repo-token' }],
    },
    { egress, readCredential: credentialsOf({ login: double.keyLine }), now },
  );
  return lent(lenders, { name: 'repo-token', ends: 'revoked', isOver: double.isOver });
});
