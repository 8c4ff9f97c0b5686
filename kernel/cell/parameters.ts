import { type OutputUnit, type Schema, Validator } from '@cfworker/json-schema';
import { partsOf, valuesIn } from '../../sdk/contract/parameter-schema.ts';
import type { ActionManifest, PluginManifest } from '../../sdk/contract/plugin.ts';
import { digestOf, digestOfJson } from '../base/digest.ts';
import type { Digest } from '../base/id.ts';
import { isObject, type Json, resolvePointer } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';

/**
 * The contract of an action's parameters and output: the JSON Schemas of its manifest, interpreted, never compiled to code.
 * A manifest holds none that is expensive (`parameter-schema.ts`); how much a value costs is bounded here. What is said
 * about a fault names the place, never a value, because values may be anything.
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
      { action, checkInput: checker(action.input, PARAMETERS), checkOutput: checker(action.output, OUTPUT) },
    ]),
  );

type Words = { readonly whole: string; readonly part: string; readonly who: string };
const PARAMETERS: Words = { whole: 'the parameters do', part: 'the parameter', who: 'the action' };
const OUTPUT: Words = { whole: 'the output does', part: 'the field of the output', who: 'the action' };

function checker(schema: Readonly<Record<string, unknown>>, words: Words): (value: Json) => string | undefined {
  const validator = new Validator(schema as Schema, '2020-12', true);
  const parts = partsOf(schema);
  const tooMuch = `${words.whole} not fit what may be checked at a time: give fewer values, or a schema of fewer parts`;
  return (value) => {
    // Each part looks at each value once at most, while nothing else runs.
    if (parts * valuesIn(value) > LIMITS.schemaLooks.value) return tooMuch;
    const { valid, errors } = validate(validator, value);
    if (valid) return undefined;
    if (errors.length === 0) return tooMuch;
    // The validator tells the way from the root down to the fault; of two at one place, the first is the wider one.
    const deepest = errors.reduce((a, b) => (depthOf(b) > depthOf(a) ? b : a), errors[0] ?? ROOT_FAULT);
    return faultText(deepest, schema, value, words);
  };
}

/** The validator hands faults from call to call as arguments, of which the engine takes only so many. */
function validate(validator: Validator, value: Json): ReturnType<Validator['validate']> {
  try {
    return validator.validate(value);
  } catch {
    return { valid: false, errors: [] };
  }
}

type Fault = Pick<OutputUnit, 'keyword' | 'keywordLocation' | 'instanceLocation'>;
const ROOT_FAULT: Fault = { keyword: '', keywordLocation: '#', instanceLocation: '#' };
const depthOf = ({ instanceLocation }: Fault): number => instanceLocation.split('/').length;

function faultText({ keyword, keywordLocation, instanceLocation }: Fault, schema: unknown, value: Json, words: Words) {
  const pointer = instanceLocation.slice(1);
  const at = legible(pointer);
  // A schema that is `false` stands where nothing may be: behind additionalProperties, as a rule.
  if (keyword === 'false') return `${words.part} ${at} is not known to ${words.who}'s schema: remove it`;
  if (keyword === 'required') {
    const missing = missingAt(resolvePointer(schema, keywordLocation.slice(1)), resolvePointer(value, pointer));
    if (missing !== undefined)
      return `${words.part} ${legible(`${at}/${missing}`)} is missing: ${words.who} requires it`;
  }
  const place = legible(keywordLocation.slice(1)) || '/';
  return pointer === ''
    ? `${words.whole} not fit ${words.who}'s schema at ${place}`
    : `${words.part} ${at} does not fit ${words.who}'s schema at ${place}`;
}

const missingAt = (required: Json | undefined, value: Json | undefined): string | undefined =>
  Array.isArray(required) && isObject(value)
    ? required.find((name) => typeof name === 'string' && !Object.hasOwn(value, name))
    : undefined;

/** A key is repeated only when it reads like one; anything else may be what must not be repeated. */
const legible = (pointer: string): string =>
  pointer
    .split('/')
    .map((key) => (key === '' || /^[A-Za-z_$][\w$-]{0,62}$|^[0-9]{1,6}$/.test(key) ? key : '?'))
    .join('/');

const SETTINGS: Words = { whole: 'the settings do', part: 'the setting', who: 'the plugin' };

/** What is wrong with what a grant gives the plugin as settings, without a value; undefined where nothing is. */
export const faultOfSettings = (
  { settings }: Pick<PluginManifest, 'settings'>,
  given: Readonly<Record<string, string>>,
): string | undefined => settings && checker(settings, SETTINGS)(given);

/**
 * The identity of a plugin: its module and its manifest together, so that the same module under another manifest (with
 * another claim to be repeatable, say) is another plugin.
 */
export const pluginDigest = (manifest: PluginManifest, wasm: Uint8Array): Digest =>
  digestOfJson('plugin', { manifest: manifest as unknown as Json, module: digestOf(wasm) });
