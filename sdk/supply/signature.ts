import { manifestDigest } from '../../kernel/trust/asked.ts';
import type { SignedBy, TrustPolicy } from '../contract/trust.ts';
import { type Known, verifyBundle } from '../signature/verify.ts';
import type { Inspected } from './inspect.ts';

export type Signed =
  | { readonly ok: true; readonly signer: string; readonly by: SignedBy }
  | { readonly ok: false; readonly why: string };

/** Whether one of the signers made the signature beside the module, for this very module and manifest. */
export function signatureOf(
  { bundle, asked }: Pick<Inspected, 'bundle' | 'asked'>,
  { known, policy }: { readonly known: readonly Known[]; readonly policy: TrustPolicy },
): Signed {
  if (bundle === undefined) return { ok: false, why: 'it has no signature (dist/plugin.sigstore.json)' };
  const seen = verifyBundle(bundle, known);
  if (seen.kind !== 'signed') return { ok: false, why: 'none of the signers of the policy made its signature' };
  if (seen.digest !== asked.digest) return { ok: false, why: 'its signature is for another module' };
  if (manifestDigest(seen.manifest) !== asked.manifest)
    return { ok: false, why: 'its signature is for another manifest' };
  const isOver = seen.until !== undefined && !(Date.now() < Date.parse(seen.until));
  if (isOver) return { ok: false, why: `its signer ${seen.signer} is trusted until ${seen.until} only` };
  const revoked = policy.revoked.find((one) =>
    'digest' in one ? one.digest === asked.digest : one.signer === seen.signer,
  );
  if (revoked) return { ok: false, why: `it is revoked (${revoked.reason})` };
  return { ok: true, signer: seen.signer, by: seen.by };
}
