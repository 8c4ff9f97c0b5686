import { faultOfPattern } from './pattern.ts';

/**
 * What of JSON Schema (2020-12) a manifest may use. The kernel checks with it what comes from outside, while nothing else
 * runs, and a plugin's author writes both the schema and the output that it is held against. So there is nothing here that
 * looks at a value more than once for each part of the schema: no references, no comparison of all with all, no expression
 * that tries one way after another.
 */
type Schema = Readonly<Record<string, unknown>>;

/** For people. One that is an object would be read as a schema by the validator. */
const WORDS = ['title', 'description', 'examples', 'deprecated'];
const NOTES = ['$schema', '$comment', 'default', ...WORDS];
const BOUNDS = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'];
const SIZES = ['minLength', 'maxLength', 'minItems', 'maxItems', 'minProperties', 'maxProperties'];
/** Of a schema each. */
const INSIDE = ['items', 'additionalProperties', 'propertyNames', 'not', 'if', 'then', 'else'];
const LISTS = ['allOf', 'anyOf', 'oneOf', 'prefixItems'];
const KEYWORDS = ['type', 'enum', 'const', 'properties', 'required', 'pattern', 'format', ...INSIDE, ...LISTS];
const KNOWN: ReadonlySet<string> = new Set([...KEYWORDS, ...BOUNDS, ...SIZES, ...NOTES]);
const TYPES = ['string', 'number', 'integer', 'boolean', 'object', 'array', 'null'];
const FORMATS = ['date-time', 'date', 'time', 'duration', 'email', 'hostname', 'ipv4', 'ipv6', 'uuid', 'json-pointer'];

/** What a value is compared with, one after the other. */
const LISTED = ['enum', 'const', 'required'];

const DEPTH_MAX = 32;

export type SchemaFault = { readonly pointer: string; readonly text: string };

/** What one place of a value may be held against: each schema in it, with what is listed there to compare with. */
export function partsOf(schema: unknown): number {
  let parts = 0;
  walk(schema, '', 0, (one) => {
    parts += 1;
    for (const word of LISTED) if (word in one) parts += valuesIn(one[word]);
  });
  return parts;
}

/** Values of JSON, this one included. A long text counts as several, and so does a long key. */
export function valuesIn(value: unknown): number {
  let values = 0;
  for (const open = [value]; open.length > 0; ) {
    const one = open.pop();
    values += 1 + (typeof one === 'string' ? more(one) : 0);
    if (typeof one !== 'object' || one === null) continue;
    for (const [key, part] of Object.entries(one)) {
      if (!Array.isArray(one)) values += more(key);
      open.push(part);
    }
  }
  return values;
}
const more = (text: string): number => text.length >> 5;

const SEEN = /^[A-Za-z_$][\w$-]{0,62}$|^[0-9]{1,6}$/;

/** What is wrong, behind "expected", with its place; a key is repeated only when it reads like one. */
export function wantedSchema(schema: unknown): string {
  const { pointer, text } = faultOfSchema(schema) ?? { pointer: '', text: '' };
  const place = pointer.split('/').map((key) => (key === '' || SEEN.test(key) ? key : '?'));
  return `what is admitted of JSON Schema: its ${place.join('/') || '/'} ${text}`;
}

/** @returns where in the schema something is not admitted, and what; undefined where nothing is. */
export function faultOfSchema(schema: unknown): SchemaFault | undefined {
  let found: SchemaFault | undefined;
  const deep = walk(schema, '', 0, (one, at) => {
    found ??= faultOfOne(one, at);
  });
  return found ?? deep;
}

/** Tells of each schema in a schema. What is none, where there should be one, is for `faultOfOne` of the one around it. */
function walk(
  schema: unknown,
  at: string,
  depth: number,
  tell: (one: Schema, at: string) => void,
): SchemaFault | undefined {
  if (!isSchema(schema)) return undefined;
  if (depth > DEPTH_MAX) return { pointer: at, text: `goes more than ${DEPTH_MAX} schemas deep` };
  tell(schema, at);
  let deep: SchemaFault | undefined;
  for (const [key, inside] of insideOf(schema)) deep ??= walk(inside, `${at}/${key}`, depth + 1, tell);
  return deep;
}

function insideOf(schema: Schema): readonly (readonly [key: string, inside: unknown])[] {
  const one = INSIDE.filter((word) => Object.hasOwn(schema, word)).map((word) => [word, schema[word]] as const);
  const lists = LISTS.flatMap((word) =>
    Array.isArray(schema[word]) ? schema[word].map((inside, i) => [`${word}/${i}`, inside] as const) : [],
  );
  const { properties } = schema;
  const named = isSchema(properties)
    ? Object.entries(properties).map(([name, inside]) => [`properties/${pointed(name)}`, inside] as const)
    : [];
  return [...one, ...lists, ...named];
}

const isSchema = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
/** Of a list, each is asked for at each value. */
const isType = (type: unknown): boolean =>
  Array.isArray(type)
    ? type.length <= TYPES.length && type.every((one) => TYPES.includes(one))
    : TYPES.some((one) => one === type);
const pointed = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');

function faultOfOne(schema: Schema, at: string): SchemaFault | undefined {
  const unknown = Object.keys(schema).find((word) => !KNOWN.has(word));
  if (unknown !== undefined)
    return {
      pointer: `${at}/${pointed(unknown)}`,
      text: `is not admitted; known are: ${KEYWORDS.join(', ')}, bounds and notes`,
    };
  const odd = insideOf(schema).find(([, inside]) => typeof inside !== 'boolean' && !isSchema(inside));
  if (odd) return { pointer: `${at}/${odd[0]}`, text: 'is no schema' };
  const list = [...LISTS, 'enum', 'required'].find((word) => word in schema && !Array.isArray(schema[word]));
  if (list) return { pointer: `${at}/${list}`, text: 'is no list' };
  if ('properties' in schema && !isSchema(schema['properties']))
    return { pointer: `${at}/properties`, text: 'is no object' };
  const nameless = Object.keys(schema['properties'] ?? {}).some((name) => !name.isWellFormed());
  if (nameless) return { pointer: `${at}/properties`, text: 'has a name that is no Unicode' };
  const word = WORDS.find((word) => isSchema(schema[word]));
  if (word) return { pointer: `${at}/${word}`, text: 'is an object' };
  const number = [...BOUNDS, ...SIZES].find((word) => word in schema && typeof schema[word] !== 'number');
  if (number) return { pointer: `${at}/${number}`, text: 'is no number' };
  if ('type' in schema && !isType(schema['type']))
    return { pointer: `${at}/type`, text: `is no type, and no list of them; there are: ${TYPES.join(', ')}` };
  const { pattern, format } = schema;
  if ('format' in schema && !FORMATS.some((one) => one === format))
    return { pointer: `${at}/format`, text: `is not admitted; known are: ${FORMATS.join(', ')}` };
  if (!('pattern' in schema)) return undefined;
  const fault = typeof pattern === 'string' ? faultOfPattern(pattern) : 'is no text';
  return fault === undefined ? undefined : { pointer: `${at}/pattern`, text: fault };
}
