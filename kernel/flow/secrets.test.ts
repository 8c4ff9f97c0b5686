import { expect, it } from 'vitest';
import { type OrgId, principalId } from '../base/id.ts';
import type { Principal } from '../org/principal.ts';
import type { SecretSource } from '../port/secret-source.ts';
import { openSecrets } from './secrets.ts';

const ACME = 'acme' as OrgId;
const BY: Principal = { org: ACME, id: principalId('dana'), roles: ['admin'] };

it('a secret is being changed from the moment that its change is asked for until all of them are written or failed', async () => {
  const writes: (() => void)[] = [];
  const written = () => new Promise<void>((resolve) => writes.push(resolve));
  const source = {
    list: async () => [],
    put: written,
    remove: () => written().then(() => Promise.reject(new Error('the disk'))),
  } as unknown as SecretSource;
  const secrets = openSecrets(source, { stage: async () => undefined });
  const isChanging = () => [secrets.isChanging(ACME, 'api-key'), secrets.isChanging(ACME, 'other')];
  expect(isChanging()).toEqual([false, false]);
  const put = secrets.put(BY, 'api-key', 'the-first-value');
  const removed = secrets.remove(BY, 'api-key').catch(() => undefined);
  expect(isChanging()).toEqual([true, false]);
  await expect.poll(() => writes.length).toBe(2);
  writes[0]?.();
  await Promise.race([put, removed]);
  expect(isChanging()).toEqual([true, false]);
  writes[1]?.();
  await Promise.all([put, removed]);
  expect(isChanging()).toEqual([false, false]);
});
