import type { AuditDraft } from '../audit/record.ts';
import type { Digest, OrgId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { UnixMs } from '../base/time.ts';
import { faultOfWritten } from '../egress/allow.ts';
import type { Principal } from '../org/principal.ts';
import type { Graph } from '../playbook/graph.ts';
import type { Issue } from '../playbook/issue.ts';
import { type Catalog, type Checked, lintAll } from '../playbook/lint.ts';
import { grantWarnings } from '../playbook/lint-grant.ts';
import { TIERS } from '../playbook/step.ts';
import type { Clock } from '../port/clock.ts';
import { KEYS } from './keys.ts';
import type { Ledger } from './ledger.ts';
import type { Registry, StoredVersion } from './registry.ts';
import { lifecycleRow } from './tell.ts';

/**
 * Versions of playbooks: immutable, named by digest, put by one person and activated by another where the tier is high
 * (S 3.1, 8.2). Saving never changes what new runs use; a running run keeps the version it pinned.
 */
type VersionState = 'validated' | 'active' | 'deprecated';

type VersionRecord = {
  readonly digest: Digest;
  readonly state: VersionState;
  readonly by: string;
  readonly at: UnixMs;
  readonly activatedBy: string | null;
  /** Absent in records of kernels that did not keep it. */
  readonly activatedAt?: UnixMs | null;
};
export type PlaybookRecord = {
  readonly name: string;
  readonly title: string;
  readonly active: Digest | null;
  readonly versions: readonly VersionRecord[];
};

/** `fourEyes`: whoever wrote the version does not activate it. */
type Put = PlaybookRecord & { readonly digest: Digest; readonly fourEyes: boolean };

export type PlaybookFault =
  | { readonly kind: 'lint'; readonly issues: readonly Issue[] }
  | { readonly kind: 'not_found' }
  | { readonly kind: 'four_eyes' }
  | { readonly kind: 'too_many'; readonly what: 'playbooks' | 'versions' | 'triggers' };

const NEVER_ACTIVE = { activatedBy: null, activatedAt: null };

export type Playbooks = ReturnType<typeof openPlaybooks>;

export function openPlaybooks(deps: { ledger: Ledger; registry: Registry; clock: Clock }) {
  const { ledger, registry, clock } = deps;

  const catalogOf = (org: OrgId): Catalog => {
    const plugins = registry.org(org)?.plugins ?? new Map();
    return {
      plugins: new Map([...plugins].map(([name, plugin]) => [name, plugin.manifest])),
      playbook: (name) => registry.active(org, name)?.graph,
    };
  };
  const lint = (org: OrgId, text: string): Promise<Result<Checked, readonly Issue[]>> => lintAll(text, catalogOf(org));
  const read = (org: OrgId, name: string): PlaybookRecord | undefined => {
    const text = ledger.read(KEYS.playbook(org, name));
    return text ? (JSON.parse(text) as PlaybookRecord) : undefined;
  };

  return {
    lint,
    /** What hinders its runs as the org's egress policy is now, and keeps no version from being stored. */
    warnings(org: OrgId, text: string): readonly Issue[] {
      const grants = registry.org(org)?.egress.grants ?? [];
      return grantWarnings(text, catalogOf(org), (plugin) => {
        const grant = grants.find((one) => one.plugin === plugin);
        if (!grant) return undefined;
        const { rules, mode } = grant;
        const faultOf = mode === 'report' ? () => undefined : faultOfWritten.bind(null, rules);
        return { hosts: [...new Set(rules.map(({ host }) => host))], faultOf };
      });
    },
    get: read,
    /** The executable form of a stored version, its steps in the order of the document. */
    graph: registry.graph,

    /** Stores a version if it is valid. The same text again is the same version. */
    async put(by: Principal, text: string): Promise<Result<Put, PlaybookFault>> {
      const checked = await lint(by.org, text);
      if (!checked.ok) return err({ kind: 'lint', issues: checked.error });
      const { playbook, digest } = checked.value;
      const fourEyes = isRisky(checked.value.graph);
      const old = read(by.org, playbook.name);
      if (old?.versions.some((version) => version.digest === digest)) return ok({ ...old, digest, fourEyes });
      if (!old && registry.playbooks(by.org) >= LIMITS.playbooksPerOrg.value)
        return err({ kind: 'too_many', what: 'playbooks' });
      if ((old?.versions.length ?? 0) >= LIMITS.versionsPerPlaybook.value)
        return err({ kind: 'too_many', what: 'versions' });
      const fresh: VersionRecord = { digest, state: 'validated', by: by.id, at: clock.now(), ...NEVER_ACTIVE };
      const record: PlaybookRecord = {
        name: playbook.name,
        title: playbook.title,
        active: old?.active ?? null,
        versions: [...(old?.versions ?? []), fresh],
      };
      const stored: StoredVersion = { digest, text, playbook };
      const durable = ledger.stage({
        audit: [{ org: by.org, kind: 'playbook.put', actor: `principal:${by.id}`, ref: playbook.name, act: digest }],
        rows: [
          { key: KEYS.playbook(by.org, playbook.name), value: JSON.stringify(record) },
          { key: KEYS.version(by.org, playbook.name, digest), value: JSON.stringify(stored) },
        ],
      });
      if (!old) registry.addPlaybook(by.org);
      await durable;
      return ok({ ...record, digest, fourEyes });
    },

    /**
     * Makes a version the one that new runs use. It is checked again, because plugins may have changed since; a version
     * with a high or critical step is not activated by the person who wrote it.
     */
    async activate(by: Principal, name: string, digest: Digest): Promise<Result<PlaybookRecord, PlaybookFault>> {
      const text = ledger.read(KEYS.version(by.org, name, digest));
      const old = read(by.org, name);
      const version = old?.versions.find((one) => one.digest === digest);
      if (!text || !old || !version) return err({ kind: 'not_found' });
      const checked = await lint(by.org, (JSON.parse(text) as StoredVersion).text);
      if (!checked.ok) return err({ kind: 'lint', issues: checked.error });
      if (isRisky(checked.value.graph) && version.by === by.id) {
        await ledger.stage({ audit: [refusedOwn(by, name, digest)], rows: [] });
        return err({ kind: 'four_eyes' });
      }
      const active = registry.org(by.org)?.triggers;
      const others = active ? active.size() - active.of(name).length : 0;
      if (others + checked.value.playbook.triggers.length > LIMITS.rulesPerOrg.value)
        return err({ kind: 'too_many', what: 'triggers' });
      if (old.active === digest) return ok(old);
      const now = clock.now();
      const seq = ledger.nextSeq();
      const record: PlaybookRecord = {
        ...old,
        active: digest,
        versions: old.versions.map((one) => {
          if (one.digest === digest) return { ...one, state: 'active', activatedBy: by.id, activatedAt: now };
          return one.state === 'active' ? { ...one, state: 'deprecated' } : one;
        }),
      };
      const durable = ledger.stage({
        audit: [
          { org: by.org, kind: 'playbook.activated', actor: `principal:${by.id}`, ref: name, act: digest },
          ...(old.active
            ? [
                {
                  org: by.org,
                  kind: 'playbook.deprecated' as const,
                  actor: `principal:${by.id}`,
                  ref: name,
                  act: old.active,
                },
              ]
            : []),
        ],
        rows: [
          { key: KEYS.playbook(by.org, name), value: JSON.stringify(record) },
          lifecycleRow(by.org, now, {
            type: 'interlock.playbook.activated',
            subject: name,
            data: { seq, playbook: name, digest, by: by.id },
          }),
        ],
      });
      registry.activate(by.org, digest, checked.value);
      await durable;
      return ok(record);
    },
  };
}

const isRisky = ({ steps }: Graph): boolean =>
  [...steps.values()].some((step) => step.kind === 'action' && TIERS.indexOf(step.tier) >= TIERS.indexOf('high'));

/** Whoever tries to put his own containment in force is what an auditor looks for. */
const refusedOwn = (by: Principal, name: string, act: Digest): AuditDraft => ({
  org: by.org,
  kind: 'access.refused',
  actor: `principal:${by.id}`,
  ref: `activatePlaybook;four-eyes=${name}`,
  act,
});
