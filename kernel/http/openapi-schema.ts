import { type ConversionConfig, toJsonSchema, toJsonSchemaDefs } from '@valibot/to-json-schema';
import type { GenericSchema } from 'valibot';
import { API_SCHEMAS } from '../../sdk/contract/api.ts';

/** Prints schemas of the contract as JSON Schema. The one file that knows the converter. */
const CONFIG: ConversionConfig = {
  // The default is draft-07, which is not what OpenAPI 3.1 speaks.
  target: 'draft-2020-12',
  typeMode: 'output',
  // A check is a function; what it wants is said where it refuses.
  ignoreActions: ['check'],
  overrideRef: ({ referenceId }) => `#/components/schemas/${referenceId}`,
};

/** The named schemas, for `components/schemas`. */
export const componentSchemas = () => toJsonSchemaDefs(API_SCHEMAS, CONFIG);

/** One schema, with references to the named ones in it. */
export function toSchema(schema: GenericSchema) {
  const { $schema: _, $defs: __, ...json } = toJsonSchema(schema, { ...CONFIG, definitions: API_SCHEMAS });
  return json;
}
