import { hash } from 'node:crypto';
import * as v from 'valibot';
import { type PluginManifest, PluginManifestSchema } from '../contract/plugin.ts';

/**
 * What is signed: an in-toto Statement (v1) that names the module by its digest and says its manifest, in a DSSE envelope,
 * in a Sigstore bundle (v0.3). The manifest is in it so that a signer stands for what a plugin asks for, too.
 */
const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
const PREDICATE_TYPE = 'urn:interlock:plugin-manifest:v1';
export const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
export const BUNDLE_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
/** Beside plugin.wasm. */
export const BUNDLE_FILE = 'plugin.sigstore.json';
/** A bundle with a certificate and a proof of inclusion has about 10 KiB. */
export const BUNDLE_BYTES_MAX = 1_048_576;

const StatementSchema = v.object({
  _type: v.literal(STATEMENT_TYPE),
  subject: v.pipe(
    v.array(
      v.object({ name: v.string(), digest: v.object({ sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)) }) }),
    ),
    v.length(1),
  ),
  predicateType: v.literal(PREDICATE_TYPE),
  predicate: PluginManifestSchema,
});

export const statementOf = (manifest: PluginManifest, wasm: Uint8Array): string =>
  JSON.stringify({
    _type: STATEMENT_TYPE,
    subject: [{ name: `${manifest.name}@${manifest.version}`, digest: { sha256: hash('sha256', wasm, 'hex') } }],
    predicateType: PREDICATE_TYPE,
    predicate: manifest,
  });

/** @returns digest and manifest that the statement is about, or undefined where it is no statement of ours. */
export function readStatement(
  payload: Uint8Array,
): { readonly digest: string; readonly manifest: PluginManifest } | undefined {
  try {
    const parsed = v.parse(StatementSchema, JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload)));
    return { digest: `sha256:${parsed.subject[0]?.digest.sha256}`, manifest: parsed.predicate };
  } catch {
    return undefined;
  }
}

/** What DSSE signs (pre-authentication encoding, v1). */
export const preAuth = (payload: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `), payload]);
