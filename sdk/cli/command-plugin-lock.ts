import { join } from 'node:path';
import type { Command } from 'commander';
import type { EgressPolicy } from '../contract/egress.ts';
import { mayOf, sizeOf } from '../contract/may.ts';
import type { LockEntry, SignedBy } from '../contract/trust.ts';
import type { Inspected } from '../supply/inspect.ts';
import type { Change } from '../supply/lock.ts';
import type { Signed } from '../supply/signature.ts';
import type { Trust } from '../supply/trust-file.ts';
import { act, withExamples } from './act.ts';
import { cannot, type Ending, fine, no, ok, type Result, refuse } from './ending.ts';
import { readInput, toText } from './input.ts';
import { clean, exact, fields, note, say, sayJson } from './print.ts';
import { ask, atTerminal } from './prompt.ts';
import type { Globals } from './session.ts';
import { typed } from './typed.ts';

/** `interlock plugin inspect` and `lock`: what a plugin may do, and that somebody has looked at it. */
export function addPluginLock(plugin: Command): void {
  withExamples(
    plugin
      .command('inspect')
      .description('say what a plugin may do, as the kernel judges it; needs no server')
      .argument('<path>', 'folder of a plugin, or a module with its manifest in it')
      .option('--grants <file>', 'egress policy of an org: say what it lets the plugin send')
      .option('--trust <file>', 'trust policy of an org: say who signed the plugin'),
    [
      'interlock plugin inspect plugins/edge-firewall',
      'interlock plugin inspect plugins/edge-firewall --grants acme/egress.json',
    ],
    'What the module imports counts, whatever its manifest says.\n' +
      'Exit codes: 0 the kernel would admit it, 1 it would not (with --trust: also where the policy does not take its signature),\n' +
      '2 there is nothing to look at.',
  ).action((path: string, options: InspectOptions, command: Command) =>
    act(inspect(path, options, command.optsWithGlobals())),
  );

  withExamples(
    plugin
      .command('lock')
      .description('write plugins.lock: the plugins that were looked at, and what each may ask for; needs no server')
      .argument('[dir...]', 'folders of plugins')
      .option('--config <file>', 'configuration of a kernel: lock the plugins of its orgs, where it looks for the lock')
      .option('--out <file>', 'the lock; else plugins.lock here, or where the configuration says')
      .option('--trust <file>', 'trust policy that says whose signatures are locked; else those of the configuration')
      .option('--approve', 'agree to what is new and to what is changed'),
    [
      'interlock plugin lock plugins/edge-firewall',
      'interlock plugin lock --config interlock.json',
      'interlock plugin lock --config interlock.json --approve',
    ],
    'The lock says that somebody has looked at a plugin. What one asks for that is new or changed beyond its entry is shown, and\n' +
      'without --approve, or a yes at a terminal, nothing is written.\n' +
      'Exit codes: 0 the lock is current, 1 something was not approved or is not admitted, 2 there is nothing to lock.',
  ).action((dirs: string[], options: LockOptions, command: Command) =>
    act(lock(dirs, options, command.optsWithGlobals())),
  );
}

type InspectOptions = { readonly grants?: string; readonly trust?: string };

async function inspect(path: string, { grants, trust }: InspectOptions, { json }: Globals): Promise<Ending> {
  const found = await lookAt(path);
  if (!found.ok) return found;
  const { manifest, report, asked } = found.value;
  const grant = grants === undefined ? ok(undefined) : await grantOf(grants, manifest.name);
  if (!grant.ok) return grant;
  const signature = await signatureIn(found.value, trust);
  if (!signature.ok) return signature;
  const { signed, text } = signature.value;
  const may = mayOf(manifest, report, grant.value);
  const size = sizeOf(report);
  const { name, version, digest, capabilities, limits } = asked;
  const code = found.value.sealed ? SEALED_CODE : toolchainText(found.value);
  if (json)
    sayJson({
      name,
      version,
      digest,
      signature: text,
      signer: signed?.ok ? signed.by : null,
      code,
      may,
      size,
      capabilities,
      limits,
      imports: report.imports,
    });
  else {
    say(
      fields([
        ['plugin', `${name} ${version}`],
        ['digest', digest],
        ['signed', text],
        ['code', code],
      ]),
    );
    for (const sentence of may) say(`  ${exact(sentence, 500)}`);
    say(`  ${size.join('; ')}`);
  }
  return signed?.ok === false ? no : fine;
}

/** What runs is known, and is given a script that is not: only a rebuild compares that. */
const SEALED_CODE =
  'the engine of this build of Interlock, with a script (plugin verify --rebuild compares it with its source)';

const toolchainText = ({ producers }: Inspected): string =>
  producers ? exact(`made by ${producers.join(', ')}, says the module`, 500) : 'of a toolchain that it does not name';

/** What a person is told of the signature beside a module. `signed`: what the policy says of it, where one was named. */
async function signatureIn(
  found: Inspected,
  file: string | undefined,
): Promise<Result<{ readonly signed: Signed | undefined; readonly text: string }>> {
  const { claimed, signatureOf } = await import('../supply/signature.ts');
  const trust = file === undefined ? undefined : await trustOf(file);
  if (trust && !trust.ok) return trust;
  const signed = trust && signatureOf(found, trust.value);
  if (signed?.ok) return ok({ signed, text: exact(`by ${signed.signer} (${signerText(signed.by)})`, 500) });
  if (signed) return ok({ signed, text: exact(`not so that the policy takes it: ${signed.why}`, 500) });
  const text = {
    'no signature': 'no',
    'not a signature': 'no: the file beside it is no signature',
    'of another': 'no: the signature beside it is for another module or manifest',
    'of this': 'for this module and manifest; by whom is not asked (--trust)',
  };
  return ok({ signed, text: text[claimed(found)] });
}

const signerText = (by: SignedBy): string =>
  'key' in by ? `the key ${by.key}` : `${by.identity}, as ${by.issuer} says`;

export async function lookAt(path: string): Promise<Result<Inspected>> {
  // Brings the judges along, and a validator: only here.
  const { inspectPlugin } = await import('../supply/inspect.ts');
  const found = await inspectPlugin(path);
  if (found.ok) return ok(found.value);
  const text = typed`${clean(path, 200)}: ${clean(found.text, 600)}`;
  return found.kind === 'refused' ? refuse(`${text}. No kernel takes it.`) : cannot(`${text}.`);
}

/** The one grant of the plugin; `null` where the policy has none. */
async function grantOf(file: string, plugin: string): Promise<Result<EgressPolicy['grants'][number] | null>> {
  const bytes = await readInput(file);
  const text = bytes.ok ? toText(bytes.value, clean(file, 200)) : bytes;
  if (!text.ok) return text;
  const { safeParse } = await import('valibot');
  const { EgressPolicySchema } = await import('../contract/egress.ts');
  let json: unknown;
  try {
    json = JSON.parse(text.value);
  } catch {
    return cannot(`${clean(file, 200)} is not JSON.`);
  }
  const policy = safeParse(EgressPolicySchema, json);
  if (!policy.success) return cannot(`${clean(file, 200)} is not an egress policy; docs/policies.md has its form.`);
  return ok(policy.output.grants.find((one) => one.plugin === plugin) ?? null);
}

/** Who signed this very module and manifest, of those that the policies trust; `null`: nobody of them. */
async function signerOf(found: Inspected, files: readonly string[]): Promise<Result<LockEntry['signer']>> {
  const { signatureOf } = await import('../supply/signature.ts');
  for (const file of files) {
    const trust = await trustOf(file);
    if (!trust.ok) return trust;
    const signed = signatureOf(found, trust.value);
    if (signed.ok) return ok(signed.by);
  }
  return ok(null);
}

async function trustOf(file: string): Promise<Result<Trust>> {
  const { readTrustFile } = await import('../supply/trust-file.ts');
  const trust = await readTrustFile(file);
  return trust
    ? ok(trust)
    : cannot(
        `${clean(file, 200)} is not a trust policy whose keys and roots can be read; docs/policies.md has its form.`,
      );
}

type LockOptions = {
  readonly config?: string;
  readonly out?: string;
  readonly trust?: string;
  readonly approve?: true;
};

async function lock(dirs: readonly string[], options: LockOptions, { json }: Globals): Promise<Ending> {
  const { changeOf, readConfigured, readLockFile, withChanges, writeLockFile } = await import('../supply/lock.ts');
  const configured = options.config === undefined ? undefined : await readConfigured(options.config);
  if (options.config !== undefined && !configured)
    return cannot(`${clean(options.config, 200)} is not the configuration of a kernel.`);
  const folders = [...dirs, ...(configured?.folders ?? [])];
  if (folders.length === 0) return cannot('name folders of plugins, or a configuration with --config.');
  const file = options.out ?? configured?.lock ?? join('.', 'plugins.lock');
  const before = await readLockFile(file);
  if (!before)
    return cannot(`${clean(file, 200)} is there and is no lock of plugins: move it away. Nothing was written.`);
  const changes: Change[] = [];
  for (const folder of folders) {
    const found = await lookAt(folder);
    if (!found.ok) return found;
    const signer = await signerOf(
      found.value,
      options.trust === undefined ? (configured?.trust ?? []) : [options.trust],
    );
    if (!signer.ok) return signer;
    changes.push(changeOf(before, { ...found.value.asked, signer: signer.value }));
  }
  const next = withChanges(before, changes);
  if (!next) return refuse('no lock has room for all that is asked for: at most 1000 words for a plugin.');
  if (json)
    sayJson({ lock: file, changes: changes.map(({ entry, kind, more, less }) => ({ kind, more, less, ...entry })) });
  else for (const change of changes) sayChange(change);
  const asked = changes.filter(({ kind }) => kind !== 'same');
  if (asked.length > 0 && !options.approve && !(await isAgreed(asked.length)))
    return refuse(
      typed`nothing was written: look at what is new or changed, and give the same command with --approve.`,
    );
  if (asked.length === 0) {
    note(`interlock: ${clean(file, 200)} is current.`);
    return fine;
  }
  await writeLockFile(file, next);
  note(`interlock: ${clean(file, 200)} is written; a kernel reads it when it starts.`);
  return fine;
}

function sayChange({ entry, kind, more, less }: Change): void {
  say(`${entry.name} ${entry.version} ${entry.digest} ${kind}`);
  const signed = entry.signer ? `signer: ${signerText(entry.signer)}` : 'signer: none, nobody has to have signed it';
  for (const sentence of [signed, ...more, ...less]) say(`  ${exact(sentence, 500)}`);
}

const isAgreed = async (count: number): Promise<boolean> =>
  atTerminal() &&
  (await ask(
    `Approve what is new or changed of ${count === 1 ? 'this plugin' : `these ${count} plugins`}? (yes or no) `,
  )) === 'yes';
