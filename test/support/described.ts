import type { CellOutcome } from '../../kernel/port/cell-host.ts';
import type { Description } from '../../sdk/contract/description.ts';
import { OPERATIONS, type PluginManifest } from '../../sdk/contract/plugin.ts';

/** What a module with this manifest says of itself. */
export const describedBy = ({ name, version, actions, healthCheck }: PluginManifest): Description => ({
  name,
  version,
  actions: Object.fromEntries(
    Object.entries(actions).map(([action, { plan, rollback, idempotent }]) => {
      const has = { execute: true, plan, rollback, check: idempotent === 'check' };
      return [action, { ops: OPERATIONS.filter((op) => has[op]) }];
    }),
  ),
  healthCheck: [...(healthCheck ?? [])],
});

/** How a call of `describe` ends there. */
export const describedAs = (manifest: PluginManifest): CellOutcome => ({
  kind: 'replied',
  reply: JSON.stringify(describedBy(manifest)),
  logs: [],
  elapsedMs: 1,
});
