import type { EgressPolicy } from '../../sdk/contract/egress.ts';
import type { IncidentPolicy } from '../../sdk/contract/incident-policy.ts';
import type { PluginManifest } from '../../sdk/contract/plugin.ts';
import type { SecretsPolicy } from '../../sdk/contract/secrets-policy.ts';
import type { TrustPolicy } from '../../sdk/contract/trust.ts';
import type { AuditDraft } from '../audit/record.ts';
import { digestOfJson } from '../base/digest.ts';
import type { Digest, OrgId } from '../base/id.ts';
import type { Json } from '../base/json.ts';
import { err, ok, type Result } from '../base/result.ts';
import { DEFAULT_EXECUTION, type ExecutionPolicy } from '../call/policy.ts';
import { admit } from '../cell/admit.ts';
import { pluginDigest } from '../cell/parameters.ts';
import { faultOfManifest } from '../cell/sealed-manifest.ts';
import type { Webhook } from '../egress/webhook.ts';
import { OCSF_FINDINGS } from '../incident/finding.ts';
import type { CellHost } from '../port/cell-host.ts';
import type { ModuleStore } from '../port/module-store.ts';
import type { Write } from '../port/store.ts';
import { revocationOf, type Trusted } from '../trust/judge.ts';
import { faultOfDescription } from './describe.ts';
import type { Feed } from './feed.ts';
import { KEYS } from './keys.ts';
import type { Ledger } from './ledger.ts';
import { LISTED_FROM_THE_START } from './list-build.ts';
import { stateOf } from './outbox.ts';
import type { PolicySet, Registry } from './registry.ts';
import type { Reports } from './reports.ts';

/**
 * Sets up an org from its files: admits and installs its plugins, puts its policies in force. What changed since the
 * last start is recorded; what did not is not.
 */
export type OrgSetup = {
  readonly id: OrgId;
  readonly policy: PolicySet;
  readonly egress: EgressPolicy;
  /** How incidents are read out of events; absent: out of OCSF findings. */
  readonly incidents?: IncidentPolicy | undefined;
  /** Where lifecycle events are sent. */
  readonly webhooks?: readonly Webhook[] | undefined;
  /** How calls are made; absent: as kernel/call/policy.ts says. */
  readonly execution?: ExecutionPolicy | undefined;
  /** Which secrets a provider lends; absent: none. */
  readonly secrets?: SecretsPolicy | undefined;
  readonly plugins: readonly {
    readonly manifest: PluginManifest;
    readonly wasm: Uint8Array;
    readonly sealed: boolean;
    /** What was found of it when the org's trust policy was asked; absent: nobody asked. */
    readonly trusted?: Trusted;
  }[];
  /** Whose word the org asks for before it takes a plugin. */
  readonly trust?: TrustPolicy;
  /** Plugins of the org's list that are not there because they are revoked, each in words for whoever starts the kernel. */
  readonly revoked?: readonly { readonly name: string; readonly text: string }[];
};

const plainOf = ({ id, url, types, secret, rule }: Webhook): Json =>
  ({ id, url: url.href, types, secret, addresses: rule.addresses }) as unknown as Json;

export type SetUp = ReturnType<typeof openSetUp>;

export function openSetUp(deps: {
  ledger: Ledger;
  registry: Registry;
  feed: Pick<Feed, 'last'>;
  reports: Pick<Reports, 'removed'>;
  cells: CellHost;
  modules: ModuleStore;
  bindSecrets?: (org: OrgId, policy: SecretsPolicy) => Result<void, string>;
}) {
  const { ledger, registry, feed, reports, cells, modules, bindSecrets } = deps;

  const install = async (
    org: OrgId,
    { manifest, wasm, sealed, trusted }: OrgSetup['plugins'][number],
  ): Promise<Result<Digest, string>> => {
    const digest = pluginDigest(manifest, wasm);
    const loaded = await load(digest, manifest, wasm, sealed);
    if (!loaded.ok) return loaded;
    const key = `${org}/plugin/${manifest.name}`;
    // Who signs the same module anew takes the place of who did.
    const signer = trusted?.signer?.id;
    const row = JSON.stringify({ name: manifest.name, version: manifest.version, digest, signer });
    const isNew = ledger.read(key) !== row;
    const fault = isNew && !sealed ? await faultOfDescription(cells, org, digest, manifest) : undefined;
    if (fault) return err(`${manifest.name} is not installed: ${fault}`);
    await modules.put(digest, { wasm, manifest, sealed });
    if (isNew)
      await ledger.stage({
        audit: [{ org, kind: 'plugin.installed', actor: 'system:kernel', ref: manifest.name, act: digest }],
        rows: [
          { key, value: row },
          // Runs pin the digest, and what they pinned is asked about when a signer is revoked.
          ...(signer === undefined ? [] : [{ key: KEYS.signer(org, digest), value: signer }]),
        ],
      });
    return ok(digest);
  };

  /**
   * Also where nothing beside the module says by whom it is any more (its signer was taken off the list, or the signature
   * away), and the org takes what nobody signed: whose it was is on disk.
   */
  const isRevoked = (
    org: OrgId,
    { manifest, wasm, trusted }: OrgSetup['plugins'][number],
    trust: TrustPolicy | undefined,
  ): boolean => {
    const signer = trusted?.signer?.id ?? ledger.read(KEYS.signer(org, pluginDigest(manifest, wasm)));
    return trust !== undefined && revocationOf(trust, { digests: [], signer }) !== undefined;
  };

  /** Those that cells can call. */
  const callable = new Set<Digest>();

  /** @param isCalled false: runs that pinned it can be looked at and judged, and nothing of it is compiled. */
  const load = async (
    digest: Digest,
    manifest: PluginManifest,
    wasm: Uint8Array,
    sealed: boolean,
    isCalled = true,
  ): Promise<Result<Digest, string>> => {
    if (isCalled ? callable.has(digest) : registry.plugin(digest)) return ok(digest);
    const admitted = admit(wasm);
    if (!admitted.ok) return err(`${manifest.name} is not admitted: ${admitted.error.text}`);
    const fault = faultOfManifest(manifest, wasm);
    if (fault) return err(`${manifest.name} is not admitted: ${fault}`);
    const { report } = admitted.value;
    if (isCalled) {
      // Restored instead of made anew only when nothing that can change is out of the restorer's reach.
      const ready = await cells.load(digest, admitted.value.wasm, { sealed: sealed && report.restorable });
      if (!ready.ok) return ready;
      callable.add(digest);
    }
    registry.addPlugin(digest, report.originalDigest, manifest, report);
    return ok(digest);
  };

  /** A webhook that is new is told of what comes from now on. */
  const firstPlaces = (org: OrgId, webhooks: readonly Webhook[]): Write[] =>
    webhooks
      .map(({ id }) => KEYS.webhook(org, id))
      .filter((key) => ledger.read(key) === undefined)
      .map((key) => ({ key, value: JSON.stringify({ ...stateOf(undefined), after: feed.last(org) }) }));

  async function setUpOrg({
    id,
    policy,
    egress: grants,
    incidents,
    webhooks,
    execution,
    secrets,
    plugins,
    trust,
  }: OrgSetup): Promise<Result<void, string>> {
    const digests = new Map<string, Digest>();
    if (ledger.read(KEYS.org(id)) === undefined)
      await ledger.stage({
        audit: [{ org: id, kind: 'org.created', actor: 'system:kernel' }],
        rows: [
          { key: KEYS.org(id), value: JSON.stringify({ id }) },
          { key: KEYS.lists(id), value: LISTED_FROM_THE_START },
        ],
      });
    for (const plugin of plugins) {
      if (isRevoked(id, plugin, trust)) continue;
      const installed = await install(id, plugin);
      if (!installed.ok) return installed;
      digests.set(plugin.manifest.name, installed.value);
    }
    const digest = registry.addPolicy(policy);
    const key = KEYS.policy(id, digest);
    const inForce: Readonly<Record<string, Digest>> = {
      policy: digest,
      egress: digestOfJson('egress', grants as unknown as Json),
      ...(incidents && { incidents: digestOfJson('incidents', incidents as unknown as Json) }),
      ...(webhooks && { webhooks: digestOfJson('webhooks', webhooks.map(plainOf)) }),
      ...(execution && { execution: digestOfJson('execution', execution as unknown as Json) }),
      ...(secrets && { secrets: digestOfJson('secrets', secrets as unknown as Json) }),
      ...(trust && { trust: digestOfJson('trust', trust as unknown as Json) }),
    };
    const former = JSON.parse(ledger.read(`${id}/policies`) ?? '{}') as typeof inForce;
    const audit = policyChanges(id, former, inForce);
    if (audit.length > 0)
      await ledger.stage({
        audit,
        rows: [
          { key, value: JSON.stringify(policy) },
          { key: `${id}/policies`, value: JSON.stringify(inForce) },
          ...firstPlaces(id, webhooks ?? []),
          ...reports.removed(id, grants),
        ],
      });
    const bound = secrets && bindSecrets?.(id, secrets);
    if (bound && !bound.ok) return bound;
    const active = new Map(
      [...digests].flatMap(([name, one]) => {
        const plugin = registry.plugin(one);
        return plugin ? [[name, plugin] as const] : [];
      }),
    );
    const trusted = new Map(plugins.map((one) => [one.manifest.name, one.trusted]));
    registry.addOrg({
      id,
      policy: digest,
      egress: grants,
      incidents: incidents ?? OCSF_FINDINGS,
      webhooks: webhooks ?? [],
      execution: execution ?? DEFAULT_EXECUTION,
      plugins: active,
      trusted,
      trust,
    });
    registry.refreshPlaybooks(id);
    return ok(undefined);
  }

  return { setUpOrg, load, isCallable: (digest: Digest) => callable.has(digest) };
}

/** One record for each policy that is another one now, or is there no more. */
function policyChanges(
  org: OrgId,
  before: Readonly<Record<string, Digest>>,
  now: Readonly<Record<string, Digest>>,
): readonly AuditDraft[] {
  const head = { org, actor: 'system:kernel' } as const;
  return [...new Set([...Object.keys(now), ...Object.keys(before)])].flatMap((name): AuditDraft[] => {
    const [act, former] = [now[name], before[name]];
    const ref = name === 'policy' ? 'guardrails-and-approvals' : name;
    if (act === former) return [];
    return [act === undefined ? { ...head, kind: 'policy.removed', ref } : { ...head, kind: 'policy.put', ref, act }];
  });
}
