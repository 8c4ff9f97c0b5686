/**
 * Says of one action whether it may go ahead. Pure, and the only place where guardrail rules become a decision:
 *
 *   G1 deny rules are judged first, in a set of their own: no other rule can keep one from being judged
 *   G2 deny > hold > allow; within a list the first that matches, in the order of the document
 *   G3 what no rule allows is denied; a hold rule narrows what is allowed and never adds to it, so that an approval can
 *      never take the place of a policy
 *   G4 a judge that failed denies; a deny rule that cannot be answered denies; an allow rule that cannot be answered
 *      does not allow; a hold rule that cannot be answered holds
 */
import type { Finding } from '../rule/explain.ts';
import { judge, type RuleResult } from '../rule/judge.ts';
import { type GuardrailFacts, toRuleFacts } from './facts.ts';
import { BY_DEFAULT, BY_FAULT, type GuardrailRule, type GuardrailSet } from './schema.ts';

/** `by` is the id of the rule that decided, or `default` or `fault`. `text` quotes the policy, never the action. */
export type Verdict =
  | { readonly kind: 'allow'; readonly by: string }
  | { readonly kind: 'hold'; readonly by: string }
  | { readonly kind: 'deny'; readonly by: string; readonly text: string };

/**
 * Judges an action against a set that has passed checkGuardrails. About 20 us for each rule. Never rejects.
 */
export async function judgeAction(set: GuardrailSet, action: GuardrailFacts): Promise<Verdict> {
  const facts = toRuleFacts(action);
  const denied = await judge(set.deny, facts);
  if (!denied.ok) return FAULT;
  const denial = firstOf(set.deny, denied.value, 'matched') ?? firstOf(set.deny, denied.value, 'notEvaluable');
  if (denial) return { kind: 'deny', by: denial.rule.id, text: denialText(denial) };

  const permitted = await judge([...set.hold, ...set.allow], facts);
  if (!permitted.ok) return FAULT;
  const allowed = firstOf(set.allow, permitted.value, 'matched');
  if (!allowed) {
    return { kind: 'deny', by: BY_DEFAULT, text: defaultText(firstOf(set.allow, permitted.value, 'notEvaluable')) };
  }
  const held = firstOf(set.hold, permitted.value, 'matched') ?? firstOf(set.hold, permitted.value, 'notEvaluable');
  return held ? { kind: 'hold', by: held.rule.id } : { kind: 'allow', by: allowed.rule.id };
}

/**
 * An allowing verdict, told later from the rule that decided.
 * @returns undefined where the set has no such rule: an author's own gate is no verdict of a guardrail.
 */
export function permittedBy(set: GuardrailSet, by: string): (Verdict & { readonly text: string }) | undefined {
  for (const kind of ['hold', 'allow'] as const) {
    const rule = set[kind].find(({ id }) => id === by);
    if (rule) return { kind, by, text: rule.title };
  }
  return undefined;
}

type Decided = { readonly rule: GuardrailRule; readonly result: RuleResult };

function firstOf(
  rules: readonly GuardrailRule[],
  results: ReadonlyMap<string, RuleResult>,
  state: 'matched' | 'notEvaluable',
): Decided | undefined {
  for (const rule of rules) {
    const result = results.get(rule.id);
    if (result?.[state]) return { rule, result };
  }
  return undefined;
}

const FAULT: Verdict = {
  kind: 'deny',
  by: BY_FAULT,
  text: 'The guardrails could not be judged, so the action does not go ahead. Check the rule set.',
};

const denialText = ({ rule, result }: Decided): string =>
  result.matched ? rule.title : `${rule.title} (not known whether it applies: ${doubtOf(result.why)})`;

const defaultText = (perhaps: Decided | undefined): string =>
  perhaps
    ? `No rule of the guardrails allows this action, and what none allows is refused; ${perhaps.rule.id} might, but ${doubtOf(perhaps.result.why)}.`
    : 'No rule of the guardrails allows this action, and what none allows is refused. To allow it, add a rule to the set, with a case.';

/** Names the first condition in doubt by the path that the policy itself wrote. */
const doubtOf = ([first]: readonly Finding[]): string =>
  first
    ? `${first.fact}${first.path} ${first.reason === 'missing' ? 'is missing' : 'has another type than the rule compares'}`
    : 'a value is missing';
