import type { EgressProxy, EgressRule } from '../../sdk/contract/egress.ts';
import type { OrgId } from '../base/id.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { OutboundProxy } from '../port/egress.ts';
import type { KnownSecrets, SecretLease, SecretSource } from '../port/secret-source.ts';
import { createScrubber, type Scrubber, type SoughtSecret, seek } from '../secret/scrub.ts';
import { judgeSecretValue } from '../secret/value.ts';

/**
 * The secrets of one step: each is leased once, when it is first needed, and given back when the step ends. What comes
 * back is scrubbed of every secret of the org, leased or not: a target may keep what another step sent to it.
 */

/** Builds the scrubber of what an org knows, once; and of a secret, what it is looked for by, once. */
export function openScrubbers() {
  const built = new WeakMap<KnownSecrets, Scrubber>();
  const sought = new WeakMap<KnownSecrets[number], SoughtSecret | typeof UNUSABLE>();
  const seekOnce = (secret: KnownSecrets[number]) => {
    const found = sought.get(secret) ?? seekUsable(secret.name, secret.reveal());
    sought.set(secret, found);
    return found;
  };
  const scrubberOf = (secrets: KnownSecrets): Scrubber =>
    createScrubber(secrets.map(seekOnce).filter((one) => one !== UNUSABLE));
  return {
    /** @param more what is not among the known, and is looked for all the same. */
    scrubberOf: (known: KnownSecrets, more: KnownSecrets = []): Scrubber => {
      if (more.length > 0) return scrubberOf([...known, ...more]);
      const scrubber = built.get(known) ?? scrubberOf(known);
      built.set(known, scrubber);
      return scrubber;
    },
  };
}

/** What cannot be used as a secret has never left, and may be too short to be looked for. */
const UNUSABLE = Symbol('unusable');
const seekUsable = (name: string, value: string) => (judgeSecretValue(value).ok ? seek({ name, value }) : UNUSABLE);

/** A function, because `$&` and the like in a value would be read as instructions. */
const filled = (format: string, value: string): string => format.replaceAll('{}', () => value);

/** @param value of its secret; null where it has none. */
export const proxyWith = (
  { host, port, addresses, resolve, secret }: EgressProxy,
  value: string | null,
): OutboundProxy => ({
  host,
  port,
  addresses,
  resolve: resolve ?? 'kernel',
  authorization: secret && value !== null ? filled(secret.format, value) : null,
});

/** `isFinal`: nothing but a change by the operator helps. */
type NoSecret = { readonly isFinal: boolean; readonly text: string };

/** A provider that has nothing under the name says more in the log of the kernel. */
const HOW_TO_STORE = 'neither stored nor lent: to store it, interlock secret set';

function noSecret(name: string, why: 'unknown' | 'unavailable', isLent: boolean): NoSecret {
  if (why === 'unavailable')
    return {
      isFinal: false,
      text: isLent
        ? `the provider of the secret ${name} does not lend it at the moment; the log of the kernel says why`
        : `the secret ${name} cannot be read at the moment`,
    };
  const text = isLent
    ? `the provider of the secret ${name} does not lend what the secrets policy asks it for; the log of the kernel says why`
    : `this org has no secret ${name}, ${HOW_TO_STORE} ${name} (role admin)`;
  return { isFinal: true, text: `E_SECRET: ${text}` };
}

/** For whom secrets are leased: a step of a run, or where `run` is null a stage of a health check, as `CONNECTOR/STAGE`. */
export type Holder = { readonly org: OrgId; readonly run: string | null; readonly step: string };

/** Where a secret rode. */
export type SecretUse = { readonly name: string; readonly host: string; readonly header: string };

/** Where a step gets its leases, and where it leaves them: whoever keeps the record stands between. */
export type LeaseDesk = Pick<SecretSource, 'known' | 'lease'> & {
  /** Whether a provider has it, so that nobody is told to store it. */
  readonly isLent?: ((org: OrgId, name: string) => boolean) | undefined;
  /** The step is over: its leases end, and what was used is told. Returns at once; nobody waits for a provider. */
  giveBack(holder: Holder, leases: readonly SecretLease[], used: readonly SecretUse[]): void;
};

export function openLeases(source: LeaseDesk, { scrubberOf }: ReturnType<typeof openScrubbers>, holder: Holder) {
  const used = new Map<string, SecretUse>();
  const leases = new Map<string, Promise<Result<SecretLease, NoSecret>>>();
  const held: SecretLease[] = [];
  let isRevoked = false;

  const take = async (name: string): Promise<Result<SecretLease, NoSecret>> => {
    const leased = await source.lease(holder.org, name, { run: holder.run, step: holder.step });
    if (!leased.ok) {
      // Not remembered, so that the next request of the step asks again.
      leases.delete(name);
      return err(noSecret(name, leased.error, source.isLent?.(holder.org, name) ?? false));
    }
    const lease = leased.value;
    const judged = isRevoked ? err('the step has ended') : judgeSecretValue(lease.reveal());
    if (!judged.ok) {
      source.giveBack(holder, [lease], []);
      return err({ isFinal: true, text: `E_SECRET: the secret ${name} cannot be used: ${judged.error}` });
    }
    held.push(lease);
    return ok(lease);
  };
  const leaseFor = async (name: string) => {
    const before = leases.get(name);
    const known = await before;
    // Its term has passed, of a long step: the next one to ask takes it anew, and the others wait for the same.
    if (known?.ok && known.value.isOver() && leases.get(name) === before) leases.delete(name);
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
      return lease.ok ? ok({ [header]: filled(format, lease.value.reveal()) }) : lease;
    },
    /** The proxy of the org, with its secret where it has one. */
    proxyOf: async (proxy: EgressProxy | undefined): Promise<Result<OutboundProxy | undefined, NoSecret>> => {
      if (!proxy?.secret) return ok(proxy && proxyWith(proxy, null));
      const lease = await leaseFor(proxy.secret.name);
      return lease.ok ? ok(proxyWith(proxy, lease.value.reveal())) : lease;
    },
    /** For what comes back now, while the step is open. Undefined: a secret of the org cannot be read. */
    scrubber: async (): Promise<Scrubber | undefined> => {
      const known = await source.known(holder.org);
      if (!known.ok) return undefined;
      if (isRevoked) return scrubberOf(known.value);
      const isKnown = (lease: SecretLease) => known.value.some((one) => one.reveal() === lease.reveal());
      // Replaced or removed since the step leased it.
      const former = held.filter((lease) => !isKnown(lease));
      return scrubberOf(known.value, former);
    },
    /** A request is about to leave with the secret of this rule. */
    rides: (secret: { readonly name: string; readonly header: string } | undefined, host: string): void => {
      if (!secret) return;
      const { name, header } = secret;
      used.set(JSON.stringify([name, host, header]), { name, host, header });
    },
    /** What rode in a request, each place once. */
    used: (): readonly SecretUse[] => [...used.values()],
    revoke: (): void => {
      isRevoked = true;
      source.giveBack(holder, held, [...used.values()]);
    },
  };
}
