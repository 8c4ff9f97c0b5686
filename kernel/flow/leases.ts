import type { EgressRule } from '../../sdk/contract/egress.ts';
import type { OrgId } from '../base/id.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { SecretLease, SecretSource } from '../port/secret-source.ts';
import { createScrubber, type Scrubber } from '../secret/scrub.ts';
import { judgeSecretValue } from '../secret/value.ts';

/**
 * The leases of one step: each secret is leased once, when it is first needed, and given back when the step ends. What
 * is leased is what the step's answers are scrubbed of.
 */

/** `isFinal`: nothing but a change by the operator helps. */
type NoSecret = { readonly isFinal: boolean; readonly text: string };

/** For whom secrets are leased. */
type Holder = { readonly org: OrgId; readonly run: string; readonly step: string };

export function openLeases(source: SecretSource, holder: Holder) {
  const leases = new Map<string, Promise<Result<SecretLease, NoSecret>>>();
  const held: SecretLease[] = [];
  let scrubber: Scrubber = createScrubber([]);
  let isRevoked = false;

  const take = async (name: string): Promise<Result<SecretLease, NoSecret>> => {
    const leased = await source.lease(holder.org, name, { run: holder.run, step: holder.step });
    if (!leased.ok) {
      // Not remembered, so that the next request of the step asks again.
      leases.delete(name);
      return leased.error === 'unknown'
        ? err({ isFinal: true, text: `E_SECRET: the secret ${name} is not stored for this org; store it first` })
        : err({ isFinal: false, text: `the secret ${name} cannot be read at the moment` });
    }
    const lease = leased.value;
    const judged = isRevoked ? err('the step has ended') : judgeSecretValue(lease.reveal());
    if (!judged.ok) {
      await lease.revoke();
      return err({ isFinal: true, text: `E_SECRET: the secret ${name} cannot be used: ${judged.error}` });
    }
    held.push(lease);
    scrubber = createScrubber(held.map((one) => ({ name: one.name, value: one.reveal() })));
    return ok(lease);
  };
  const leaseFor = (name: string) => {
    const lease = leases.get(name) ?? take(name);
    leases.set(name, lease);
    return lease;
  };

  return {
    /** The header with the secret of this rule, and of no other; empty when the rule has none. */
    headerFor: async (rule: EgressRule): Promise<Result<Readonly<Record<string, string>>, NoSecret>> => {
      if (!rule.secret) return ok({});
      const { name, header, format } = rule.secret;
      const lease = await leaseFor(name);
      // A function, because `$&` and the like in a value would be read as instructions.
      return lease.ok ? ok({ [header]: format.replaceAll('{}', () => lease.value.reveal()) }) : lease;
    },
    scrubber: (): Scrubber => scrubber,
    revoke: async (): Promise<void> => {
      isRevoked = true;
      await Promise.all(held.map((lease) => lease.revoke()));
    },
  };
}
