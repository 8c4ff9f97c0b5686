import type { EgressPolicy } from '../../sdk/contract/egress.ts';
import type { IncidentPolicy } from '../../sdk/contract/incident-policy.ts';
import type { ModuleFacts } from '../../sdk/contract/may.ts';
import type { PluginManifest } from '../../sdk/contract/plugin.ts';
import type { TrustPolicy } from '../../sdk/contract/trust.ts';
import type { ApprovalMatrix } from '../approval/matrix.ts';
import { digestOfJson } from '../base/digest.ts';
import type { Digest, OrgId } from '../base/id.ts';
import type { Json } from '../base/json.ts';
import type { ExecutionPolicy } from '../call/policy.ts';
import { type ActionContract, contractsOf } from '../cell/parameters.ts';
import type { Webhook } from '../egress/webhook.ts';
import type { GuardrailSet } from '../guardrail/schema.ts';
import { toGraph } from '../playbook/compile.ts';
import type { Graph } from '../playbook/graph.ts';
import type { Playbook } from '../playbook/schema.ts';
import type { Store } from '../port/store.ts';
import type { Run, Terminal } from '../run/state.ts';
import { type ActiveTrigger, type ActiveTriggers, openActiveTriggers } from '../trigger/indexed.ts';
import type { ScheduledTrigger } from '../trigger/schema.ts';
import { revocationOf, type Trusted } from '../trust/judge.ts';
import { KEYS, within } from './keys.ts';
import type { Concurrency } from './pending.ts';

/**
 * What the kernel knows of each org while it runs: policies, plugins, active playbooks. Everything a run pins is found
 * here by digest, whether it is still the active one or not.
 */
export type PolicySet = { readonly guardrails: GuardrailSet; readonly matrix: ApprovalMatrix };

export type Plugin = {
  readonly name: string;
  readonly digest: Digest;
  /** Of its module, as a trust policy and a lock name it. */
  readonly module: Digest;
  readonly manifest: PluginManifest;
  readonly contracts: ReadonlyMap<string, ActionContract>;
  /** What admission found in the module. */
  readonly facts: ModuleFacts;
};

export type Org = {
  readonly id: OrgId;
  readonly policy: Digest;
  readonly egress: EgressPolicy;
  /** How incidents are read out of events. */
  readonly incidents: IncidentPolicy;
  readonly webhooks: readonly Webhook[];
  readonly execution: ExecutionPolicy;
  /** Active plugins by name. */
  readonly plugins: ReadonlyMap<string, Plugin>;
  /** What was found of each when its trust was judged. */
  readonly trusted?: ReadonlyMap<string, Trusted | undefined>;
  /** Absent: nobody was asked, and nothing is revoked. */
  readonly trust?: TrustPolicy | undefined;
  /** Those that are asked about events. */
  readonly triggers: ActiveTriggers;
  /** Those that are due by the clock. Another list whenever another version came into force. */
  schedules: readonly ActiveSchedule[];
  /** For the end of runs, of the triggers above. Another list whenever another version came into force. */
  ends: readonly ActiveTrigger[];
  /** Active versions of playbooks by name. */
  readonly active: Map<string, Digest>;
  /** How many names of playbooks there are. */
  playbooks: number;
};

export type ActiveSchedule = Omit<ActiveTrigger, 'trigger'> & { readonly trigger: ScheduledTrigger };

export type StoredVersion = { readonly digest: Digest; readonly text: string; readonly playbook: Playbook };

type Compiled = { readonly graph: Graph; readonly playbook: Playbook };

/** Compiled graphs that are kept; one more is compiled again when needed. */
const GRAPHS = 1_024;

export type Registry = ReturnType<typeof openRegistry>;

export function openRegistry(store: Store) {
  const orgs = new Map<OrgId, Org>();
  const policies = new Map<Digest, PolicySet>();
  const plugins = new Map<Digest, Plugin>();
  const graphs = new Map<string, Compiled>();
  const grantDigests = new WeakMap<EgressPolicy['grants'][number], Digest>();

  const version = (org: OrgId, name: string, digest: Digest) => {
    const key = KEYS.version(org, name, digest);
    const known = graphs.get(key);
    if (known) return known;
    const text = store.get(key);
    if (!text) return undefined;
    // Checked when it was stored. What later versions of the schema refuse must not keep the kernel from starting.
    const { playbook } = JSON.parse(text) as StoredVersion;
    return remember(key, { graph: toGraph(playbook), playbook });
  };
  const remember = (key: string, made: Compiled): Compiled => {
    if (graphs.size >= GRAPHS) graphs.delete(graphs.keys().next().value ?? '');
    graphs.set(key, made);
    return made;
  };
  const triggersOf = (name: string, digest: Digest, playbook: Playbook): readonly ActiveTrigger[] =>
    playbook.triggers.flatMap((trigger) => (trigger.on === 'schedule' ? [] : [{ playbook: name, digest, trigger }]));
  const schedulesOf = (name: string, digest: Digest, playbook: Playbook): readonly ActiveSchedule[] =>
    playbook.triggers.flatMap((trigger) => (trigger.on === 'schedule' ? [{ playbook: name, digest, trigger }] : []));

  return {
    org: (id: OrgId) => orgs.get(id),
    orgs: () => [...orgs.keys()],
    /** Of the grant that holds now: an approval that was given under another one is not for this one. */
    grantDigest(id: OrgId, plugin: string): Digest {
      const grant = orgs.get(id)?.egress.grants.find((one) => one.plugin === plugin);
      const known = grant && grantDigests.get(grant);
      if (known) return known;
      const digest = digestOfJson('egress-grant', (grant ?? null) as unknown as Json);
      if (grant) grantDigests.set(grant, digest);
      return digest;
    },
    addOrg: (org: Omit<Org, 'triggers' | 'schedules' | 'ends' | 'playbooks' | 'active'>) =>
      void orgs.set(org.id, {
        ...org,
        triggers: openActiveTriggers(),
        schedules: [],
        ends: [],
        playbooks: 0,
        active: new Map(),
      }),

    /** How many playbooks the org has; counted with the staging of each, so that two at once cannot pass the bound. */
    playbooks: (id: OrgId): number => orgs.get(id)?.playbooks ?? 0,
    addPlaybook(id: OrgId): void {
      const org = orgs.get(id);
      if (org) org.playbooks += 1;
    },

    /** Remembers a policy set; runs that were started under it are judged by it to their end. */
    addPolicy(set: PolicySet): Digest {
      const digest = policyDigest(set);
      policies.set(digest, set);
      return digest;
    },
    policy(org: OrgId, digest: Digest): PolicySet | undefined {
      const known = policies.get(digest);
      if (known) return known;
      const text = store.get(KEYS.policy(org, digest));
      if (!text) return undefined;
      // As above: checked when it was stored.
      const set = JSON.parse(text) as PolicySet;
      policies.set(digest, set);
      return set;
    },

    addPlugin(digest: Digest, module: Digest, manifest: PluginManifest, facts: ModuleFacts): Plugin {
      const plugin = { name: manifest.name, digest, module, manifest, contracts: contractsOf(manifest), facts };
      plugins.set(digest, plugin);
      return plugin;
    },
    plugin: (digest: Digest) => plugins.get(digest),
    /**
     * Why no run of the org may call a plugin, where it is revoked. Asked at each call: a run may have pinned it before,
     * and another org may still use it.
     */
    revocation(id: OrgId, { digest, module }: Pick<Plugin, 'digest' | 'module'>): string | undefined {
      const trust = orgs.get(id)?.trust;
      if (!trust || trust.revoked.length === 0) return undefined;
      const signer = store.get(KEYS.signer(id, digest));
      return revocationOf(trust, { digests: [module, digest], signer });
    },

    /** The version that new runs use. */
    active(id: OrgId, name: string): { readonly digest: Digest; readonly graph: Graph } | undefined {
      const digest = orgs.get(id)?.active.get(name);
      const found = digest && version(id, name, digest);
      return digest && found ? { digest, graph: found.graph } : undefined;
    },

    /** Whether a trigger of another playbook is for runs of this one that end like this. */
    asksAboutEnd: ({ org, playbook }: Pick<Run, 'org' | 'playbook'>, state: Terminal): boolean =>
      orgs
        .get(org)
        ?.ends.some(
          (one) => one.playbook !== playbook.name && one.trigger.on === 'run' && one.trigger.ends.includes(state),
        ) ?? false,

    graph: (org: OrgId, name: string, digest: Digest) => version(org, name, digest)?.graph,

    /** How many runs of a playbook may be under way at once, as this version of it says. */
    concurrency(org: OrgId, name: string, digest: Digest): Concurrency | undefined {
      const said = version(org, name, digest)?.playbook.concurrency;
      return said && { limit: said.limit, over: said.over ?? 'queue' };
    },

    /**
     * Makes a version the active one for whatever is decided from now on. Called with the staging of the change, so that
     * no event which stands behind it on the record is judged by the version before.
     */
    activate(id: OrgId, digest: Digest, compiled: Compiled): void {
      const org = orgs.get(id);
      if (!org) return;
      const { playbook } = compiled;
      const { name } = playbook;
      remember(KEYS.version(id, name, digest), compiled);
      org.active.set(name, digest);
      const triggers = triggersOf(name, digest, playbook);
      org.triggers.put([[name, triggers]]);
      org.ends = [...org.ends.filter((one) => one.playbook !== name), ...triggers.filter(isForEnds)];
      org.schedules = [...org.schedules.filter((one) => one.playbook !== name), ...schedulesOf(name, digest, playbook)];
    },

    /** Reads which playbooks there are, and which versions are active. Called at start. */
    refreshPlaybooks(id: OrgId) {
      const org = orgs.get(id);
      if (!org) return;
      const active: [string, readonly ActiveTrigger[]][] = [];
      const schedules: ActiveSchedule[] = [];
      const rows = store.range({ ...within(`${id}/playbook`), limit: 100_000 });
      org.playbooks = rows.length;
      for (const { value } of rows) {
        const record = JSON.parse(value) as { name: string; active: Digest | null };
        const found = record.active && version(id, record.name, record.active);
        if (!found || !record.active) continue;
        org.active.set(record.name, record.active);
        active.push([record.name, triggersOf(record.name, record.active, found.playbook)]);
        schedules.push(...schedulesOf(record.name, record.active, found.playbook));
      }
      org.triggers.put(active);
      org.ends = active.flatMap(([, triggers]) => triggers.filter(isForEnds));
      org.schedules = schedules;
    },
  };
}

const isForEnds = ({ trigger }: ActiveTrigger): boolean => trigger.on === 'run';

const policyDigest = (set: PolicySet): Digest => digestOfJson('policy-set', set as unknown as Json);
