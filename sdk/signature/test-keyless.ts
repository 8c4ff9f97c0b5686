import { generateKeyPairSync, hash, sign } from 'node:crypto';
import { initializeCA, initializeCTLog, initializeTLog } from '@sigstore/mock';
import { PublicKeyDetails } from '@sigstore/protobuf-specs';
import type { PluginManifest } from '../contract/plugin.ts';
import { BUNDLE_TYPE, PAYLOAD_TYPE, preAuth, statementOf } from './statement.ts';

/**
 * A certificate authority, a certificate log and a transparency log of our own, as Sigstore's public ones would be: real
 * certificates and proofs, and nobody is asked over a network.
 */
export type Keyless = {
  /** Trusted root as JSON. */
  readonly root: object;
  readonly sign: (
    who: { readonly issuer: string; readonly identity: string },
    manifest: PluginManifest,
    wasm: Uint8Array,
  ) => Promise<KeylessBundle>;
};
export type KeylessBundle = {
  readonly mediaType: string;
  readonly verificationMaterial: { readonly tlogEntries: readonly object[] } & object;
  readonly dsseEnvelope: { readonly payload: string } & object;
};

/** An entry as Rekor (v1) answers it. */
type Logged = {
  readonly body: string;
  readonly integratedTime: number;
  readonly logIndex: number;
  readonly verification: {
    readonly signedEntryTimestamp: string;
    readonly inclusionProof: {
      readonly logIndex: number;
      readonly treeSize: number;
      readonly rootHash: string;
      readonly checkpoint: string;
    };
  };
};

const pair = (namedCurve = 'P-256') => generateKeyPairSync('ec', { namedCurve });
const base64 = (bytes: ArrayBufferView<ArrayBuffer>) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
const ISSUER_1 = '1.3.6.1.4.1.57264.1.1';
const ISSUER_2 = '1.3.6.1.4.1.57264.1.8';

/** @param isListed whether the certificates are in the log of certificates. */
export async function openKeyless(isListed = true): Promise<Keyless> {
  const ct = await initializeCTLog(pair());
  const ca = await initializeCA(pair('P-384'), isListed ? ct : undefined);
  const log = await initializeTLog('https://rekor.example', pair());
  const logKey = hash('sha256', log.publicKey, 'base64');
  const since = { start: '2020-01-01T00:00:00Z' };
  const key = (bytes: Buffer) => ({
    rawBytes: bytes.toString('base64'),
    keyDetails: PublicKeyDetails[PublicKeyDetails.PKIX_ECDSA_P256_SHA_256],
    validFor: since,
  });
  const authority = { hashAlgorithm: 'SHA2_256', baseUrl: 'https://rekor.example' };
  const root = {
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: [{ ...authority, publicKey: key(log.publicKey), logId: { keyId: logKey } }],
    ctlogs: [{ ...authority, publicKey: key(ct.publicKey), logId: { keyId: base64(ct.logID) } }],
    certificateAuthorities: [
      {
        subject: { organization: 'example', commonName: 'example' },
        uri: 'https://ca.example',
        certChain: { certificates: [{ rawBytes: base64(ca.rootCertificate) }] },
        validFor: since,
      },
    ],
    timestampAuthorities: [],
  };
  return {
    root,
    async sign({ issuer, identity }, manifest, wasm) {
      const { publicKey, privateKey } = pair();
      const certificate = await ca.issueCertificate({
        publicKey: Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' })),
        subjectAltName: identity,
        extensions: [
          { oid: ISSUER_1, value: issuer, legacy: true },
          { oid: ISSUER_2, value: issuer },
        ],
      });
      const payload = Buffer.from(statementOf(manifest, wasm));
      const signature = sign('sha256', preAuth(payload), privateKey).toString('base64');
      const proposed = {
        apiVersion: '0.0.1',
        kind: 'dsse',
        spec: {
          payloadHash: { algorithm: 'sha256', value: hash('sha256', payload, 'hex') },
          signatures: [{ signature, verifier: base64(certificate) }],
        },
      };
      const [entry] = Object.values((await log.log(proposed)) as Readonly<Record<string, Logged>>);
      if (!entry) throw new Error('the log gave no proof');
      const proof = entry.verification.inclusionProof;
      return {
        mediaType: BUNDLE_TYPE,
        verificationMaterial: {
          certificate: { rawBytes: base64(certificate) },
          tlogEntries: [
            {
              logIndex: String(entry.logIndex),
              logId: { keyId: logKey },
              kindVersion: { kind: 'dsse', version: '0.0.1' },
              integratedTime: String(entry.integratedTime),
              inclusionPromise: { signedEntryTimestamp: entry.verification.signedEntryTimestamp },
              inclusionProof: {
                logIndex: String(proof.logIndex),
                treeSize: String(proof.treeSize),
                rootHash: Buffer.from(proof.rootHash, 'hex').toString('base64'),
                hashes: [],
                checkpoint: { envelope: proof.checkpoint },
              },
              canonicalizedBody: entry.body,
            },
          ],
        },
        dsseEnvelope: {
          payload: payload.toString('base64'),
          payloadType: PAYLOAD_TYPE,
          signatures: [{ sig: signature, keyid: '' }],
        },
      };
    },
  };
}
