import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { openSecretStore } from '../../kernel/adapter/file/secret-store.ts';
import { openEgressClient } from '../../kernel/adapter/undici/egress-client.ts';
import { openVault } from '../../kernel/adapter/vault/vault.ts';
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
