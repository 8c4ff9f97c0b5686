import type { OrgId } from '../../kernel/base/id.ts';
import { err, ok } from '../../kernel/base/result.ts';
import { type LentSecrets, type NotLent, openLentSecrets } from '../../kernel/flow/lent-secrets.ts';
import { processScheduler } from '../../kernel/flow/scheduler.ts';
import type { Lenders, ReadCredential } from '../../kernel/port/secret-lender.ts';
import type { SecretSource } from '../../kernel/port/secret-source.ts';

/** A source whose secrets are all lent, to `acme`. */
export const ACME = 'acme' as OrgId;
const NOTHING_STORED: SecretSource = {
  known: async () => ok(NONE),
  lease: async () => err('unknown'),
  put: async () => undefined,
  list: async () => [],
  remove: async () => false,
};
const NONE: [] = [];

export function openLent(lenders: Lenders): { source: LentSecrets; told: NotLent[] } {
  const told: NotLent[] = [];
  const source = openLentSecrets({
    stored: NOTHING_STORED,
    scheduler: processScheduler,
    report: (defect) => {
      throw defect;
    },
    onNotLent: (fault) => void told.push(fault),
  });
  source.bind(ACME, lenders);
  return { source, told };
}

/** Credentials as the test has them, by the name of the secret. */
export const credentialsOf =
  (values: Readonly<Record<string, string>>): ReadCredential =>
  async (from) => {
    const value = 'secret' in from ? values[from.secret] : undefined;
    return value === undefined ? err('it is not stored') : ok(value);
  };
