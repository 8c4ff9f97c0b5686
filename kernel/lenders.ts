import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { SecretProvider } from '../sdk/contract/secrets-policy.ts';
import { openAwsSts } from './adapter/aws/aws-sts.ts';
import { openGithubApp } from './adapter/github/github-app.ts';
import { openOAuth } from './adapter/oauth/oauth.ts';
import { openEgressClient } from './adapter/undici/egress-client.ts';
import { openVault } from './adapter/vault/vault.ts';
import { unreachable } from './base/assert.ts';
import { err, ok } from './base/result.ts';
import type { EgressClient } from './port/egress.ts';
import type { Lenders, OpenLenders, ReadCredential } from './port/secret-lender.ts';

/**
 * Part of the composition root: which adapter lends for which kind of provider. Providers are asked through the guard of
 * egress, each authority of its own with a client of its own.
 */
export function lendersOver(egress: EgressClient): { readonly open: OpenLenders; close(): Promise<void> } {
  /** By the text of their certificates. */
  const clients = new Map<string, EgressClient>();
  let opened = 0;
  const clientFor = (caFile: string | undefined): EgressClient => {
    if (caFile === undefined) return egress;
    const ca = certificatesOf(readCertificates(caFile));
    const client = clients.get(ca.join()) ?? openEgressClient({ ca });
    clients.set(ca.join(), client);
    return client;
  };
  return {
    open(policy, readCredential) {
      opened += 1;
      const all: Lenders[] = [];
      for (const one of policy.providers) {
        try {
          all.push(openOne(one, ofOrg(opened, clientFor(one.caFile)), readCredential));
        } catch {
          return err(`the caFile of the provider ${one.name} cannot be read, or holds no certificates (PEM)`);
        }
      }
      return ok({
        byName: new Map(all.flatMap(({ byName }) => [...byName])),
        close: async () => void (await Promise.all(all.map((one) => one.close()))),
      });
    },
    close: async () => void (await Promise.all([...clients.values()].map((client) => client.close()))),
  };
}

/** Providers of two orgs share no connection, whatever their names: each policy that is opened has pools of its own. */
const ofOrg = (n: number, client: EgressClient): Pick<EgressClient, 'send'> => ({
  send: (request) => client.send({ ...request, pool: `${request.pool} of ${n}` }),
});

/** All roots of a system are a quarter of it. */
const CA_BYTES_MAX = 1_048_576;

/** A policy of one org names it, and nothing else runs meanwhile. @throws for a pipe, a device, or what is larger. */
function readCertificates(file: string): string {
  const status = statSync(file);
  if (!status.isFile() || status.size > CA_BYTES_MAX) throw new Error('no file of certificates');
  return readFileSync(file, 'utf8');
}

/** TLS passes over what is no certificate, and trusts nobody then. @throws where one is broken, or there is none. */
function certificatesOf(text: string): readonly string[] {
  const all = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (all.length === 0) throw new Error('no certificate');
  return all.map((one) => new X509Certificate(one).toString());
}

const elapsed = () => performance.now();
const now = () => Date.now();

function openOne(
  provider: SecretProvider,
  egress: Pick<EgressClient, 'send'>,
  readCredential: ReadCredential,
): Lenders {
  switch (provider.kind) {
    case 'vault':
      return openVault(provider, { egress, readCredential, elapsed });
    case 'oauth':
      return openOAuth(provider, { egress, readCredential, elapsed });
    case 'aws-sts':
      return openAwsSts(provider, { egress, readCredential, now });
    case 'github-app':
      return openGithubApp(provider, { egress, readCredential, now });
    default:
      return unreachable(provider);
  }
}
