import { manifestDigest } from '../../kernel/trust/asked.ts';
import { judgeSignature, type Seen } from '../../kernel/trust/judge.ts';
import type { SignedBy } from '../contract/trust.ts';
import { claimOf, type Known, verifyBundle } from '../signature/verify.ts';
import type { Inspected } from './inspect.ts';
import type { Trust } from './trust-file.ts';

/** What a signature beside a module says, in the words of those who judge it. `undefined`: there is none. */
export function seenOf(bundle: unknown, known: readonly Known[]): Seen {
  if (bundle === undefined) return { kind: 'none' };
  const found = verifyBundle(bundle, known);
  return found.kind === 'signed' ? { ...found, manifest: manifestDigest(found.manifest) } : found;
}

/** Whether the signature beside a module is about it at all, whoever made it. */
export type Claim = 'no signature' | 'not a signature' | 'of another' | 'of this';

export function claimed({ bundle, asked }: Pick<Inspected, 'bundle' | 'asked'>): Claim {
  if (bundle === undefined) return 'no signature';
  const claim = claimOf(bundle);
  if (!claim) return 'not a signature';
  return claim.digest === asked.digest && manifestDigest(claim.manifest) === asked.manifest ? 'of this' : 'of another';
}

export type Signed =
  | { readonly ok: true; readonly signer: string; readonly by: SignedBy }
  | { readonly ok: false; readonly why: string };

/** Whether one of the signers made the signature beside the module, for this very module and manifest. */
export function signatureOf({ bundle, asked }: Pick<Inspected, 'bundle' | 'asked'>, { known, policy }: Trust): Signed {
  const judged = judgeSignature({ ...policy, unsigned: 'refuse' }, asked, seenOf(bundle, known), Date.now());
  if (!judged.ok) return { ok: false, why: judged.error.why };
  const { value } = judged;
  return value ? { ok: true, signer: value.id, by: value.by } : { ok: false, why: 'it has no signature' };
}
