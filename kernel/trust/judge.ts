import type { SignedBy, TrustPolicy } from '../../sdk/contract/trust.ts';
import { err, ok, type Result } from '../base/result.ts';
import { type Asked, growth, isSameSigner, type Locked } from './lock.ts';

/**
 * Whether an org takes a plugin. Asked before anything of the module is compiled; every doubt is a no.
 *
 * Order: what is revoked is refused whatever else holds; then the signature, which must be about this very module and
 * manifest; then the lock, which must have this very plugin and all that it asks for.
 */
export type Seen =
  | { readonly kind: 'none' }
  | { readonly kind: 'unknown' }
  | {
      readonly kind: 'signed';
      readonly signer: string;
      readonly by: SignedBy;
      /** RFC 3339: after it nothing of the signer is taken. */
      readonly until: string | undefined;
      /** What the statement is about. */
      readonly digest: string;
      readonly manifest: string;
    };

export type Trusted = {
  /** `null`: the org takes it unsigned. */
  readonly signer: { readonly id: string; readonly by: SignedBy } | null;
  readonly locked: boolean;
};

/** @param now Unix milliseconds. */
export function judgeTrust(
  policy: TrustPolicy,
  asked: Asked,
  seen: Seen,
  locked: Locked,
  now: number,
): Result<Trusted, string> {
  const { name, version } = asked;
  const refuse = (why: string, ...mend: readonly string[]) =>
    err([`${name} ${version} is not loaded: ${why}`, ...mend].join('\n  '));
  const signer = judgeSignature(policy, asked, seen, now);
  if (!signer.ok) return refuse(signer.error.why, signer.error.mend);
  const lock = lockFault(policy, asked, signer.value, locked);
  if (lock) return refuse(lock.why, ...lock.mend);
  return ok({ signer: signer.value, locked: locked.kind === 'same' });
}

type Fault = { readonly why: string; readonly mend: string };

/**
 * Whether something of a plugin is revoked, and why.
 * @param digests of its module, and of module and manifest together: whichever somebody read somewhere stops it.
 */
export function revocationOf(
  { revoked }: Pick<TrustPolicy, 'revoked'>,
  { digests, signer }: { readonly digests: readonly string[]; readonly signer: string | undefined },
): string | undefined {
  const found = revoked.find((one) => ('digest' in one ? digests.includes(one.digest) : one.signer === signer));
  if (!found) return undefined;
  return `${'digest' in found ? 'this module is revoked' : `its signer ${found.signer} is revoked`} (${found.reason})`;
}

/** Who answers for the module: nobody has to where the policy allows that, and nobody can for what is revoked. */
export function judgeSignature(
  policy: TrustPolicy,
  asked: Pick<Asked, 'digest' | 'manifest'>,
  seen: Seen,
  now: number,
): Result<Trusted['signer'], Fault> {
  const signer = seen.kind === 'signed' ? seen.signer : undefined;
  const why = revocationOf(policy, { digests: [asked.digest], signer });
  if (why) return err({ why, mend: 'build, sign and lock another version' });
  return signerOf(policy, asked, seen, now);
}

function signerOf(
  policy: TrustPolicy,
  asked: Pick<Asked, 'digest' | 'manifest'>,
  seen: Seen,
  now: number,
): Result<Trusted['signer'], Fault> {
  const fault = (why: string, mend = SIGN) => err({ why, mend });
  // A bundle that does not fit is refused also where nobody has to sign: somebody wanted it to be checked.
  if (seen.kind === 'unknown' && policy.signers.length > 0)
    return fault('none of the signers of the trust policy made the signature in dist/plugin.sigstore.json');
  if (seen.kind !== 'signed')
    return policy.unsigned === 'allow'
      ? ok(null)
      : fault('it has no signature by a signer of the trust policy of the org');
  if (seen.digest !== asked.digest) return fault('its signature is for another module');
  if (seen.manifest !== asked.manifest) return fault('its signature is for another manifest');
  if (seen.until !== undefined && !(now < Date.parse(seen.until)))
    return fault(`its signer ${seen.signer} is trusted until ${seen.until} only`);
  return ok({ id: seen.signer, by: seen.by });
}

const SIGN =
  'have it signed (interlock plugin sign), or name its signer in the trust policy; interlock plugin verify says what is wrong';
const LOCK =
  'look at it with interlock plugin inspect, and take it into the lock with interlock plugin lock --config FILE --approve (the configuration of the kernel)';

function lockFault(
  policy: TrustPolicy,
  asked: Asked,
  signer: Trusted['signer'],
  locked: Locked,
): { readonly why: string; readonly mend: readonly string[] } | undefined {
  if (locked.kind === 'none')
    return policy.unlocked === 'allow'
      ? undefined
      : { why: 'plugins.lock does not have it', mend: [...growth(undefined, asked), LOCK] };
  const more = growth(locked.entry, asked);
  // Who locked a plugin did it for this one: `unlocked: allow` is for those that were never locked.
  if (locked.kind === 'other') {
    const why = `plugins.lock has ${locked.entry.version} with another digest or manifest`;
    return { why, mend: [...more, LOCK] };
  }
  if (more.length > 0) return { why: 'it asks for more than its entry in plugins.lock', mend: [...more, LOCK] };
  const wanted = locked.entry.signer;
  if (wanted !== null && !(signer && isSameSigner(wanted, signer.by)))
    return { why: 'plugins.lock has it with another signer', mend: [LOCK] };
  return undefined;
}
