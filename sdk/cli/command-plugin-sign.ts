import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { act, withExamples } from './act.ts';
import { lookAt } from './command-plugin-lock.ts';
import { cannot, type Ending, fine, no, refuse } from './ending.ts';
import { readInput, toText } from './input.ts';
import { clean, note, say, sayJson } from './print.ts';
import type { Globals } from './session.ts';
import { typed } from './typed.ts';

/** `interlock plugin keygen`, `sign` and `verify`. Nothing is sent anywhere. */
export function addPluginSign(plugin: Command): void {
  withExamples(
    plugin
      .command('keygen')
      .description('make a key pair that plugins are signed with (P-256); needs no server')
      .requiredOption('--out <name>', 'writes NAME.key, for its owner alone, and NAME.pub'),
    ['interlock plugin keygen --out platform'],
    'The public key goes into the trust policy of each org that takes what is signed with the other.\n' +
      'Exit codes: 0 both files are written, 2 one of them is there already, or cannot be written.',
  ).action((options: { readonly out: string }, command: Command) =>
    act(keygen(options.out, command.optsWithGlobals())),
  );

  withExamples(
    plugin
      .command('sign')
      .description('sign a built plugin with the key of an organisation; needs no server')
      .argument('<dir>', 'folder of the plugin')
      .requiredOption('--key <file>', 'private key (PEM, P-256)'),
    ['interlock plugin sign plugins/edge-firewall --key platform.key'],
    'Writes dist/plugin.sigstore.json: a Sigstore bundle (v0.3) over the digest of dist/plugin.wasm and the manifest.\n' +
      'Exit codes: 0 it is signed, 1 no kernel would take the plugin, 2 there is nothing to sign, or no key.',
  ).action((dir: string, options: { readonly key: string }, command: Command) =>
    act(sign(dir, options.key, command.optsWithGlobals())),
  );

  withExamples(
    plugin
      .command('verify')
      .description(
        'say whether a plugin is signed by somebody whom an org trusts, or is what its source gives; needs no server',
      )
      .argument('<dir>', 'folder of the plugin')
      .option('--trust <file>', 'trust policy of the org')
      .option('--rebuild', 'seal the source again and compare the digests'),
    [
      'interlock plugin verify plugins/edge-firewall --trust acme/trust.json',
      'interlock plugin verify plugins/edge-firewall --rebuild',
    ],
    'Exit codes: 0 all that was asked holds, 1 something does not, 2 there is nothing to verify.',
  ).action((dir: string, options: VerifyOptions, command: Command) =>
    act(verify(dir, options, command.optsWithGlobals())),
  );
}

async function keygen(name: string, { json }: Globals): Promise<Ending> {
  const { makeKeyPair } = await import('../signature/sign.ts');
  const { privateKey, publicKey } = makeKeyPair();
  const [secret, open] = [`${name}.key`, `${name}.pub`];
  for (const [file, text, mode] of [
    [secret, privateKey, 0o600],
    [open, publicKey, 0o644],
  ] as const) {
    try {
      await writeFile(file, text, { mode, flag: 'wx' });
    } catch (error) {
      const why = (error as NodeJS.ErrnoException).code === 'EEXIST' ? 'is there already' : 'cannot be written';
      return cannot(`${clean(file, 200)} ${why}: choose another name.`);
    }
  }
  if (json) sayJson({ privateKey: secret, publicKey: open });
  else {
    say(`${clean(secret, 200)} signs: keep it away from the kernel and from the repository`);
    say(`${clean(open, 200)} goes into the trust policy, as the key of a signer`);
  }
  return fine;
}

async function sign(dir: string, keyFile: string, { json }: Globals): Promise<Ending> {
  const pem = await readInput(keyFile);
  const text = pem.ok ? toText(pem.value, clean(keyFile, 200)) : pem;
  if (!text.ok) return cannot(`${text.error.text} A key pair is made by: interlock plugin keygen --out NAME`);
  const found = await lookAt(dir);
  if (!found.ok) return found;
  const { signPlugin } = await import('../signature/sign.ts');
  const { BUNDLE_FILE } = await import('../signature/statement.ts');
  const signed = signPlugin(found.value.manifest, found.value.wasm, text.value);
  if (!signed)
    return cannot(typed`${clean(keyFile, 200)} is not a private key on P-256: interlock plugin keygen makes one.`);
  const file = join(dir, 'dist', BUNDLE_FILE);
  try {
    await writeFile(file, `${JSON.stringify(signed.bundle, null, 2)}\n`);
  } catch {
    return cannot(`${clean(file, 200)} cannot be written; name the folder of the plugin.`);
  }
  const { name, version, digest } = found.value.asked;
  if (json) sayJson({ name, version, digest, key: signed.key, bundle: file });
  else {
    say(`${name} ${version} ${digest}`);
    say(`signed with the key ${signed.key} in ${clean(file, 200)}`);
  }
  return fine;
}

type VerifyOptions = { readonly trust?: string; readonly rebuild?: true };

async function verify(dir: string, { trust, rebuild }: VerifyOptions, { json }: Globals): Promise<Ending> {
  if (trust === undefined && !rebuild) return cannot('say what is to be verified: --trust FILE, --rebuild, or both.');
  const found = await lookAt(dir);
  if (!found.ok) return found;
  const { name, version, digest } = found.value.asked;
  const signature = trust === undefined ? undefined : await judged(found.value, trust);
  if (signature === null)
    return cannot(
      `${clean(trust ?? '', 200)} is not a trust policy whose keys and roots can be read; docs/policies.md has its form.`,
    );
  const again = rebuild ? await rebuilt(dir) : undefined;
  if (again !== undefined && !again.ok)
    return refuse(`${clean(dir, 200)} cannot be sealed again: ${clean(again.text, 500)}`);
  const isSame = again === undefined || again.digest === digest;
  if (json)
    sayJson({
      name,
      version,
      digest,
      ...(signature && { signer: signature.ok ? signature.signer : null }),
      ...(again && { rebuilt: again.digest }),
    });
  else {
    say(`${name} ${version} ${digest}`);
    if (signature?.ok) say(`signed by ${signature.signer}`);
    if (again && isSame) say('the source gives the same module');
  }
  if (signature && !signature.ok) note(`interlock: ${name} is not to be trusted: ${signature.why}.`);
  if (again && !isSame)
    note(
      `interlock: the source gives another module, ${again.digest}: it was changed since, or built with another SDK.`,
    );
  return isSame && signature?.ok !== false ? fine : no;
}

/** @returns `null` where the policy cannot be used. */
async function judged(found: Parameters<typeof import('../supply/signature.ts').signatureOf>[0], file: string) {
  const { readTrustFile } = await import('../supply/trust-file.ts');
  const { signatureOf } = await import('../supply/signature.ts');
  const trust = await readTrustFile(file);
  return trust ? signatureOf(found, trust) : null;
}

type Rebuilt = { readonly ok: true; readonly digest: string } | { readonly ok: false; readonly text: string };

/** Into a folder of its own: what lies in dist is what is verified. */
async function rebuilt(dir: string): Promise<Rebuilt> {
  if (!existsSync(join(dir, 'plugin.ts')))
    return { ok: false, text: 'there is no plugin.ts: build it by its own build, and compare the digests' };
  const { buildPlugin } = await import('../build/build-plugin.ts');
  const outDir = await mkdtemp(join(tmpdir(), 'interlock-rebuild-'));
  try {
    const built = await buildPlugin(dir, { outDir });
    return built.ok ? { ok: true, digest: built.value.digest } : { ok: false, text: built.error.message };
  } finally {
    await rm(outDir, { recursive: true, force: true });
  }
}
