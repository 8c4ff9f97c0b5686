/**
 * Reads a rule over facts as a tree that a person can follow: each condition with the value it saw, each list with what
 * it comes to, in the three values of explain.ts. Nothing is decided by it; the judge decides, and says the same.
 */
import type { Operator, Rule } from '../../sdk/contract/rule.ts';
import { type Json, resolvePointer } from '../base/json.ts';
import { OPPOSITE, reasonOf, settle, type Truth } from './explain.ts';
import { MEANINGS } from './operator.ts';

export type Reading =
  | { readonly kind: 'all' | 'any'; readonly truth: Truth; readonly parts: readonly Reading[] }
  | { readonly kind: 'not'; readonly truth: Truth; readonly part: Reading }
  | {
      readonly kind: 'condition';
      readonly truth: Truth;
      readonly reason: 'true' | 'false' | 'missing' | 'wrong_type';
      readonly fact: string;
      readonly path: string;
      readonly operator: Operator;
      readonly expected: Json;
      /** What stands there; undefined when nothing does. Whole, and of the event: it may be secret or personal. */
      readonly seen: Json | undefined;
    };

/** @param rule One that has passed checkRule. @throws on any other. */
export function readRule(rule: Rule, facts: Readonly<Record<string, Json>>): Reading {
  if ('all' in rule || 'any' in rule) {
    const [kind, rules] = 'all' in rule ? (['all', rule.all] as const) : (['any', rule.any] as const);
    const parts = rules.map((part) => readRule(part, facts));
    return { kind, truth: settle(kind, parts), parts };
  }
  if ('not' in rule) {
    const part = readRule(rule.not, facts);
    return { kind: 'not', truth: OPPOSITE[part.truth], part };
  }
  const { fact, path, operator, value } = rule;
  const seen = Object.hasOwn(facts, fact) ? resolvePointer(facts[fact], path) : undefined;
  const { applies, holds } = MEANINGS[operator];
  const isTrue = seen !== undefined && applies(seen, value) && holds(seen, value);
  const reason = isTrue ? 'true' : reasonOf(operator, seen, value);
  const truth = reason === 'true' || reason === 'false' ? reason : 'undecided';
  return { kind: 'condition', truth, reason, fact, path, operator, expected: value as Json, seen };
}
