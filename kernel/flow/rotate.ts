import type { ErrorClass } from '../../sdk/contract/error.ts';
import type { OrgId } from '../base/id.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { HealthAnswer } from '../call/health.ts';
import type { Principal } from '../org/principal.ts';
import type { Ledger } from './ledger.ts';
import type { LentSecrets } from './lent-secrets.ts';
import type { Registry } from './registry.ts';
import { leaseOnRecord } from './secrets.ts';

/**
 * Rotation of a stored secret (S 12.4): the new value is stored, the connectors that carry it are asked how they are, and
 * the former value comes back when a target refuses the new one. A target that cannot be reached has said nothing of it:
 * whoever rotates has taken the former value back, or is about to. The former value is held in memory for that time only:
 * a kernel that ends meanwhile leaves the new one.
 */
export type HealthState = 'healthy' | 'unhealthy' | 'unknown';
export type Health = { readonly state: HealthState; readonly reason?: string };
/** Asks a connector of an org how it is, within a time of its own. */
export type CheckHealth = (org: OrgId, connector: string) => Promise<Health>;

/** What a target says of a credential that it does not take. */
const REFUSALS: ReadonlySet<ErrorClass> = new Set(['unauthorized', 'forbidden']);

const UNTRIED = 'its plugin answers no health check, so the value was not tried';

/** What a check says of the credential; one that asks nothing, or comes to no answer about it, leaves it unknown. */
export function healthAfter(answer: HealthAnswer | null): Health {
  if (answer === null) return { state: 'unknown', reason: UNTRIED };
  if (answer.kind === 'unasked') return { state: 'unknown' };
  if (answer.kind === 'well') return { state: 'healthy' };
  const { class: kind, message } = answer.error;
  return { state: REFUSALS.has(kind) ? 'unhealthy' : 'unknown', reason: message };
}

export type Rotated = {
  readonly name: string;
  /** Which value is stored now. */
  readonly kept: 'new' | 'former';
  readonly checks: readonly {
    readonly connector: string;
    readonly state: HealthState;
    readonly reason: string | null;
  }[];
};
/** `lent`: a provider has it, and there it is rotated. `busy`: a change of it is under way. */
export type CannotRotate = 'unknown' | 'lent' | 'busy' | 'unavailable';

export type Rotate = {
  /** @param keep the new value stays, whatever the checks say. */
  rotate(
    by: Principal,
    name: string,
    value: string,
    options: { readonly keep: boolean },
  ): Promise<Result<Rotated, CannotRotate>>;
  /** Why it cannot be stored or removed at present. */
  heldBy(org: OrgId, name: string): 'lent' | 'busy' | null;
};

export function openRotate(deps: {
  source: LentSecrets;
  ledger: Pick<Ledger, 'stage'>;
  registry: Pick<Registry, 'org'>;
  /** It is being stored or removed: what comes back over that would be lost. */
  isChanging: (org: OrgId, name: string) => boolean;
  check: CheckHealth;
  report: (defect: unknown) => void;
}): Rotate {
  const { source, ledger, registry, isChanging, check, report } = deps;
  const busy = new Set<string>();
  const keyOf = (org: OrgId, name: string) => `${org}/${name}`;

  const carriersOf = (id: OrgId, name: string): readonly string[] => {
    const org = registry.org(id);
    const grants = org?.egress.grants.filter(({ rules }) => rules.some(({ secret }) => secret?.name === name)) ?? [];
    return grants
      .map(({ plugin }) => plugin)
      .filter((plugin) => org?.plugins.has(plugin))
      .sort();
  };

  /** A check that fails has said nothing. */
  const ask = async (org: OrgId, connector: string): Promise<Rotated['checks'][number]> => {
    const { state, reason = null } = await check(org, connector).catch((defect): Health => {
      report(defect);
      return { state: 'unknown' };
    });
    return { connector, state, reason };
  };

  const replace = async (
    by: Principal,
    name: string,
    value: string,
    keep: boolean,
  ): Promise<Result<Rotated, CannotRotate>> => {
    const { org } = by;
    const actor = `principal:${by.id}`;
    const head = { org, actor, ref: name };
    const rotated = (outcome: 'kept' | 'unproven' | 'put_back') =>
      ledger.stage({ audit: [{ ...head, kind: 'secret.rotated', outcome }], rows: [] });
    const former = await leaseOnRecord(source, ledger, { org, actor }, name, { run: '-', step: '-' });
    if (!former.ok) return former;
    try {
      await ledger.stage({ audit: [{ ...head, kind: 'secret.put' }], rows: [] });
      await source.put(org, name, value);
      const checks = await Promise.all(carriersOf(org, name).map((connector) => ask(org, connector)));
      const isWell = checks.every(({ state }) => state !== 'unhealthy');
      if (isWell || keep) {
        await rotated(checks.length > 0 && checks.every(({ state }) => state === 'healthy') ? 'kept' : 'unproven');
        return ok({ name, kept: 'new', checks });
      }
      await rotated('put_back');
      await source.put(org, name, former.value.reveal());
      return ok({ name, kept: 'former', checks });
    } finally {
      former.value.revoke();
      await ledger.stage({ audit: [{ ...head, kind: 'secret.revoked', outcome: 'ended' }], rows: [] });
    }
  };

  const heldBy = (org: OrgId, name: string) =>
    source.isLent(org, name) ? 'lent' : busy.has(keyOf(org, name)) ? 'busy' : null;

  return {
    heldBy,
    async rotate(by, name, value, { keep }) {
      const held = heldBy(by.org, name);
      if (held) return err(held);
      if (isChanging(by.org, name)) return err('busy');
      const key = keyOf(by.org, name);
      busy.add(key);
      try {
        return await replace(by, name, value, keep);
      } finally {
        busy.delete(key);
      }
    },
  };
}
