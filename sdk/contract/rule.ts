import * as v from 'valibot';
import { isCidr } from './cidr.ts';
import { closedObject } from './wanted.ts';

/**
 * One rule grammar for triggers, guardrails and branches: a tree of exactly one of `all`, `any`, `not`, or a condition
 * on a fact at a JSON Pointer (RFC 6901). Anything json-rules-engine would read in a surprising way (a node with two
 * keys, an empty list, a comparison of strings) does not pass this schema.
 *
 * What a condition means is in kernel/rule/operator.ts; depth and size are bounded by kernel/rule/schema.ts.
 */
const OPERATORS = {
  equal: 'scalar',
  notEqual: 'scalar',
  in: 'scalars',
  notIn: 'scalars',
  contains: 'scalar',
  doesNotContain: 'scalar',
  lessThan: 'number',
  lessThanInclusive: 'number',
  greaterThan: 'number',
  greaterThanInclusive: 'number',
  inCidr: 'blocks',
} as const;
export type Operator = keyof typeof OPERATORS;
export const OPERATOR_NAMES = Object.keys(OPERATORS) as readonly Operator[];

const scalar = v.union(
  [v.pipe(v.string(), v.maxLength(1_024)), v.pipe(v.number(), v.finite()), v.boolean(), v.null()],
  'a text of at most 1024 characters, a number, true, false or null',
);
const fact = v.pipe(
  v.string(),
  v.maxLength(128),
  v.regex(/^[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)*$/, 'a fact name such as event or steps.lookup'),
);
const path = v.pipe(v.string(), v.maxLength(512), v.regex(/^(?:\/(?:[^~/]|~[01])*)*$/, 'a JSON Pointer (RFC 6901)'));
const block = v.pipe(
  v.string(),
  v.check(isCidr, 'an address block such as 10.0.0.0/8 or fd00::/8, with no bits set behind the prefix'),
);

const operatorsOf = (kind: string) =>
  OPERATOR_NAMES.filter((key) => OPERATORS[key] === kind) as unknown as readonly [Operator, ...Operator[]];

/** A variant, not a union: what is wrong is said about the operator that was chosen. */
export const ConditionSchema = v.variant('operator', [
  closedObject({ fact, path: v.optional(path, ''), operator: v.picklist(operatorsOf('scalar')), value: scalar }),
  closedObject({
    fact,
    path: v.optional(path, ''),
    operator: v.picklist(operatorsOf('scalars')),
    value: v.pipe(v.array(scalar), v.minLength(1), v.maxLength(1_000)),
  }),
  closedObject({
    fact,
    path: v.optional(path, ''),
    operator: v.picklist(operatorsOf('number')),
    value: v.pipe(v.number(), v.finite()),
  }),
  closedObject({
    fact,
    path: v.optional(path, ''),
    operator: v.picklist(operatorsOf('blocks')),
    value: v.pipe(v.array(block), v.minLength(1), v.maxLength(256)),
  }),
]);
export type Condition = v.InferOutput<typeof ConditionSchema>;

export type Rule =
  | Condition
  | { readonly all: readonly Rule[] }
  | { readonly any: readonly Rule[] }
  | { readonly not: Rule };

const rules = v.lazy(() => v.pipe(v.array(RuleSchema), v.minLength(1), v.maxLength(64)));
const AllSchema = v.strictObject({ all: rules });
const AnySchema = v.strictObject({ any: rules });
const NotSchema = v.strictObject({ not: v.lazy(() => RuleSchema) });
const AnyNode: v.GenericSchema<unknown, Rule> = v.union([AllSchema, AnySchema, NotSchema, ConditionSchema]);

/** Chosen by the key that is there, so that an issue names the place. Without a value (JSON Schema) it is the union. */
export const RuleSchema: v.GenericSchema<unknown, Rule> = v.lazy((input) => {
  if (input === undefined) return AnyNode;
  if (typeof input !== 'object' || input === null) return ConditionSchema;
  if (Object.hasOwn(input, 'all')) return AllSchema;
  if (Object.hasOwn(input, 'any')) return AnySchema;
  if (Object.hasOwn(input, 'not')) return NotSchema;
  return ConditionSchema;
});
