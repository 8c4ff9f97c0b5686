import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { SecretsPolicySchema } from './secrets-policy.ts';

const FOLDER = join(import.meta.dirname, '../../policies/secrets');
const FILES = globSync('*.json', { cwd: FOLDER });
const vault = () => JSON.parse(readFileSync(join(FOLDER, 'vault.json'), 'utf8'));
type Vault = ReturnType<typeof vault>;

describe('a secrets policy', () => {
  it.each(FILES)('%s is one', (file) => {
    expect(v.safeParse(SecretsPolicySchema, JSON.parse(readFileSync(join(FOLDER, file), 'utf8'))).success).toBe(true);
  });

  const provider = (change: (provider: Vault['providers'][0]) => void) => {
    const policy = vault();
    change(policy.providers[0]);
    return policy;
  };
  const secret = (part: Record<string, unknown>) => provider((one) => Object.assign(one.secrets[0], part));
  it.each([
    ['a credential in the plain', provider((one) => Object.assign(one.login, { secretId: 'plain-secret-id' }))],
    [
      'a credential of both kinds',
      provider((one) => Object.assign(one.login, { secretId: { secret: 'a', file: '/b' } })),
    ],
    ['a file of no fixed place', provider((one) => Object.assign(one.login, { secretId: { file: 'secret-id' } }))],
    ['another scheme', provider((one) => Object.assign(one, { url: 'file:///etc/passwd' }))],
    ['credentials in the address', provider((one) => Object.assign(one, { url: 'https://me:secret@vault.test' }))],
    ['a query in the address', provider((one) => Object.assign(one, { url: 'https://vault.test/?a=b' }))],
    ['a path that climbs', secret({ path: 'soc/../../sys/raw' })],
    ['a path with a query', secret({ path: 'soc/edr?list=true' })],
    ['a path with an escape', secret({ path: 'soc/%2e%2e/edr' })],
    ['a path that begins at the root', secret({ path: '/soc' })],
    ['a mount that climbs', secret({ mount: '..' })],
    ['version 0', secret({ version: 0 })],
    ['a name twice', provider((one) => one.secrets.push(one.secrets[0]))],
    ['a provider twice', { ...vault(), providers: [...vault().providers, { ...vault().providers[0], secrets: [] }] }],
    ['a kind that is not known', provider((one) => Object.assign(one, { kind: 'post-it' }))],
    ['a key that is not known', provider((one) => Object.assign(one, { insecure: true }))],
    ['a line break in a namespace', provider((one) => Object.assign(one, { namespace: 'a\r\nx-vault-token: b' }))],
  ])('with %s is refused', (_, policy) => {
    expect(v.safeParse(SecretsPolicySchema, policy).success).toBe(false);
  });
});
