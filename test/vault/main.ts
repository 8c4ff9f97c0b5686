/**
 * `npm run test:vault`: the checks that every source of secrets keeps, against a Vault or OpenBao of yours, with the code
 * that the kernel uses. `npm test` runs this very command against the double of test/double/vault.ts.
 */

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import * as v from 'valibot';
import { openCredentialFiles } from '../../kernel/adapter/file/credential-file.ts';
import { openEgressClient } from '../../kernel/adapter/undici/egress-client.ts';
import { openVault } from '../../kernel/adapter/vault/vault.ts';
import { type SecretProvider, SecretsPolicySchema } from '../../sdk/contract/secrets-policy.ts';
import { ACME, openLent } from '../contract/lent.ts';
import { SECRET_SOURCE_CHECKS, type SourceWorld } from '../contract/secret-source.ts';

const HELP = `Usage: npm run test:vault -- --addr URL --role-id ID --secret-id-file FILE [options]

Runs the checks that the kernel's sources of secrets keep against a HashiCorp
Vault or OpenBao. It logs in, reads, and makes and revokes credentials; it
writes nothing and prints no value.

Options:
  --addr URL              where the server is, e.g. https://vault.example:8200
  --role-id ID            of an AppRole whose policy covers the paths below
  --secret-id-file FILE   its secret id; absolute path, mode 0600
  --approle-mount PATH    where AppRole is mounted (approle)
  --namespace NAME        sent as X-Vault-Namespace
  --addresses CIDR        block of addresses that are not public; repeat for more
  --ca-file FILE          certificates of an internal authority (PEM)
  --kv-mount PATH         mount of KV version 2 (secret)
  --kv-path PATH          a secret there, of 8 characters or more
  --kv-field NAME         its field (value)
  --dynamic-path PATH     what makes credentials, e.g. database/creds/soc
  --dynamic-field NAME    the field that is the secret (password)
  --help                  this text

Examples:
  npm run test:vault -- --addr https://vault.example:8200 --role-id 5d2c... \\
    --secret-id-file /etc/interlock/secret-id --kv-path soc/edr --kv-field api_key
`;

const text = { type: 'string' } as const;
const OPTIONS = {
  addr: text,
  'role-id': text,
  'secret-id-file': text,
  'approle-mount': text,
  namespace: text,
  addresses: { type: 'string', multiple: true },
  'ca-file': text,
  'kv-mount': text,
  'kv-path': text,
  'kv-field': text,
  'dynamic-path': text,
  'dynamic-field': text,
  help: { type: 'boolean' },
} as const;

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const complain = (line: string): number => {
  process.stderr.write(`${line}\n`);
  return 2;
};

function readOptions() {
  try {
    return parseArgs({ options: OPTIONS }).values;
  } catch {
    return undefined;
  }
}

async function main(): Promise<number> {
  const values = readOptions();
  if (!values) return complain(`unknown option or missing value\n\n${HELP}`);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const kv = values['kv-path'];
  const dynamic = values['dynamic-path'];
  if (kv === undefined && dynamic === undefined)
    return complain('give --kv-path, --dynamic-path, or both; --help says more');
  const kvOf = (name: string, path: string) => ({
    name,
    engine: 'kv',
    mount: values['kv-mount'] ?? 'secret',
    path,
    field: values['kv-field'] ?? 'value',
  });
  const dynamicOf = (name: string, path: string) => ({
    name,
    engine: 'dynamic',
    path,
    field: values['dynamic-field'] ?? 'password',
  });
  const parsed = v.safeParse(SecretsPolicySchema, {
    apiVersion: 'interlock/secrets/v1',
    providers: [
      {
        kind: 'vault',
        name: 'vault',
        url: values.addr,
        addresses: values.addresses ?? [],
        ...(values.namespace !== undefined && { namespace: values.namespace }),
        login: {
          method: 'approle',
          mount: values['approle-mount'] ?? 'approle',
          roleId: values['role-id'],
          secretId: { file: values['secret-id-file'] },
        },
        secrets: [
          ...(kv === undefined ? [] : [kvOf('kv', kv), kvOf('no-kv', `${kv}-that-is-not-there`)]),
          ...(dynamic === undefined ? [] : [dynamicOf('dynamic', dynamic)]),
        ],
      },
    ],
  });
  const provider: SecretProvider | undefined = parsed.success ? parsed.output.providers[0] : undefined;
  if (provider?.kind !== 'vault')
    return complain('--addr, --role-id and --secret-id-file are needed, in the form that --help shows');
  const ca = values['ca-file'];
  const egress = openEgressClient(ca === undefined ? {} : { ca: [readFileSync(ca, 'utf8')] });
  const readCredential = (from: { file: string } | { secret: string }) =>
    openCredentialFiles([])('file' in from ? from.file : '');
  const { source, told } = openLent(openVault(provider, { egress, readCredential, elapsed: () => performance.now() }));
  const missing = kv === undefined ? 'named-nowhere' : 'no-kv';
  const worlds: [string, SourceWorld][] = [];
  if (kv !== undefined) worlds.push(['kv', { source, org: ACME, name: 'kv', missing, ends: 'ended' }]);
  if (dynamic !== undefined) worlds.push(['dynamic', { source, org: ACME, name: 'dynamic', missing, ends: 'revoked' }]);
  let failures = 0;
  for (const [engine, world] of worlds)
    for (const { title, run } of SECRET_SOURCE_CHECKS) {
      // Messages of an assertion may hold a value.
      const isFine = await run(world).then(
        () => true,
        () => false,
      );
      if (!isFine) failures += 1;
      say(`${isFine ? 'ok    ' : 'FAILED'} ${engine}: ${title}`);
    }
  await source.close(10_000);
  await egress.close();
  for (const { name, reason } of told)
    if (name !== 'no-kv') say(`the kernel would say: secret ${name} is not lent: ${reason}`);
  say(failures === 0 ? 'every check is kept' : `${failures} checks are broken`);
  return failures === 0 ? 0 : 1;
}

process.exit(await main());
