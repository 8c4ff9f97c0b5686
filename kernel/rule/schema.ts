/**
 * The wall through which a rule enters: size and depth first, then the grammar of sdk/contract/rule.ts.
 *
 * Size is counted with a list of our own, not by recursion: a rule of 20 000 nested `not` must be refused before any
 * recursive code (valibot, the engine) sees it.
 */
import * as v from 'valibot';
import { type Rule, RuleSchema } from '../../sdk/contract/rule.ts';
import { LIMITS } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import { type SchemaIssue, toSchemaIssues } from './issue.ts';

const DEPTH = LIMITS.ruleDepth.value;
const CONDITIONS = LIMITS.ruleConditions.value;
const TOO_DEEP = `a rule of at most ${DEPTH} levels; name parts of it in rules of their own`;
const TOO_LARGE = `a rule of at most ${CONDITIONS} conditions; list values with "in", or split the rule`;

/**
 * Measures anything that claims to be a rule. A condition alone has one level.
 * @returns how many conditions it has, or what to change when it is beyond the limits. Safe on any value.
 */
export function measureRule(input: unknown): Result<number, string> {
  const open: { readonly node: unknown; readonly level: number }[] = [{ node: input, level: 1 }];
  let nodes = 0;
  let conditions = 0;
  for (let at = open.pop(); at; at = open.pop()) {
    if (at.level > DEPTH) return err(TOO_DEEP);
    const children = childrenOf(at.node);
    if (!children) conditions++;
    nodes += children?.length ?? 0;
    // A tree of empty lists has no conditions, yet costs as much to read.
    if (conditions > CONDITIONS || nodes > CONDITIONS * DEPTH) return err(TOO_LARGE);
    for (const node of children ?? []) open.push({ node, level: at.level + 1 });
  }
  return ok(conditions);
}

function childrenOf(node: unknown): readonly unknown[] | undefined {
  if (typeof node !== 'object' || node === null) return undefined;
  const { all, any, not } = node as { all?: unknown; any?: unknown; not?: unknown };
  if (Array.isArray(all)) return all;
  if (Array.isArray(any)) return any;
  return not === undefined ? undefined : [not];
}

/** A rule inside a document: RuleSchema behind the limits. Use this one in every schema of the kernel. */
export const BoundedRuleSchema: v.GenericSchema<unknown, Rule> = v.lazy((input) => {
  const size = measureRule(input);
  return size.ok ? RuleSchema : v.never(size.error);
});

/**
 * A rule over facts of these names only. A misspelt name would be an answer that never comes: a trigger that never
 * fires, a guardrail that blocks everything.
 */
export const ruleOver = (names: readonly string[]): v.GenericSchema<unknown, Rule> =>
  v.pipe(
    BoundedRuleSchema,
    v.check((rule) => readsOnly(rule, names), `a rule over the facts that exist here: ${names.join(', ')}`),
  );

const readsOnly = (rule: Rule, names: readonly string[]): boolean =>
  'fact' in rule ? names.includes(rule.fact) : (childrenOf(rule) ?? []).every((part) => readsOnly(part as Rule, names));

/** Reads a rule from hostile JSON. Issues name the place and what to write there; they never quote the input. */
export function checkRule(input: unknown): Result<Rule, readonly SchemaIssue[]> {
  if (input === undefined) return err([{ pointer: '', text: 'is required: a rule' }]);
  const parsed = v.safeParse(BoundedRuleSchema, input);
  return parsed.success ? ok(parsed.output) : err(toSchemaIssues(parsed.issues));
}
