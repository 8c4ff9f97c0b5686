import * as v from 'valibot';
import { HEALTH_STAGES, OPERATIONS, type PluginManifest } from './plugin.ts';

/**
 * What a plugin says of itself through its export `describe`. The manifest is what people review and the kernel goes by; a
 * plugin that says something else of itself was built of something else.
 */
export const DescriptionSchema = v.object({
  name: v.string(),
  version: v.string(),
  /** Of each action, what it can do. */
  actions: v.record(v.string(), v.object({ ops: v.array(v.picklist(OPERATIONS)) })),
  healthCheck: v.optional(v.array(v.picklist(HEALTH_STAGES)), []),
});
export type Description = v.InferOutput<typeof DescriptionSchema>;

/**
 * Where a plugin and its manifest do not say the same.
 * @param speaker what the plugin's word is called: the file that it was written in, or its module.
 * @returns one sentence per difference, each with how to mend it; none when they agree. They repeat names out of both.
 */
export function differences(
  manifest: PluginManifest,
  plugin: Description,
  speaker: 'plugin.ts' | 'the module',
): readonly string[] {
  const found: string[] = [];
  for (const key of ['name', 'version'] as const) {
    if (plugin[key] !== manifest[key]) {
      found.push(
        `${speaker} says ${key} ${JSON.stringify(plugin[key])}, manifest.json says ${JSON.stringify(manifest[key])}: make them equal`,
      );
    }
  }
  for (const action of Object.keys(plugin.actions)) {
    if (!Object.hasOwn(manifest.actions, action)) {
      found.push(
        `${speaker} has the action ${action}, manifest.json has not: describe it there, or remove it from ${speaker}`,
      );
    }
  }
  for (const [action, declared] of Object.entries(manifest.actions)) {
    const ops = Object.hasOwn(plugin.actions, action) ? plugin.actions[action]?.ops : undefined;
    if (!ops) {
      found.push(
        `manifest.json has the action ${action}, ${speaker} has not: write it there, or remove it from manifest.json`,
      );
      continue;
    }
    for (const op of ['plan', 'rollback'] as const) {
      if (declared[op] === ops.includes(op)) continue;
      found.push(
        declared[op]
          ? `manifest.json says that ${action} has ${op}, but ${speaker} does not have it: write it, or set "${op}": false`
          : `${speaker} has ${op} for ${action}, but manifest.json does not say so: set "${op}": true, or remove it`,
      );
    }
    if (declared.idempotent === 'check' && !ops.includes('check')) {
      found.push(
        `manifest.json says that a repeat of ${action} is made safe by check, but ${speaker} has no check for it: write it`,
      );
    }
  }
  for (const stage of HEALTH_STAGES) {
    const isDeclared = manifest.healthCheck?.includes(stage) ?? false;
    if (isDeclared === plugin.healthCheck.includes(stage)) continue;
    found.push(
      isDeclared
        ? `manifest.json has ${stage} in healthCheck, but ${speaker} does not have it: write it, or take it out`
        : `${speaker} has ${stage}, but manifest.json does not say so: add it to "healthCheck", or remove it`,
    );
  }
  return found;
}
