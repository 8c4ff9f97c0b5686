/**
 * What a rule needs: values that must be in the facts, or the rule cannot be true. Read off `equal` and `in` where they
 * stand alone, in an `all` (at any depth of `all`s), or in every alternative of an `any`.
 *
 * By the three-valued reading (explain.ts) an `all` with a part that is false or undecided is not true, and neither is an
 * `any` none of whose parts is. So where a need is not met the rule is false or undecided, which for a trigger is the
 * same: it does not fire. Which of the two it is, only the judge says. A rule that no schema would pass has no needs here,
 * because it must come before the judge and be told as a fault.
 */
import type { Rule } from '../../sdk/contract/rule.ts';
import { childOf, type Json, tokensOf } from '../base/json.ts';
import { checkRule } from './schema.ts';
import { sizeOf } from './turns.ts';

export type Scalar = null | boolean | number | string;

export type Need =
  /** One of these values stands there. The path begins with the name of the fact. */
  | { readonly kind: 'value'; readonly path: readonly string[]; readonly values: readonly Scalar[] }
  /** All needs of one of these alternatives are met. */
  | { readonly kind: 'either'; readonly of: readonly (readonly Need[])[] };

/** Needs are kept for every trigger there is, so they are few and short: values looked at for one rule, ... */
const MOST = 8;
/** ... and names in a path, the fact included. What is beyond is the judge's, who needs no help to be right. */
const LONGEST_PATH = 8;

/**
 * @param facts Names of those that are the same for every rule: only they are looked at beforehand.
 * @returns needs that must all be met; none when there is nothing to be told beforehand.
 */
export function needsOf(rule: Rule, facts: readonly string[]): readonly Need[] {
  if (!sizeOf(rule).ok || !checkRule(rule).ok) return [];
  const needs: Need[] = [];
  let left = MOST;
  for (const need of read(rule, facts)) {
    const size = valuesIn(need);
    if (size > left) continue;
    needs.push(need);
    left -= size;
  }
  return needs;
}

const valuesIn = (need: Need): number =>
  need.kind === 'value' ? 1 : need.of.flat().reduce((sum, one) => sum + valuesIn(one), 0);

function read(rule: Rule, facts: readonly string[]): readonly Need[] {
  if ('all' in rule) return rule.all.flatMap((part) => read(part, facts));
  if ('any' in rule) return either(rule.any.map((part) => read(part, facts)));
  if ('not' in rule || !facts.includes(rule.fact) || (rule.operator !== 'equal' && rule.operator !== 'in')) return [];
  const path = [rule.fact, ...tokensOf(rule.path)];
  const values = (rule.operator === 'in' ? rule.value : [rule.value]) as readonly Scalar[];
  return path.length > LONGEST_PATH ? [] : [{ kind: 'value', path, values }];
}

/** An alternative without needs may be true whatever the others need. */
function either(alternatives: readonly (readonly Need[])[]): readonly Need[] {
  if (alternatives.some((needs) => needs.length === 0)) return [];
  const [first, ...others] = alternatives.map(onlyValue);
  // Several values at one place are one need, as `in` says it.
  if (first && others.every((one) => one && isSamePath(one.path, first.path)))
    return [{ ...first, values: [first, ...others].flatMap((one) => one?.values ?? []) }];
  return [{ kind: 'either', of: alternatives }];
}

const onlyValue = ([need, ...more]: readonly Need[]) =>
  need?.kind === 'value' && more.length === 0 ? need : undefined;

const isSamePath = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((token, index) => token === b[index]);

/** Whether all of it is met, as far as values say: no more than a rule that is true demands. */
export const areMet = (needs: readonly Need[], facts: Readonly<Record<string, Json>>): boolean =>
  needs.every((need) =>
    need.kind === 'value'
      ? (need.values as readonly unknown[]).includes(valueAt(facts, need.path))
      : need.of.some((alternative) => areMet(alternative, facts)),
  );

function valueAt(facts: unknown, path: readonly string[]): unknown {
  let at = facts;
  for (const token of path) at = childOf(at, token);
  return at;
}
