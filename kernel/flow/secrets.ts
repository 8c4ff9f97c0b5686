import type { OrgId } from '../base/id.ts';
import type { Principal } from '../org/principal.ts';
import type { SecretSource } from '../port/secret-source.ts';
import type { Ledger } from './ledger.ts';

/** Secrets, with everything that is done with one on the record first: what is there without a record would break the log. */
export type Secrets = {
  put(by: Principal, name: string, value: string): Promise<void>;
  /** @returns whether it was there. */
  remove(by: Principal, name: string): Promise<boolean>;
  list(org: OrgId): ReturnType<SecretSource['list']>;
};

export function openSecrets(source: SecretSource, ledger: Pick<Ledger, 'stage'>): Secrets {
  const record = ({ org, id }: Principal, kind: 'secret.put' | 'secret.removed', name: string) =>
    ledger.stage({ audit: [{ org, kind, actor: `principal:${id}`, ref: name }], rows: [] });
  return {
    async put(by, name, value) {
      await record(by, 'secret.put', name);
      await source.put(by.org, name, value);
    },
    async remove(by, name) {
      await record(by, 'secret.removed', name);
      return source.remove(by.org, name);
    },
    list: (org) => source.list(org),
  };
}

/** Every lease is on the record before the value can be used. */
export function leasesOnRecord(source: SecretSource, ledger: Pick<Ledger, 'stage'>): SecretSource {
  return {
    ...source,
    async lease(org, name, forWhat) {
      const { run, step } = forWhat;
      await ledger.stage({
        audit: [{ org, kind: 'secret.leased', actor: 'system:broker', ref: name, ...(run !== null && { run, step }) }],
        rows: [],
      });
      return source.lease(org, name, forWhat);
    },
  };
}
