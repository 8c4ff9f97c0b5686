import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { isSealedBy } from '../sdk/contract/code-digest.ts';
import { PluginManifestSchema } from '../sdk/contract/plugin.ts';
import { NO_LOCK, NO_TRUST, type PluginsLock, PluginsLockSchema, TrustPolicySchema } from '../sdk/contract/trust.ts';
import { BUNDLE_BYTES_MAX, BUNDLE_FILE } from '../sdk/signature/statement.ts';
import { seenOf } from '../sdk/supply/signature.ts';
import { readSigners, type Trust } from '../sdk/supply/trust-file.ts';
import { err, ok, type Result } from './base/result.ts';
import { ADMISSION } from './cell/admission-policy.ts';
import { admit } from './cell/admit.ts';
import { faultOfClaims } from './cell/claims.ts';
import { pluginDigest } from './cell/parameters.ts';
import type { OrgSetup } from './flow/set-up.ts';
import { faultText, readJson, readOptional } from './json-file.ts';
import { toFileIssues } from './rule/issue.ts';
import { askedBy } from './trust/asked.ts';
import { judgeTrust, revocationOf, type Seen } from './trust/judge.ts';
import { lockedAs } from './trust/lock.ts';

/**
 * Reads plugins and what an org trusts of them. A plugin that the org does not take is refused here, before anything of it
 * is compiled or kept.
 */
const PAGE = 'docs/policies.md';

/** @param file of the trust policy; without one nothing is trusted that is not signed and locked. */
export async function readTrust(file: string | undefined): Promise<Result<Trust, string>> {
  const read = await readOptional(file, PAGE, TrustPolicySchema);
  if (!read.ok) return read;
  const policy = read.value ?? NO_TRUST;
  const known = await readSigners(policy, file ?? '', readJson);
  if (known.ok) return ok({ policy, known: known.value });
  return err(typeof known.error === 'string' ? known.error : faultText(file ?? '', PAGE, [known.error]));
}

export async function readLock(file: string | undefined): Promise<Result<PluginsLock, string>> {
  const lock = await readOptional(file, 'docs/plugins.md', PluginsLockSchema);
  return lock.ok ? ok(lock.value ?? NO_LOCK) : lock;
}

/** It was taken once, and is not any more: a kernel goes on without it. `text` says why. */
export type Revoked = { readonly revoked: NonNullable<OrgSetup['revoked']>[number] };

export async function readPlugin(
  folder: string,
  sealedBases: ReadonlySet<string>,
  trust: Trust,
  lock: PluginsLock,
): Promise<Result<OrgSetup['plugins'][number] | Revoked, string>> {
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
  const sealed = isSealedBy(sealedBases, wasm);
  const claims = faultOfClaims(manifest, report, sealed);
  if (claims) return err(`${name} is not admitted: ${claims}`);
  const seen = await readSignature(folder, trust);
  if (!seen.ok) return seen;
  const asked = askedBy(manifest, wasm, report);
  const why = revocationOf(trust.policy, {
    digests: [asked.digest, pluginDigest(manifest, wasm)],
    signer: seen.value.kind === 'signed' ? seen.value.signer : undefined,
  });
  if (why) return ok({ revoked: { name, text: `${name} ${manifest.version} is not loaded: ${why}` } });
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
  return ok(seenOf(bundle.value, known));
}
