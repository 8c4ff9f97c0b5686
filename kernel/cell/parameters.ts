import { type Schema, Validator } from '@cfworker/json-schema';
import type { ActionManifest, PluginManifest } from '../../sdk/contract/plugin.ts';
import { digestOf, digestOfJson } from '../base/digest.ts';
import type { Digest } from '../base/id.ts';
import type { Json } from '../base/json.ts';

/**
 * The contract of an action's parameters and output: the JSON Schemas of its manifest (2020-12), interpreted, never
 * compiled to code. What is said about a fault names the place in the schema only, because values may be anything.
 */
export type ActionContract = {
  readonly action: ActionManifest;
  /** @returns what is wrong, as a sentence without the value, or undefined. */
  readonly checkInput: (value: Json) => string | undefined;
  readonly checkOutput: (value: Json) => string | undefined;
};

export const contractsOf = (manifest: PluginManifest): ReadonlyMap<string, ActionContract> =>
  new Map(
    Object.entries(manifest.actions).map(([name, action]) => [
      name,
      { action, checkInput: checker(action.input, 'parameters'), checkOutput: checker(action.output, 'output') },
    ]),
  );

function checker(schema: Readonly<Record<string, unknown>>, what: string): (value: Json) => string | undefined {
  const validator = new Validator(schema as Schema, '2020-12', true);
  return (value) => {
    const { valid, errors } = validator.validate(value);
    if (valid) return undefined;
    const places = errors.map((error) => error.keywordLocation.replace(/^#/, '')).filter(Boolean);
    return `the ${what} do not fit the action's schema at ${places[0] ?? '/'}`;
  };
}

/**
 * The identity of a plugin: its module and its manifest together, so that the same module under another manifest (with
 * another claim to be repeatable, say) is another plugin.
 */
export const pluginDigest = (manifest: PluginManifest, wasm: Uint8Array): Digest =>
  digestOfJson('plugin', { manifest: manifest as unknown as Json, module: digestOf(wasm) });
