import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SecretsPolicySchema } from '../sdk/contract/secrets-policy.ts';
import { credentialsOf } from '../test/contract/lent.ts';
import { behindTls } from '../test/double/behind-tls.ts';
import { startGithub } from '../test/double/github.ts';
import { startOAuth } from '../test/double/oauth.ts';
import { startSts } from '../test/double/sts.ts';
import { startVault } from '../test/double/vault.ts';
import { CERTIFICATE } from '../test/egress/certificate.ts';
import { openEgressClient } from './adapter/undici/egress-client.ts';
import { lendersOver } from './lenders.ts';

/** Providers behind a certificate of an internal authority, which the policy names with `caFile`. */
const closing: (() => Promise<unknown>)[] = [];
let folder: string;
let credentials: Record<string, string>;
let providers: Record<string, object>;
let asked: () => number;
let connections: () => number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'interlock-lenders-'));
  closing.push(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'ca.pem'), CERTIFICATE);
  await writeFile(join(folder, 'none.pem'), 'no certificate');
  await writeFile(join(folder, 'broken.pem'), CERTIFICATE.replace('MIIB', 'AAAA'));
  await writeFile(join(folder, 'empty.pem'), '');
  await writeFile(join(folder, 'large.pem'), `${CERTIFICATE}${'\n'.repeat(1 << 20)}`);
  execFileSync('mkfifo', [join(folder, 'pipe.pem')]);
  const doubles = await Promise.all([startVault(), startOAuth(), startGithub(), startSts()]);
  const [vault, idp, github, sts] = doubles;
  vault.write('soc/edr', { key: 'a-value-behind-tls' });
  const fronts = await Promise.all(doubles.map(({ url }) => behindTls(url)));
  for (const one of [...fronts, ...doubles]) closing.unshift(() => one.close());
  const [vaultUrl = '', idpUrl = '', githubUrl = '', stsUrl = ''] = fronts.map(({ url }) => url);
  credentials = {
    'secret-id': vault.ids.secretId,
    'idp-secret': idp.client.secret,
    app: github.keyLine,
    jwt: sts.token,
  };
  const login = { method: 'approle', roleId: vault.ids.roleId, secretId: { secret: 'secret-id' } };
  providers = {
    vault: { url: vaultUrl, login, secrets: [{ name: 'one', engine: 'kv', path: 'soc/edr', field: 'key' }] },
    oauth: {
      ...{ issuer: idpUrl, tokenUrl: `${idpUrl}/token`, clientId: idp.client.id, auth: 'client_secret_basic' },
      ...{ credential: { secret: 'idp-secret' }, secrets: [{ name: 'one' }] },
    },
    'github-app': {
      ...{ url: githubUrl, appId: 'Iv1.app', installation: '42', key: { secret: 'app' }, secrets: [{ name: 'one' }] },
    },
    'aws-sts': {
      ...{ url: stsUrl, token: { secret: 'jwt' } },
      secrets: [{ name: 'one', roleArn: 'arn:aws:iam::123456789012:role/soc', field: 'sessionToken' }],
    },
  };
  connections = () => fronts.reduce((sum, one) => sum + one.connections(), 0);
  asked = () => doubles.reduce((sum, one) => sum + one.asked.length, 0);
});
afterAll(async () => {
  for (const close of closing) await close();
});

function openOver() {
  const egress = openEgressClient();
  const over = lendersOver(egress);
  closing.unshift(
    () => over.close(),
    () => egress.close(),
  );
  return over;
}

/** Of the kinds together: whoever is told to trust one has not told the others to. */
function open(kinds: Readonly<Record<string, string | undefined>>, over = openOver()) {
  const policy = v.parse(SecretsPolicySchema, {
    apiVersion: 'interlock/secrets/v1',
    providers: Object.entries(kinds).map(([kind, ca], at) => {
      const { secrets, ...rest } = providers[kind] as { secrets: object[] };
      return {
        ...{ kind, name: kind, addresses: ['127.0.0.0/8'], ...rest },
        ...(ca !== undefined && { caFile: join(folder, ca) }),
        secrets: secrets.map((one) => ({ ...one, name: `secret-${at}` })),
      };
    }),
  });
  return over.open(policy, credentialsOf(credentials));
}
async function lend(kinds: Readonly<Record<string, string | undefined>>) {
  const opened = open(kinds);
  if (!opened.ok) throw new Error(opened.error);
  const all = [...opened.value.byName.values()];
  return Promise.all(all.map(async ({ lender }) => (await lender.lend()).ok));
}
const KINDS = ['vault', 'oauth', 'github-app', 'aws-sts'] as const;

describe('a provider with a certificate of an internal authority', () => {
  it.each(KINDS)('lends where it is named: %s', async (kind) => {
    expect(await lend({ [kind]: 'ca.pem' })).toEqual([true]);
  });

  it.each(KINDS)('is not asked where it is not: %s', async (kind) => {
    const before = asked();
    expect(await lend({ [kind]: undefined })).toEqual([false]);
    expect(asked()).toBe(before);
  });

  it('is trusted for that provider alone', async () => {
    expect(await lend({ vault: 'ca.pem', oauth: undefined, 'github-app': 'ca.pem' })).toEqual([true, false, true]);
  });

  it('shares no connection with that of another org, whatever its name', async () => {
    const over = openOver();
    const orgs = ['acme', 'globex'].map(() => open({ 'github-app': 'ca.pem' }, over));
    const lends = orgs.flatMap((one) => (one.ok ? [...one.value.byName.values()] : []));
    const before = connections();
    for (const { lender } of lends) {
      expect((await lender.lend()).ok).toBe(true);
      // A connection is free again one turn of the event loop after its answer.
      await setImmediate();
    }
    expect(connections() - before).toBe(2);
  });

  it.each(['nowhere.pem', 'none.pem', 'broken.pem', 'empty.pem', 'pipe.pem', 'large.pem'])(
    'keeps the kernel from starting with %s',
    (file) => {
      expect(open({ vault: file })).toEqual({
        ok: false,
        error: 'the caFile of the provider vault cannot be read, or holds no certificates (PEM)',
      });
    },
  );
});
