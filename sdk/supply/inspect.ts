import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { ADMISSION } from '../../kernel/cell/admission-policy.ts';
import { type AdmissionReport, admit } from '../../kernel/cell/admit.ts';
import { faultOfClaims } from '../../kernel/cell/claims.ts';
import { producersOf } from '../../kernel/cell/producers.ts';
import { faultOfManifest, sealedManifest } from '../../kernel/cell/sealed-manifest.ts';
import { askedBy } from '../../kernel/trust/asked.ts';
import type { Asked } from '../../kernel/trust/lock.ts';
import { sealedCodeDigest } from '../build/base.ts';
import { faultOfFeatures } from '../build/features.ts';
import { codeDigest } from '../contract/code-digest.ts';
import { type PluginManifest, PluginManifestSchema } from '../contract/plugin.ts';
import { BUNDLE_BYTES_MAX, BUNDLE_FILE } from '../signature/statement.ts';
import { readJsonFile } from './json-file.ts';

/** What a plugin is and asks for, judged as the kernel judges it, and by its instructions too. */
export type Inspected = {
  readonly folder: string;
  readonly wasm: Uint8Array;
  readonly manifest: PluginManifest;
  readonly report: AdmissionReport;
  readonly asked: Asked;
  /** Sealed by the build of this checkout: its code is known. */
  readonly sealed: boolean;
  /** The tools that the module names as its makers, or null: a claim, in foreign words. */
  readonly producers: readonly string[] | null;
  /** JSON of the signature beside the module; undefined where there is none. */
  readonly bundle: unknown;
};
export type Inspection =
  | { readonly ok: true; readonly value: Inspected }
  /** `refused`: it was looked at, and no kernel would take it. `unreadable`: there is nothing to look at. */
  | { readonly ok: false; readonly kind: 'refused' | 'unreadable'; readonly text: string };

const unreadable = (text: string): Inspection => ({ ok: false, kind: 'unreadable', text });

/** @param path the folder of a plugin, or a module with its manifest sealed into it. */
export async function inspectPlugin(path: string): Promise<Inspection> {
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() === true;
  const file = isFolder ? join(path, 'dist', 'plugin.wasm') : path;
  const status = await stat(file).catch(() => undefined);
  if (!status?.isFile()) return unreadable(`${file} is not there: build the plugin first (interlock plugin build)`);
  if (status.size > ADMISSION.moduleBytesMax)
    return {
      ok: false,
      kind: 'refused',
      text: `${file} has ${status.size} bytes; at most ${ADMISSION.moduleBytesMax} are admitted`,
    };
  const wasm = new Uint8Array(await readFile(file));
  const admitted = admit(wasm);
  if (!admitted.ok) return { ok: false, kind: 'refused', text: admitted.error.text };
  const manifest = isFolder ? await readManifest(join(path, 'manifest.json')) : sealedManifest(wasm);
  if (!manifest)
    return unreadable(
      isFolder
        ? `${path}/manifest.json is not there, or is no manifest`
        : `${file} has no manifest in it: name the folder of the plugin`,
    );
  const { report } = admitted.value;
  const sealed = codeDigest(wasm) === (await sealedCodeDigest());
  const fault =
    faultOfManifest(manifest, wasm) ?? faultOfClaims(manifest, report, sealed) ?? (await faultOfFeatures(wasm));
  if (fault) return { ok: false, kind: 'refused', text: fault };
  const bundle = await readBundle(join(dirname(file), BUNDLE_FILE));
  const asked = askedBy(manifest, wasm, report);
  return {
    ok: true,
    value: { folder: path, wasm, manifest, report, asked, sealed, producers: producersOf(wasm), bundle },
  };
}

async function readManifest(file: string): Promise<PluginManifest | undefined> {
  const parsed = v.safeParse(PluginManifestSchema, await readJsonFile(file));
  return parsed.success ? parsed.output : undefined;
}

/** @returns undefined without a file; a text where it is no JSON, which no signature is. */
async function readBundle(file: string): Promise<unknown> {
  const status = await stat(file).catch(() => undefined);
  if (!status) return undefined;
  if (!status.isFile() || status.size > BUNDLE_BYTES_MAX) return '';
  return readFile(file, 'utf8').then(
    (text) => {
      try {
        return JSON.parse(text);
      } catch {
        return '';
      }
    },
    () => '',
  );
}
