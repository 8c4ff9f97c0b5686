/**
 * Reads a judged rule in three values (Kleene's strong logic, as SQL has it), and says which conditions decided.
 *
 * A condition whose path is missing, or whose value has the wrong type, is *undecided*: not false. So a `not` over
 * something missing never becomes true. A rule is undecided only if its outcome hangs on such a condition:
 *
 *   all   false if any part is false, else undecided if any part is, else true
 *   any   true if any part is true, else undecided if any part is, else false
 *   not   the opposite; undecided stays undecided
 */
import type { Operator, Rule } from '../../sdk/contract/rule.ts';
import type { Json } from '../base/json.ts';
import { MEANINGS } from './operator.ts';

/** One condition that decided, without the value that was seen: that may be secret or personal. */
export type Finding = {
  readonly fact: string;
  /** JSON Pointer into the fact. */
  readonly path: string;
  /** `present`: the field was required to be there. */
  readonly operator: Operator | 'present';
  /** From the rule. A long list is cut after 16 values. */
  readonly expected: Json;
  readonly reason: 'true' | 'false' | 'missing' | 'wrong_type';
};

export type Truth = 'true' | 'false' | 'undecided';
export type Explanation = { readonly truth: Truth; readonly why: readonly Finding[] };

/** A rule after the engine: the same tree, each condition with the value it saw and the engine's answer. */
export type Judged = {
  readonly all?: readonly Judged[];
  readonly any?: readonly Judged[];
  readonly not?: Judged;
  readonly factResult?: unknown;
  readonly result?: unknown;
};

const MAX_VALUES = 16;

/**
 * @returns undefined when the judged tree does not have the shape of the rule or lacks an answer: then nothing may be
 * concluded from it.
 */
export function explain(rule: Rule, judged: Judged): Explanation | undefined {
  if ('all' in rule) return explainList('all', rule.all, judged.all);
  if ('any' in rule) return explainList('any', rule.any, judged.any);
  if ('not' in rule) {
    const inner = judged.not && explain(rule.not, judged.not);
    return inner && { truth: OPPOSITE[inner.truth], why: inner.why };
  }
  if (typeof judged.result !== 'boolean') return undefined;
  const reason = judged.result ? 'true' : reasonOf(rule.operator, judged.factResult, rule.value);
  const expected = Array.isArray(rule.value) ? rule.value.slice(0, MAX_VALUES) : (rule.value as Json);
  const why = [{ fact: rule.fact, path: rule.path, operator: rule.operator, expected, reason }];
  return { truth: reason === 'true' || reason === 'false' ? reason : 'undecided', why };
}

export const OPPOSITE = { true: 'false', false: 'true', undecided: 'undecided' } as const;

export const reasonOf = (operator: Operator, seen: unknown, value: unknown): Finding['reason'] => {
  if (seen === undefined) return 'missing';
  return MEANINGS[operator].applies(seen, value) ? 'false' : 'wrong_type';
};

/** What a list of parts comes to: one part of the decisive value settles it, the opposite takes all parts. */
export function settle(kind: 'all' | 'any', parts: readonly { readonly truth: Truth }[]): Truth {
  const decisive: Truth = kind === 'all' ? 'false' : 'true';
  const truth = ([decisive, 'undecided'] as const).find((value) => parts.some((part) => part.truth === value));
  return truth ?? OPPOSITE[decisive];
}

function explainList(
  kind: 'all' | 'any',
  rules: readonly Rule[],
  judged: readonly Judged[] | undefined,
): Explanation | undefined {
  if (!judged || judged.length !== rules.length) return undefined;
  const parts: Explanation[] = [];
  for (const [index, rule] of rules.entries()) {
    const node = judged[index];
    const part = node && explain(rule, node);
    if (!part) return undefined;
    parts.push(part);
  }
  const settled = settle(kind, parts);
  return { truth: settled, why: parts.filter((part) => part.truth === settled).flatMap((part) => part.why) };
}
