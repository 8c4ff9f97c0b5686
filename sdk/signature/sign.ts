import { createPrivateKey, createPublicKey, generateKeyPairSync, hash, type KeyObject, sign } from 'node:crypto';
import type { PluginManifest } from '../contract/plugin.ts';
import { BUNDLE_TYPE, PAYLOAD_TYPE, preAuth, statementOf } from './statement.ts';

/** Signs a plugin with the key of an organisation (P-256). Nothing is sent anywhere. */
export type KeyPair = { readonly privateKey: string; readonly publicKey: string };

export function makeKeyPair(): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

/** SHA-256 of the public key as Sigstore names it in a bundle, and as we do. */
const spkiOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
export const hintOf = (key: KeyObject): string => hash('sha256', spkiOf(key), 'base64');
export const keyId = (key: KeyObject): string => `sha256:${hash('sha256', spkiOf(key), 'hex')}`;
export const isP256 = (key: KeyObject): boolean => key.asymmetricKeyDetails?.namedCurve === 'prime256v1';

/** @returns the bundle as JSON, or undefined where the text is no private key on P-256. */
export function signPlugin(
  manifest: PluginManifest,
  wasm: Uint8Array,
  privatePem: string,
): { readonly bundle: object; readonly key: string } | undefined {
  let key: KeyObject;
  try {
    key = createPrivateKey(privatePem);
  } catch {
    return undefined;
  }
  if (!isP256(key)) return undefined;
  const publicKey = createPublicKey(key);
  const payload = Buffer.from(statementOf(manifest, wasm));
  const bundle = {
    mediaType: BUNDLE_TYPE,
    verificationMaterial: {
      publicKey: { hint: hintOf(publicKey) },
      tlogEntries: [],
      timestampVerificationData: { rfc3161Timestamps: [] },
    },
    dsseEnvelope: {
      payload: payload.toString('base64'),
      payloadType: PAYLOAD_TYPE,
      signatures: [{ sig: sign('sha256', preAuth(payload), key).toString('base64'), keyid: '' }],
    },
  };
  return { bundle, key: keyId(publicKey) };
}
