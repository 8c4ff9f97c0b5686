import { HEALTH_STAGES, type HealthStage, type Operation, type PluginManifest } from '../contract/plugin.ts';

/** What a plugin says of itself; see `describe` in ../author/dispatch.ts. */
export type Description = {
  readonly name: unknown;
  readonly version: unknown;
  readonly actions: Readonly<Record<string, { readonly ops: readonly Operation[] }>>;
  readonly healthCheck: readonly HealthStage[];
};

/**
 * Where plugin.ts and manifest.json do not say the same. The manifest is what people review and the kernel goes by, so
 * a plugin that does something else is not sealed.
 * @returns one sentence per difference, each with how to mend it; none when they agree.
 */
export function differences(manifest: PluginManifest, plugin: Description): readonly string[] {
  const found: string[] = [];
  for (const key of ['name', 'version'] as const) {
    if (plugin[key] !== manifest[key]) {
      found.push(
        `plugin.ts says ${key} ${JSON.stringify(plugin[key])}, manifest.json says ${JSON.stringify(manifest[key])}: make them equal`,
      );
    }
  }
  for (const action of Object.keys(plugin.actions)) {
    if (!Object.hasOwn(manifest.actions, action)) {
      found.push(
        `plugin.ts has the action ${action}, manifest.json has not: describe it there, or remove it from plugin.ts`,
      );
    }
  }
  for (const [action, declared] of Object.entries(manifest.actions)) {
    const ops = Object.hasOwn(plugin.actions, action) ? plugin.actions[action]?.ops : undefined;
    if (!ops) {
      found.push(
        `manifest.json has the action ${action}, plugin.ts has not: write it there, or remove it from manifest.json`,
      );
      continue;
    }
    for (const op of ['plan', 'rollback'] as const) {
      if (declared[op] === ops.includes(op)) continue;
      found.push(
        declared[op]
          ? `manifest.json says that ${action} has ${op}, but plugin.ts does not export it: write it, or set "${op}": false`
          : `plugin.ts has ${op} for ${action}, but manifest.json does not say so: set "${op}": true, or remove it`,
      );
    }
    if (declared.idempotent === 'check' && !ops.includes('check')) {
      found.push(
        `manifest.json says that a repeat of ${action} is made safe by check, but plugin.ts has no check for it: write it`,
      );
    }
  }
  for (const stage of HEALTH_STAGES) {
    const isDeclared = manifest.healthCheck?.includes(stage) ?? false;
    if (isDeclared === plugin.healthCheck.includes(stage)) continue;
    found.push(
      isDeclared
        ? `manifest.json has ${stage} in healthCheck, but plugin.ts does not export it: write it, or take it out`
        : `plugin.ts has ${stage}, but manifest.json does not say so: add it to "healthCheck", or remove it`,
    );
  }
  return found;
}
