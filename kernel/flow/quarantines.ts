import type { OrgId } from '../base/id.ts';
import { iso, type UnixMs, unixMs } from '../base/time.ts';
import type { Quarantine } from '../port/cell-host.ts';
import type { Clock } from '../port/clock.ts';
import type { Ledger } from './ledger.ts';
import type { Registry } from './registry.ts';
import { lifecycleRow } from './tell.ts';

/**
 * What the cells tell of plugins that kill them: it goes on record, into the feed, and is shown with the connector. The
 * quarantine itself is the cells'; it ends with the process, like what it protects.
 */
export type QuarantineChange = { readonly org: OrgId; readonly plugin: string; readonly until: UnixMs };

export type Quarantines = ReturnType<typeof openQuarantines>;

export function openQuarantines(deps: {
  ledger: Pick<Ledger, 'stage' | 'nextSeq'>;
  registry: Pick<Registry, 'plugin'>;
  clock: Clock;
  report: (defect: unknown) => void;
  tell?: ((change: QuarantineChange) => void) | undefined;
}) {
  const { ledger, registry, clock, report, tell } = deps;
  /** Bounded by the plugins of the orgs. */
  const untils = new Map<string, UnixMs>();
  return {
    noted({ org, module, untilMs }: Quarantine): void {
      const plugin = registry.plugin(module)?.name;
      if (plugin === undefined) return;
      const until = unixMs(untilMs);
      untils.set(`${org}/${plugin}`, until);
      tell?.({ org, plugin, until });
      const told = lifecycleRow(org, clock.now(), {
        type: 'interlock.plugin.quarantined',
        subject: plugin,
        data: { seq: ledger.nextSeq(), plugin, digest: module, until: iso(until) },
      });
      // Rejects when the record has failed, and then the process is on its way out.
      ledger
        .stage({
          audit: [{ org, kind: 'plugin.quarantined', actor: 'system:cells', ref: plugin, act: module }],
          rows: [told],
        })
        .catch(report);
    },
    /** Until when; null where it is in none. */
    until(org: OrgId, plugin: string): UnixMs | null {
      const until = untils.get(`${org}/${plugin}`);
      return until !== undefined && until > clock.now() ? until : null;
    },
  };
}
