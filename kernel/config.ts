import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import * as v from 'valibot';
import { type EgressPolicy, EgressPolicySchema } from '../sdk/contract/egress.ts';
import { IncidentPolicySchema } from '../sdk/contract/incident-policy.ts';
import { LifecyclePolicySchema } from '../sdk/contract/lifecycle-policy.ts';
import { NAME_PATTERN } from '../sdk/contract/name.ts';
import { SecretsPolicySchema } from '../sdk/contract/secrets-policy.ts';
import { NO_LOCK, type PluginsLock } from '../sdk/contract/trust.ts';
import { closedObject } from '../sdk/contract/wanted.ts';
import { ApprovalMatrixSchema } from './approval/matrix.ts';
import type { OrgId } from './base/id.ts';
import { err, ok, type Result } from './base/result.ts';
import { ExecutionPolicySchema } from './call/policy.ts';
import { faultOfSettings } from './cell/parameters.ts';
import { type PolicyFault, parseEgressPolicy } from './egress/policy.ts';
import { webhooksOf } from './egress/webhook.ts';
import type { OrgSetup } from './flow/set-up.ts';
import { checkGuardrails } from './guardrail/schema.ts';
import { faultText, readJson, readOptional } from './json-file.ts';
import { type Revoked, readPlugin, readTrust } from './plugin-files.ts';
import { CELL_LAYER_NAMES } from './port/cell-host.ts';
import { type SchemaIssue, toFileIssues } from './rule/issue.ts';

/**
 * The kernel's configuration: one JSON file that names the data folder, the listener and the orgs, each with its policy
 * files and plugins. Every default is written here, once. Paths are relative to the file that names them.
 */
const path = v.pipe(v.string(), v.minLength(1), v.maxLength(1_024));

const OrgSchema = closedObject({
  id: v.pipe(v.string(), v.regex(NAME_PATTERN, 'lower-case letters, digits, single hyphens')),
  guardrails: path,
  approvals: path,
  egress: path,
  /** How incidents are read out of events; without it, out of OCSF findings. */
  incidents: v.optional(path),
  /** Where lifecycle events are sent. */
  lifecycle: v.optional(path),
  /** Without it, the values of kernel/call/policy.ts hold. */
  execution: v.optional(path),
  /** Which secrets a provider lends; without it, all are those of the local store. */
  secrets: v.optional(path),
  /** Whose plugins it takes; without it, those that are signed and locked. */
  trust: v.optional(path),
  /** Folders with `manifest.json` and `dist/plugin.wasm` (see `interlock plugin build`). */
  plugins: v.optional(v.array(path), []),
});

const ConfigSchema = closedObject({
  $schema: v.optional(v.string()),
  apiVersion: v.literal('interlock/config/v1'),
  /** Folder of the record, the secrets and the modules. Back it up as one. */
  data: path,
  listen: v.optional(
    closedObject({
      host: v.optional(v.string(), '127.0.0.1'),
      port: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535)), 8484),
    }),
    {},
  ),
  /** File of the key of the secret store; INTERLOCK_SECRET_KEY wins over it. Made on first start if it is not there. */
  secretKeyFile: v.optional(path),
  /** The plugins that were looked at; without it, `plugins.lock` beside this file, where there is one. */
  pluginsLock: v.optional(path),
  cells: v.optional(
    closedObject({
      min: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(64)), 2),
      max: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(256)), 8),
      /** User and group of the cells, where the kernel is root. */
      uid: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(0xffff_fffe))),
      /** Layers without which the kernel does not start. */
      require: v.optional(v.array(v.picklist(CELL_LAYER_NAMES)), []),
    }),
    {},
  ),
  orgs: v.pipe(v.array(OrgSchema), v.minLength(1), v.maxLength(10_000)),
});

export type Config = Omit<v.InferOutput<typeof ConfigSchema>, 'orgs'> & { readonly orgs: readonly OrgFiles[] };
export type OrgFiles = v.InferOutput<typeof OrgSchema>;

/** Beside the configuration. */
const LOCK_FILE = 'plugins.lock';

/** @returns the configuration with absolute paths, or a sentence that says what to mend. */
export async function readConfig(file: string): Promise<Result<Config, string>> {
  const read = await readJson(file);
  if (!read.ok) return read;
  const parsed = v.safeParse(ConfigSchema, read.value);
  if (!parsed.success) return err(faultText(file, 'docs/configuration.md', toFileIssues(parsed.issues)));
  const base = dirname(resolve(file));
  const at = (name: string) => resolve(base, name);
  const config = parsed.output;
  const lock = config.pluginsLock ?? LOCK_FILE;
  return ok({
    ...config,
    pluginsLock: config.pluginsLock === undefined && !existsSync(at(lock)) ? undefined : at(lock),
    data: at(config.data),
    secretKeyFile: at(config.secretKeyFile ?? `${config.data}/secret.key`),
    orgs: config.orgs.map((org) => ({
      ...org,
      guardrails: at(org.guardrails),
      approvals: at(org.approvals),
      egress: at(org.egress),
      ...(org.incidents !== undefined && { incidents: at(org.incidents) }),
      ...(org.lifecycle !== undefined && { lifecycle: at(org.lifecycle) }),
      ...(org.execution !== undefined && { execution: at(org.execution) }),
      ...(org.secrets !== undefined && { secrets: at(org.secrets) }),
      ...(org.trust !== undefined && { trust: at(org.trust) }),
      plugins: org.plugins.map(at),
    })),
  });
}

/**
 * Reads everything an org stands on.
 * @param sealedBases code digests of bases that we built: only their modules may be restored instead of made anew.
 * @param lock        the plugins that were looked at.
 */
export async function readOrg(
  files: OrgFiles,
  sealedBases: ReadonlySet<string>,
  lock: PluginsLock = NO_LOCK,
): Promise<Result<OrgSetup, string>> {
  const [guardrails, approvals, egress, incidents, lifecycle] = await Promise.all([
    readJson(files.guardrails),
    readJson(files.approvals),
    readJson(files.egress),
    readOptional(files.incidents, 'docs/incidents.md', IncidentPolicySchema),
    readOptional(files.lifecycle, 'docs/lifecycle.md', LifecyclePolicySchema),
  ]);
  const execution = await readOptional(files.execution, POLICIES, ExecutionPolicySchema);
  const secrets = await readOptional(files.secrets, POLICIES, SecretsPolicySchema);
  if (!guardrails.ok) return guardrails;
  if (!approvals.ok) return approvals;
  if (!egress.ok) return egress;
  if (!execution.ok) return execution;
  const rules = checkGuardrails(guardrails.value);
  if (!rules.ok) return err(faultText(files.guardrails, POLICIES, rules.error));
  const matrix = v.safeParse(ApprovalMatrixSchema, approvals.value);
  if (!matrix.success) return err(faultText(files.approvals, POLICIES, toFileIssues(matrix.issues)));
  // The form first: what the policy's own reader says of it is worded for programs.
  const form = v.safeParse(EgressPolicySchema, egress.value);
  if (!form.success) return err(faultText(files.egress, POLICIES, toFileIssues(form.issues)));
  const grants = parseEgressPolicy(egress.value);
  if (!grants.ok) {
    return err(faultText(files.egress, POLICIES, grants.error.map(toPointer)));
  }
  if (!secrets.ok) return secrets;
  if (!incidents.ok) return incidents;
  if (!lifecycle.ok) return lifecycle;
  const webhooks = lifecycle.value && webhooksOf(lifecycle.value);
  if (webhooks && !webhooks.ok)
    return err(faultText(files.lifecycle ?? '', 'docs/lifecycle.md', webhooks.error.map(toPointer)));
  const trust = await readTrust(files.trust);
  if (!trust.ok) return trust;
  const plugins: OrgSetup['plugins'][number][] = [];
  const revoked: Revoked['revoked'][] = [];
  for (const folder of files.plugins) {
    const plugin = await readPlugin(folder, sealedBases, trust.value, lock);
    if (!plugin.ok) return plugin;
    if ('revoked' in plugin.value) revoked.push(plugin.value.revoked);
    else plugins.push(plugin.value);
  }
  const policy: EgressPolicy = grants.value.policy;
  const unfit = policy.grants.flatMap(({ plugin: name, settings }, at): SchemaIssue[] => {
    const manifest = plugins.find((one) => one.manifest.name === name)?.manifest;
    const text = manifest && faultOfSettings(manifest, settings);
    return text === undefined ? [] : [{ pointer: `/grants/${at}/settings`, text }];
  });
  if (unfit.length > 0) return err(faultText(files.egress, 'docs/plugins.md', unfit));
  return ok({
    id: files.id as OrgId,
    policy: { guardrails: rules.value, matrix: matrix.output },
    egress: policy,
    incidents: incidents.value,
    webhooks: webhooks?.value,
    execution: execution.value,
    secrets: secrets.value,
    plugins,
    trust: trust.value.policy,
    revoked,
  });
}

const POLICIES = 'docs/policies.md';
const toPointer = ({ path, text }: PolicyFault): SchemaIssue => ({ pointer: `/${path.replaceAll('.', '/')}`, text });

/** Grants that can never be used. Not refused: a policy may be written before its plugin is installed. */
export const idleGrants = ({ egress: file }: OrgFiles, { id, egress, plugins, revoked }: OrgSetup): readonly string[] =>
  egress.grants.flatMap(({ plugin }, at) => {
    if (plugins.some(({ manifest }) => manifest.name === plugin)) return [];
    // That is told by itself.
    if (revoked?.some(({ name }) => name === plugin)) return [];
    const name = NAME_PATTERN.test(plugin) ? plugin : 'of this name';
    return [
      `${file}: /grants/${at}/plugin: the org ${id} has no plugin ${name}, so this grant is never used: ` +
        'check the name, or add the folder of the plugin to its list of plugins',
    ];
  });

/**
 * Secrets that grants name and nobody has: their requests are refused. Not refused itself: a secret is stored in a kernel
 * that runs.
 * @param stored names of the secrets of the org.
 */
export function absentSecrets(
  { egress: file }: OrgFiles,
  { id, egress, secrets }: Pick<OrgSetup, 'id' | 'egress' | 'secrets'>,
  stored: readonly string[],
): readonly string[] {
  const lent = secrets?.providers.flatMap((provider) => provider.secrets.map(({ name }) => name)) ?? [];
  const there = new Set([...stored, ...lent]);
  const rules = egress.grants.flatMap((grant, g) =>
    grant.rules.map(({ secret }, r) => ({ at: `/grants/${g}/rules/${r}/secret`, name: secret?.name })),
  );
  const first = new Map<string, string>();
  for (const { at, name } of [{ at: '/proxy/secret', name: egress.proxy?.secret?.name }, ...rules])
    if (name !== undefined && !there.has(name) && !first.has(name)) first.set(name, at);
  return [...first].map(
    ([name, at]) =>
      `${file}: ${at}: the org ${id} has no secret ${name}, so requests under this rule are refused: ` +
      `store it with interlock secret set ${name} (role admin)`,
  );
}

/** Grants that let out more than they say: told at every start, so that none is forgotten. */
export const reportingGrants = ({ egress: file }: OrgFiles, { id, egress }: OrgSetup): readonly string[] =>
  egress.grants.flatMap(({ plugin, mode }, at) =>
    mode === 'report'
      ? [
          `${file}: /grants/${at}/mode: the plugin ${NAME_PATTERN.test(plugin) ? plugin : 'of this name'} of org ${id} is in report mode: ` +
            'what no rule covers leaves for public addresses, without secrets; see interlock egress report, and end it soon',
        ]
      : [],
  );

/** What the org has revoked: its plugins that are not there any more, and what stops nothing because nobody has that name. */
export const revokedTrust = ({ trust: file }: OrgFiles, { id, trust, revoked = [] }: OrgSetup): readonly string[] => {
  const signers = new Set(trust?.signers.map((one) => one.id));
  const unknown = (trust?.revoked ?? []).flatMap((one, at) =>
    'signer' in one && !signers.has(one.signer)
      ? [
          `${file}: /revoked/${at}/signer: the org ${id} has no signer ${one.signer} now: what it signed before is stopped all the same; check the name`,
        ]
      : [],
  );
  return [...revoked.map(({ text }) => `${text}. The org ${id} goes on without it, and its steps fail`), ...unknown];
};

/** An org that takes what nobody answers for: meant for a demo, so it is told at every start. */
export const looseTrust = ({ trust: file }: OrgFiles, { id, trust }: OrgSetup): readonly string[] => {
  const taken = [
    ...(trust?.unsigned === 'allow' ? ['that nobody signed'] : []),
    ...(trust?.unlocked === 'allow' ? ['that plugins.lock does not have'] : []),
  ];
  if (taken.length === 0) return [];
  return [
    `${file}: the org ${id} takes plugins ${taken.join(' and ')}: whoever can write to their folders decides what runs`,
  ];
};
