import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import * as v from 'valibot';
import { type TrustPolicy, TrustPolicySchema } from '../contract/trust.ts';
import { isSignerKey, isTrustedRoot, type Known } from '../signature/verify.ts';

/** Reads a trust policy with the trusted roots that it names; undefined where something of it cannot be used. */
export async function readTrustFile(
  file: string,
): Promise<{ readonly policy: TrustPolicy; readonly known: readonly Known[] } | undefined> {
  try {
    const policy = v.parse(TrustPolicySchema, JSON.parse(await readFile(file, 'utf8')));
    const known: Known[] = [];
    for (const signer of policy.signers) {
      if ('key' in signer) {
        if (!isSignerKey(signer.key)) return undefined;
        known.push({ signer });
      } else {
        const root: unknown = JSON.parse(await readFile(resolve(dirname(file), signer.trustedRoot), 'utf8'));
        if (!isTrustedRoot(root)) return undefined;
        known.push({ signer, root });
      }
    }
    return { policy, known };
  } catch {
    return undefined;
  }
}
