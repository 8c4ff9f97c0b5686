import { type ConversionConfig, type JsonSchema, toJsonSchema, toJsonSchemaDefs } from '@valibot/to-json-schema';
import type { GenericSchema } from 'valibot';
import { API_SCHEMAS } from '../../sdk/contract/api.ts';
import { RuleSchema } from '../../sdk/contract/rule.ts';
import { StepSchema } from '../playbook/step.ts';

/** Prints schemas of the contract as JSON Schema. The one file that knows the converter. */
const CONFIG: ConversionConfig = {
  // The default is draft-07, which is not what OpenAPI 3.1 speaks.
  target: 'draft-2020-12',
  typeMode: 'output',
  // A number of JSON is finite.
  ignoreActions: ['finite'],
  overrideAction({ valibotAction, jsonSchema }) {
    const { type, message, requirement } = valibotAction as Described;
    // What is wanted, in the words in which a refusal says it; a description of its own goes before that.
    const said = typeof message === 'string' ? { description: message, ...jsonSchema } : jsonSchema;
    // A check is a function: only its words can be printed.
    if (type === 'check') return said;
    if (type !== 'regex' || !(requirement instanceof RegExp)) return undefined;
    // The converter takes one pattern, without flags. JSON Schema reads all of them as Unicode; a second one goes beside.
    const { source: pattern } = requirement;
    return jsonSchema.pattern === pattern ? said : { ...said, allOf: [...(jsonSchema.allOf ?? []), { pattern }] };
  },
};
type Described = { readonly type: string; readonly message?: unknown; readonly requirement?: unknown };

const IN_OPENAPI: ConversionConfig = {
  ...CONFIG,
  overrideRef: ({ referenceId }) => `#/components/schemas/${referenceId}`,
};

/** The named schemas, for `components/schemas`. */
export const componentSchemas = () => toJsonSchemaDefs(API_SCHEMAS, IN_OPENAPI);

/** One schema, with references to the named ones in it. */
export function toSchema(schema: GenericSchema) {
  const { $schema: _, $defs: __, ...json } = toJsonSchema(schema, { ...IN_OPENAPI, definitions: API_SCHEMAS });
  return json;
}

/** One schema that stands alone: what it refers to is in its `$defs`. */
export function toWholeSchema(schema: GenericSchema): JsonSchema {
  const definitions = Object.fromEntries(
    Object.entries({ ...API_SCHEMAS, PlaybookStep: StepSchema, Rule: RuleSchema }).filter(([, one]) => one !== schema),
  );
  const { $defs = {}, ...json } = toJsonSchema(schema, { ...CONFIG, definitions });
  const used = new Map<string, JsonSchema | true>();
  const take = (part: unknown) => {
    for (const [, name = ''] of JSON.stringify(part).matchAll(/"\$ref":"#\/\$defs\/([^"]+)"/g)) {
      const found = used.has(name) ? undefined : $defs[name];
      if (!found) continue;
      used.set(name, found);
      take(found);
    }
  };
  take(json);
  return used.size === 0
    ? json
    : { ...json, $defs: Object.fromEntries([...used].sort(([a], [b]) => (a < b ? -1 : 1))) };
}
