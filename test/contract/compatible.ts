/** Whether one JSON Schema can stand in for another; knows the words that the converter writes, and refuses others. */
// biome-ignore lint/suspicious/noExplicitAny: JSON Schema is read, not typed.
type Schema = any;

/** Words that say nothing of what fits. */
const REMARKS = ['$schema', '$id', '$defs', 'title', 'description', 'default', 'examples'];
const LEAST = ['minimum', 'minLength', 'minItems', 'minProperties'];
const MOST = ['maximum', 'maxLength', 'maxItems', 'maxProperties'];
const HANDLED = new Set([
  ...['$ref', 'type', 'const', 'enum', 'anyOf', 'oneOf', 'allOf', 'pattern', 'format', 'items', 'properties'],
  ...['required', 'additionalProperties', 'propertyNames', ...LEAST, ...MOST, ...REMARKS],
]);

/**
 * @param use `given`: who read documents of `before` must be able to read those of `after`, and find there what they
 *            found. `taken`: documents that fitted `before` must fit `after`.
 * @returns what breaks that, each as a place and a sentence. Empty: it does not.
 */
export function breaksOf(before: Schema, after: Schema, use: 'given' | 'taken'): readonly string[] {
  const [part, whole] = use === 'given' ? [after, before] : [before, after];
  return faults(part, whole, { part, whole, keepsFields: use === 'given', seen: new Set() }, '');
}

type Comparison = {
  readonly part: Schema;
  readonly whole: Schema;
  /** A field of the whole must be one of the part, even where it need not be there. */
  readonly keepsFields: boolean;
  readonly seen: Set<string>;
};

/** Why some document of `a` is none of `b`. */
function faults(a: Schema, b: Schema, within: Comparison, at: string): readonly string[] {
  const here = at === '' ? '/' : at;
  for (const word of [...Object.keys(a), ...Object.keys(b)])
    if (!HANDLED.has(word)) return [`${here}: the word ${word} is not known to this comparison; teach it`];
  if (a.$ref !== undefined || b.$ref !== undefined) {
    const key = `${a.$ref ?? at} ${b.$ref ?? at}`;
    if (within.seen.has(key)) return [];
    within.seen.add(key);
    return faults(resolved(a, within.part), resolved(b, within.whole), within, at);
  }
  if (Object.keys(b).every((word) => REMARKS.includes(word))) return [];
  const ways: Schema[] | undefined = a.anyOf ?? a.oneOf;
  if (ways) return ways.flatMap((way) => faults(way, b, within, at));
  const others: Schema[] | undefined = b.anyOf ?? b.oneOf;
  if (others) {
    const tried = others.map((other) => faults(a, other, within, at));
    return tried.some((found) => found.length === 0) ? [] : [`${here}: fits none of the forms that it had`];
  }
  return [...valueFaults(a, b, here), ...objectFaults(a, b, within, at), ...itemFaults(a, b, within, at)];
}

const itemFaults = (a: Schema, b: Schema, within: Comparison, at: string): readonly string[] =>
  b.items === undefined ? [] : faults(a.items ?? {}, b.items, within, `${at}/*`);

const resolved = (schema: Schema, root: Schema): Schema =>
  schema.$ref === undefined ? schema : root.$defs[schema.$ref.slice('#/$defs/'.length)];

const wordsOf = (schema: Schema): unknown[] | undefined =>
  schema.enum ?? ('const' in schema ? [schema.const] : undefined);
const patternsOf = ({ pattern, allOf = [] }: Schema): string[] =>
  [pattern, ...allOf.map((one: Schema) => one.pattern)].filter((one) => one !== undefined);
const typeOf = (value: unknown) =>
  value === null ? 'null' : Number.isInteger(value) ? 'integer' : Array.isArray(value) ? 'array' : typeof value;
const isOf = (type: string, wanted: string) => type === wanted || (type === 'integer' && wanted === 'number');

function valueFaults(a: Schema, b: Schema, here: string): readonly string[] {
  const found: string[] = [];
  const words = wordsOf(a);
  const known = wordsOf(b);
  if (known) {
    const strange = words?.filter((word) => !known.includes(word)) ?? ['any other value'];
    if (strange.length > 0) found.push(`${here}: ${strange.join(', ')} was not possible`);
    return found;
  }
  const types: string[] = words ? words.map(typeOf) : [a.type ?? 'anything'];
  if (b.type && !types.every((type) => isOf(type, b.type)))
    found.push(`${here}: ${types.join(' or ')}, no longer ${b.type}`);
  for (const word of LEAST)
    if (b[word] !== undefined && !(a[word] >= b[word])) found.push(`${here}: ${word} is ${a[word]}, was ${b[word]}`);
  for (const word of MOST)
    if (b[word] !== undefined && !(a[word] <= b[word])) found.push(`${here}: ${word} is ${a[word]}, was ${b[word]}`);
  for (const pattern of patternsOf(b)) {
    const fits = words?.every((word) => new RegExp(pattern, 'u').test(String(word))) ?? patternsOf(a).includes(pattern);
    if (!fits) found.push(`${here}: not always of the form ${pattern}`);
  }
  if (b.format !== undefined && a.format !== b.format) found.push(`${here}: not always a ${b.format}`);
  return found;
}

function objectFaults(a: Schema, b: Schema, within: Comparison, at: string): readonly string[] {
  const found: string[] = [];
  const [ours, theirs] = [a.properties ?? {}, b.properties ?? {}];
  for (const name of b.required ?? [])
    if (!(a.required ?? []).includes(name)) found.push(`${at}/${name}: not always there`);
  for (const [name, schema] of Object.entries(theirs)) {
    const place = `${at}/${name}`;
    if (Object.hasOwn(ours, name)) found.push(...faults(ours[name], schema, within, place));
    else if (within.keepsFields) found.push(`${place}: gone`);
    // Where anything may stand under any name, nobody knew of this one.
    else if (a.additionalProperties) found.push(...faults(a.additionalProperties, schema, within, place));
  }
  if (b.additionalProperties === undefined) return found;
  for (const [name, schema] of Object.entries(ours)) {
    if (Object.hasOwn(theirs, name)) continue;
    if (b.additionalProperties === false) found.push(`${at}/${name}: was not possible`);
    else found.push(...faults(schema, b.additionalProperties, within, `${at}/${name}`));
  }
  if (b.additionalProperties === false) {
    if (a.additionalProperties !== false) found.push(`${at === '' ? '/' : at}: may have other fields`);
  } else if (a.additionalProperties !== false) {
    found.push(...faults(a.additionalProperties ?? {}, b.additionalProperties, within, `${at}/*`));
    if (b.propertyNames) found.push(...faults(a.propertyNames ?? {}, b.propertyNames, within, `${at}/*`));
  }
  return found;
}
