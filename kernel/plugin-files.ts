import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import * as v from 'valibot';
import { codeDigest } from '../sdk/contract/code-digest.ts';
import { PluginManifestSchema } from '../sdk/contract/plugin.ts';
import {
  NO_LOCK,
  NO_TRUST,
  type PluginsLock,
  PluginsLockSchema,
  type TrustPolicy,
  TrustPolicySchema,
} from '../sdk/contract/trust.ts';
import { BUNDLE_BYTES_MAX, BUNDLE_FILE } from '../sdk/signature/statement.ts';
import { isSignerKey, isTrustedRoot, type Known, verifyBundle } from '../sdk/signature/verify.ts';
import { err, ok, type Result } from './base/result.ts';
import { ADMISSION } from './cell/admission-policy.ts';
import { admit } from './cell/admit.ts';
import { faultOfClaims } from './cell/claims.ts';
import type { OrgSetup } from './flow/set-up.ts';
import { faultText, readJson, readOptional } from './json-file.ts';
import { toFileIssues } from './rule/issue.ts';
import { askedBy, manifestDigest } from './trust/asked.ts';
import { judgeTrust, type Seen } from './trust/judge.ts';
import { lockedAs } from './trust/lock.ts';

/**
 * Reads plugins and what an org trusts of them. A plugin that the org does not take is refused here, before anything of it
 * is compiled or kept.
 */
export type Trust = { readonly policy: TrustPolicy; readonly known: readonly Known[] };

const PAGE = 'docs/policies.md';

/** @param file of the trust policy; without one nothing is trusted that is not signed and locked. */
export async function readTrust(file: string | undefined): Promise<Result<Trust, string>> {
  const read = await readOptional(file, PAGE, TrustPolicySchema);
  if (!read.ok) return read;
  const policy = read.value ?? NO_TRUST;
  const known: Known[] = [];
  for (const [at, signer] of policy.signers.entries()) {
    const fault = (key: string, text: string) =>
      err(faultText(file ?? '', PAGE, [{ pointer: `/signers/${at}/${key}`, text }]));
    if ('key' in signer) {
      if (!isSignerKey(signer.key)) return fault('key', 'expected a public key on the curve P-256, as PEM');
      known.push({ signer });
      continue;
    }
    const root = await readJson(resolve(dirname(file ?? ''), signer.trustedRoot));
    if (!root.ok) return root;
    if (!isTrustedRoot(root.value)) return fault('trustedRoot', 'expected the file of a trusted root of Sigstore');
    known.push({ signer, root: root.value });
  }
  return ok({ policy, known });
}

export async function readLock(file: string | undefined): Promise<Result<PluginsLock, string>> {
  const lock = await readOptional(file, 'docs/plugins.md', PluginsLockSchema);
  return lock.ok ? ok(lock.value ?? NO_LOCK) : lock;
}

export async function readPlugin(
  folder: string,
  sealedBases: ReadonlySet<string>,
  trust: Trust,
  lock: PluginsLock,
): Promise<Result<OrgSetup['plugins'][number], string>> {
  const file = await readJson(`${folder}/manifest.json`);
  if (!file.ok) return file;
  const parsed = v.safeParse(PluginManifestSchema, file.value);
  if (!parsed.success) return err(faultText(`${folder}/manifest.json`, 'docs/plugins.md', toFileIssues(parsed.issues)));
  const manifest = parsed.output;
  const { name } = manifest;
  const module = await readModule(folder);
  if (!module.ok) return module;
  const wasm = module.value;
  const admitted = admit(wasm);
  if (!admitted.ok) return err(`${name} is not admitted: ${admitted.error.text}`);
  const { report } = admitted.value;
  const sealed = isSealed(wasm, sealedBases);
  const claims = faultOfClaims(manifest, report, sealed);
  if (claims) return err(`${name} is not admitted: ${claims}`);
  const seen = await readSignature(folder, trust);
  if (!seen.ok) return seen;
  const asked = askedBy(manifest, wasm, report);
  const trusted = judgeTrust(trust.policy, asked, seen.value, lockedAs(lock, asked), Date.now());
  return trusted.ok ? ok({ manifest, wasm, sealed, trusted: trusted.value }) : trusted;
}

/** The size is asked first: a file of any size may lie there. */
async function readModule(folder: string): Promise<Result<Uint8Array, string>> {
  const path = `${folder}/dist/plugin.wasm`;
  const missing = err(`${path} is not there: build it with npx interlock plugin build ${folder}`);
  const status = await stat(path).catch(() => undefined);
  if (!status?.isFile()) return missing;
  if (status.size > ADMISSION.moduleBytesMax)
    return err(`${path} has ${status.size} bytes; at most ${ADMISSION.moduleBytesMax} are admitted`);
  return readFile(path).then(ok, () => missing);
}

async function readSignature(folder: string, { known }: Trust): Promise<Result<Seen, string>> {
  const path = join(folder, 'dist', BUNDLE_FILE);
  const status = await stat(path).catch(() => undefined);
  if (!status) return ok({ kind: 'none' });
  if (!status.isFile() || status.size > BUNDLE_BYTES_MAX)
    return err(`${path} is not a signature: sign the plugin again`);
  const bundle = await readJson(path);
  if (!bundle.ok) return bundle;
  const found = verifyBundle(bundle.value, known);
  return ok(found.kind === 'signed' ? { ...found, manifest: manifestDigest(found.manifest) } : found);
}

function isSealed(wasm: Uint8Array, sealedBases: ReadonlySet<string>): boolean {
  try {
    return sealedBases.has(codeDigest(wasm));
  } catch {
    // Malformed: admission says so, with the reason.
    return false;
  }
}
