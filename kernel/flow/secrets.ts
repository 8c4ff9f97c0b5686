import type { CredentialRef } from '../../sdk/contract/secrets-policy.ts';
import type { AuditDraft } from '../audit/record.ts';
import type { OrgId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Principal } from '../org/principal.ts';
import type { SecretLease, SecretSource } from '../port/secret-source.ts';
import type { Holder, LeaseDesk } from './leases.ts';
import type { Ledger } from './ledger.ts';
import type { LentSecrets } from './lent-secrets.ts';

/** Secrets, with everything that is done with one on the record first: what is there without a record would break the log. */
export type Secrets = {
  /** @returns whether there was room for it. */
  put(by: Principal, name: string, value: string): Promise<boolean>;
  /** @returns whether it was there. */
  remove(by: Principal, name: string): Promise<boolean>;
  list(org: OrgId): ReturnType<SecretSource['list']>;
  /** A change of it is under way. */
  isChanging(org: OrgId, name: string): boolean;
};

export function openSecrets(source: SecretSource, ledger: Pick<Ledger, 'stage'>): Secrets {
  const record = ({ org, id }: Principal, kind: 'secret.put' | 'secret.removed', name: string) =>
    ledger.stage({ audit: [{ org, kind, actor: `principal:${id}`, ref: name }], rows: [] });
  /** Names that are about to be there, so that many at once do not pass the bound. */
  const coming = new Map<OrgId, Set<string>>();
  /** What is put or removed at present, each as often as that is under way. */
  const changing: string[] = [];
  const keyOf = (org: OrgId, name: string) => `${org}/${name}`;
  const changed = async <T>(org: OrgId, name: string, change: () => Promise<T>): Promise<T> => {
    const key = keyOf(org, name);
    changing.push(key);
    try {
      return await change();
    } finally {
      changing.splice(changing.indexOf(key), 1);
    }
  };

  return {
    put: (by, name, value) =>
      changed(by.org, name, async () => {
        const own = coming.get(by.org) ?? new Set();
        coming.set(by.org, own);
        const there = (await source.list(by.org)).map((one) => one.name);
        const names = new Set([...there, ...own]);
        if (!names.has(name) && names.size >= LIMITS.secretsPerOrg.value) return false;
        own.add(name);
        try {
          await record(by, 'secret.put', name);
          await source.put(by.org, name, value);
          return true;
        } finally {
          own.delete(name);
        }
      }),
    remove: (by, name) =>
      changed(by.org, name, async () => {
        await record(by, 'secret.removed', name);
        return source.remove(by.org, name);
      }),
    list: (org) => source.list(org),
    isChanging: (org, name) => changing.includes(keyOf(org, name)),
  };
}

/**
 * Every lease is on the record before the value can be used. Its use and its end are told when the step is over, with what
 * is written then anyway: nobody waits for that. A lease that is not given ends at once, as `not_lent`.
 */
export function leasesOnRecord(
  source: SecretSource & Partial<Pick<LentSecrets, 'isLent'>>,
  ledger: Pick<Ledger, 'stage'>,
  report: (defect: unknown) => void,
): LeaseDesk {
  return {
    known: source.known,
    isLent: source.isLent,
    async lease(org, name, forWhat) {
      return leaseOnRecord(source, ledger, headOf({ org, ...forWhat }), name, forWhat);
    },
    giveBack(holder, leases, used) {
      const head = headOf(holder);
      const uses = used.map(
        ({ name, host, header }): AuditDraft => ({ ...head, kind: 'secret.used', ref: `${name}/${host}/${header}` }),
      );
      endOnRecord(ledger, report, head, leases, uses);
    },
  };
}

const headOf = ({ org, run, step }: Holder): Head => ({
  org,
  actor: 'system:broker',
  ...(run !== null && { run }),
  step,
});

/**
 * One lease, with the record before it: so a lease that is not given is on record as well, and its end follows.
 * A kernel that died in between has written no end.
 */
export async function leaseOnRecord(
  source: Pick<SecretSource, 'lease'>,
  ledger: Pick<Ledger, 'stage'>,
  head: Head,
  name: string,
  forWhat: Parameters<SecretSource['lease']>[2],
): ReturnType<SecretSource['lease']> {
  await ledger.stage({ audit: [{ ...head, kind: 'secret.leased', ref: name }], rows: [] });
  const lease = await source.lease(head.org, name, forWhat);
  if (!lease.ok) stageAndGoOn(ledger, [{ ...head, kind: 'secret.revoked', ref: name, outcome: 'not_lent' }]);
  return lease;
}

/** What the kernel logs in to a provider with: a secret of the store is leased for it on record, like for a step. */
export function credentialsOnRecord(deps: {
  stored: SecretSource;
  ledger: Pick<Ledger, 'stage'>;
  report: (defect: unknown) => void;
  readFile: ((path: string) => Promise<Result<string, string>>) | undefined;
}) {
  const { stored, ledger, report, readFile } = deps;
  return async (org: OrgId, from: CredentialRef): Promise<Result<string, string>> => {
    if ('file' in from) return readFile ? readFile(from.file) : err('files are not read here');
    const head = { org, actor: 'system:lender' };
    const lease = await leaseOnRecord(stored, ledger, head, from.secret, { run: '-', step: '-' });
    if (!lease.ok)
      return err(`the secret ${from.secret} ${lease.error === 'unknown' ? 'is not stored' : 'cannot be read'}`);
    const value = lease.value.reveal();
    endOnRecord(ledger, report, head, [lease.value]);
    return ok(value);
  };
}

/** Of whom a record tells. */
type Head = Pick<AuditDraft, 'org' | 'actor' | 'run' | 'step'>;

/** A ledger that failed is told by itself, and ends the process. */
function stageAndGoOn(ledger: Pick<Ledger, 'stage'>, audit: readonly AuditDraft[]): void {
  ledger.stage({ audit, rows: [] }).catch(() => undefined);
}

/**
 * Ends leases. What ends here is on record at once, together with `also`; what a provider has to take back, when it has.
 */
export function endOnRecord(
  ledger: Pick<Ledger, 'stage'>,
  report: (defect: unknown) => void,
  head: Head,
  leases: readonly SecretLease[],
  also: readonly AuditDraft[] = [],
): void {
  const audit: AuditDraft[] = [...also];
  for (const lease of leases) {
    const end = lease.revoke();
    const record = (outcome: string): AuditDraft => ({ ...head, kind: 'secret.revoked', ref: lease.name, outcome });
    if (end === 'ended') audit.push(record(end));
    else end.then((outcome) => stageAndGoOn(ledger, [record(outcome)])).catch(report);
  }
  if (audit.length > 0) stageAndGoOn(ledger, audit);
}
