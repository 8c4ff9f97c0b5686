import type { OrgId } from '../base/id.ts';
import type { HealthAnswer } from '../call/health.ts';
import { callsFor, DEFAULT_EXECUTION } from '../call/policy.ts';
import type { Principal } from '../org/principal.ts';
import type { BreakerState, Breakers } from './breakers.ts';
import type { HealthChecks, HealthState } from './health.ts';
import type { Registry } from './registry.ts';
import type { Worker } from './worker.ts';

/** How a plugin of an org is doing. */
export type Connector = {
  readonly name: string;
  readonly breaker: BreakerState;
  readonly inFlight: number;
  readonly waiting: number;
  /** Calls that may be under way at a time. */
  readonly limit: number;
} & HealthState;

export type Connectors = {
  /** By name. */
  list(org: OrgId): readonly Connector[];
  /** Closes the circuit, and says whether it was open. Null: the org has no such connector. */
  reset(by: Principal, name: string): Promise<boolean | null>;
  /** Checks its health now. Null: the org has no such connector, or there is nothing to ask it. */
  check(by: Principal, name: string): Promise<HealthAnswer | null>;
};

export function openConnectors(deps: {
  registry: Pick<Registry, 'org'>;
  breakers: Pick<Breakers, 'show' | 'reset'>;
  worker: Pick<Worker, 'loadOf'>;
  health: Pick<HealthChecks, 'show' | 'checkFor'>;
}): Connectors {
  const { registry, breakers, worker, health } = deps;
  return {
    list(id) {
      const org = registry.org(id);
      return [...(org?.plugins.keys() ?? [])].sort().map((name) => ({
        name,
        breaker: breakers.show(id, name),
        ...worker.loadOf(id, name),
        limit: callsFor(org?.execution ?? DEFAULT_EXECUTION, name),
        ...health.show(id, name),
      }));
    },
    check: (by, name) => health.checkFor(by, name),
    async reset(by, name) {
      return registry.org(by.org)?.plugins.has(name) ? breakers.reset(by, name) : null;
    },
  };
}
