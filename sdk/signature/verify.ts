import { createPublicKey } from 'node:crypto';
import { bundleFromJSON, isBundleWithDsseEnvelope } from '@sigstore/bundle';
import { PublicKeyDetails, TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import type { PluginManifest } from '../contract/plugin.ts';
import type { SignedBy, Signer } from '../contract/trust.ts';
import { hintOf, isP256, keyId } from './sign.ts';
import { PAYLOAD_TYPE, readStatement } from './statement.ts';

/**
 * Verifies a Sigstore bundle offline, against one signer after the other. The one place that knows the library, which
 * checks the envelope and nothing else: what the envelope is about is compared by the caller (`kernel/trust`).
 */

/** A signer with its trusted root, which has been read. */
export type Known = { readonly signer: Signer; readonly root?: unknown };

export type Signature =
  | { readonly kind: 'none' }
  /** There is a bundle, and none of the signers made it, or not so. */
  | { readonly kind: 'unknown' }
  | {
      readonly kind: 'signed';
      /** Its id in the policy. */
      readonly signer: string;
      readonly by: SignedBy;
      readonly until: string | undefined;
      readonly digest: string;
      readonly manifest: PluginManifest;
    };

const EMPTY_ROOT = {
  mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
  tlogs: [],
  certificateAuthorities: [],
  ctlogs: [],
  timestampAuthorities: [],
};

/** @param bundle JSON as it was read; hostile. */
export function verifyBundle(bundle: unknown, known: readonly Known[]): Signature {
  const opened = openBundle(bundle);
  if (!opened) return { kind: 'unknown' };
  for (const one of known) {
    const by = signedBy(opened.entity, one);
    const statement = by && readStatement(opened.payload);
    if (statement) return { kind: 'signed', signer: one.signer.id, by, until: one.signer.until, ...statement };
  }
  return { kind: 'unknown' };
}

/** What a bundle claims to be about, whoever made it; undefined where it is no bundle with a statement of ours. */
export function claimOf(bundle: unknown): ReturnType<typeof readStatement> {
  const opened = openBundle(bundle);
  return opened && readStatement(opened.payload);
}

function openBundle(bundle: unknown) {
  try {
    const read = bundleFromJSON(bundle);
    if (!isBundleWithDsseEnvelope(read) || read.content.dsseEnvelope.payloadType !== PAYLOAD_TYPE) return undefined;
    return { payload: read.content.dsseEnvelope.payload, entity: toSignedEntity(read) };
  } catch {
    return undefined;
  }
}

function signedBy(entity: ReturnType<typeof toSignedEntity>, { signer, root }: Known): SignedBy | undefined {
  try {
    return 'key' in signer ? byKey(entity, signer.key) : byIdentity(entity, signer, root);
  } catch {
    // Whatever the library throws means that this signer did not sign it.
    return undefined;
  }
}

function byKey(entity: ReturnType<typeof toSignedEntity>, pem: string): SignedBy | undefined {
  const key = createPublicKey(pem);
  if (!isP256(key) || entity.key.$case !== 'public-key') return undefined;
  const keys = {
    [hintOf(key)]: {
      rawBytes: key.export({ type: 'spki', format: 'der' }),
      keyDetails: PublicKeyDetails.PKIX_ECDSA_P256_SHA_256,
      validFor: undefined,
    },
  };
  // The defaults ask for a log and a time, which a key of one's own does not have.
  const thresholds = { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 };
  new Verifier(toTrustMaterial(TrustedRoot.fromJSON(EMPTY_ROOT), keys), thresholds).verify(entity);
  return { key: keyId(key) };
}

function byIdentity(
  entity: ReturnType<typeof toSignedEntity>,
  { issuer, identity }: { readonly issuer: string; readonly identity: string },
  root: unknown,
): SignedBy | undefined {
  // A key needs no identity to the library: asked here, so that no bundle with a key passes for a person.
  if (entity.key.$case !== 'certificate') return undefined;
  const thresholds = { tlogThreshold: 1, ctlogThreshold: 1, timestampThreshold: 1 };
  const verifier = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(root)), thresholds);
  // The library takes the identity as a pattern: escaped and anchored, it is this name and no other.
  const exactly = `^${identity.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')}$`;
  const found = verifier.verify(entity, { subjectAlternativeName: exactly, extensions: { issuer } });
  const { identity: seen } = found;
  return seen?.subjectAlternativeName === identity && seen.extensions?.issuer === issuer
    ? { issuer, identity }
    : undefined;
}

/** Whether the text is a trusted root of Sigstore, asked when the policy is read. */
export function isTrustedRoot(root: unknown): boolean {
  try {
    const read = TrustedRoot.fromJSON(root);
    return read.certificateAuthorities.length > 0 && read.tlogs.length > 0;
  } catch {
    return false;
  }
}

/** The id of a public key on P-256; undefined where the PEM is none. */
export function signerKeyId(pem: string): string | undefined {
  try {
    const key = createPublicKey(pem);
    return isP256(key) ? keyId(key) : undefined;
  } catch {
    return undefined;
  }
}
