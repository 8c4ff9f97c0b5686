import { readFileSync } from 'node:fs';
import type { SecretProvider } from '../sdk/contract/secrets-policy.ts';
import { openEgressClient } from './adapter/undici/egress-client.ts';
import { openVault } from './adapter/vault/vault.ts';
import type { EgressClient } from './port/egress.ts';
import type { Lenders, OpenLenders, ReadCredential } from './port/secret-lender.ts';

/**
 * Part of the composition root: which adapter lends for which kind of provider. Providers are asked through the guard of
 * egress, each authority of its own with a client of its own.
 */
export function lendersOver(egress: EgressClient): { readonly open: OpenLenders; close(): Promise<void> } {
  /** By the text of their certificates. */
  const clients = new Map<string, EgressClient>();
  const clientFor = (caFile: string | undefined): EgressClient => {
    if (caFile === undefined) return egress;
    const ca = readFileSync(caFile, 'utf8');
    const client = clients.get(ca) ?? openEgressClient({ ca: [ca] });
    clients.set(ca, client);
    return client;
  };
  return {
    open(policy, readCredential) {
      const all = policy.providers.map((one) => openOne(one, clientFor(one.caFile), readCredential));
      return {
        byName: new Map(all.flatMap(({ byName }) => [...byName])),
        close: async () => void (await Promise.all(all.map((one) => one.close()))),
      };
    },
    close: async () => void (await Promise.all([...clients.values()].map((client) => client.close()))),
  };
}

const elapsed = () => performance.now();

function openOne(provider: SecretProvider, egress: EgressClient, readCredential: ReadCredential): Lenders {
  return openVault(provider, { egress, readCredential, elapsed });
}
