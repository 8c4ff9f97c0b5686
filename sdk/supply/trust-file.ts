import { dirname, resolve } from 'node:path';
import * as v from 'valibot';
import { err, ok, type Result } from '../../kernel/base/result.ts';
import { type TrustPolicy, TrustPolicySchema } from '../contract/trust.ts';
import { isTrustedRoot, type Known, signerKeyId } from '../signature/verify.ts';
import { readJsonFile } from './json-file.ts';

/** A trust policy, with the keys and trusted roots of its signers as they were read. */
export type Trust = { readonly policy: TrustPolicy; readonly known: readonly Known[] };

/** What of a signer cannot be used: the key of the policy, and what is expected there; or a sentence on its file. */
export type SignerFault = { readonly pointer: string; readonly text: string } | string;

/**
 * The signers of a policy, each with what it takes to know them. The one place that reads them, for kernels and for people.
 * @param file of the policy: roots are named relative to it.
 */
export async function readSigners(
  { signers }: TrustPolicy,
  file: string,
  readJson: (file: string) => Promise<Result<unknown, string>>,
): Promise<Result<readonly Known[], SignerFault>> {
  const known: Known[] = [];
  /** What is revoked under one name would be taken under another one. */
  const ids = new Set<string>();
  for (const [at, signer] of signers.entries()) {
    const fault = (key: string, text: string) => err({ pointer: `/signers/${at}/${key}`, text });
    if ('key' in signer) {
      const id = signerKeyId(signer.key);
      if (id === undefined) return fault('key', 'expected a public key on the curve P-256, as PEM');
      if (ids.has(id)) return fault('key', 'expected a key that no other signer has');
      ids.add(id);
      known.push({ signer });
      continue;
    }
    const root = await readJson(resolve(dirname(file), signer.trustedRoot));
    if (!root.ok) return root;
    if (!isTrustedRoot(root.value)) return fault('trustedRoot', 'expected the file of a trusted root of Sigstore');
    const id = JSON.stringify([signer.issuer, signer.identity, root.value]);
    if (ids.has(id)) return fault('identity', 'expected an identity that no other signer has under this root');
    ids.add(id);
    known.push({ signer, root: root.value });
  }
  return ok(known);
}

/** Reads a trust policy; undefined where something of it cannot be used. */
export async function readTrustFile(file: string): Promise<Trust | undefined> {
  const policy = v.safeParse(TrustPolicySchema, await readJsonFile(file));
  if (!policy.success) return undefined;
  const known = await readSigners(policy.output, file, async (path) => ok(await readJsonFile(path)));
  return known.ok ? { policy: policy.output, known: known.value } : undefined;
}
