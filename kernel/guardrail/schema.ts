/**
 * The guardrail document of an org: what is denied, what waits for a person, what is allowed. Data, in
 * policies/guardrails. The order of evaluation is in verdict.ts.
 */
import * as v from 'valibot';
import { NAME_PATTERN } from '../../sdk/contract/name.ts';
import { closedObject } from '../../sdk/contract/wanted.ts';
import { LIMITS } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import { type SchemaIssue, toSchemaIssues } from '../rule/issue.ts';
import { ruleOver } from '../rule/schema.ts';
import { FACT_NAMES } from './facts.ts';

/** What a verdict names when no rule decided; no rule may bear these names. */
export const BY_DEFAULT = 'default';
export const BY_FAULT = 'fault';

const GuardrailRule = closedObject({
  id: v.pipe(
    v.string(),
    v.regex(NAME_PATTERN, 'lower-case letters, digits and single hyphens, at most 63'),
    v.check((id) => id !== BY_DEFAULT && id !== BY_FAULT, `another id: ${BY_DEFAULT} and ${BY_FAULT} are taken`),
  ),
  /** One sentence for whoever is refused: what the rule protects, and what to do instead. */
  title: v.pipe(v.string(), v.regex(/^\P{Cc}+$/u, 'one line of text'), v.maxLength(200)),
  rule: ruleOver(FACT_NAMES),
});
export type GuardrailRule = v.InferOutput<typeof GuardrailRule>;

const rules = v.pipe(v.array(GuardrailRule), v.maxLength(LIMITS.guardrailRules.value));

const GuardrailSetSchema = v.pipe(
  closedObject({
    $schema: v.optional(v.string()),
    apiVersion: v.literal('interlock/guardrails/v1'),
    /** The action does not go ahead. Wins over everything. */
    deny: rules,
    /** What is allowed waits for an approval all the same, even where its tier asks for none. */
    hold: v.optional(rules, []),
    /** The action goes ahead, as its tier says. What no rule allows is denied. */
    allow: rules,
  }),
  v.check(({ deny, hold, allow }) => {
    const ids = [...deny, ...hold, ...allow].map(({ id }) => id);
    return new Set(ids).size === ids.length;
  }, 'an id of its own for every rule: a verdict names the rule by its id'),
);
export type GuardrailSet = v.InferOutput<typeof GuardrailSetSchema>;

/** Reads a guardrail document from hostile JSON. Issues name the place and never quote the input. */
export function checkGuardrails(input: unknown): Result<GuardrailSet, readonly SchemaIssue[]> {
  const parsed = v.safeParse(GuardrailSetSchema, input);
  return parsed.success ? ok(parsed.output) : err(toSchemaIssues(parsed.issues));
}
