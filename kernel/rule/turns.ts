/**
 * Shares the event loop: many rules are judged a turn at a time, and between two turns whoever else waits goes first.
 * Owns how much one turn is. Counted in conditions and not in time, so that the same rules are always cut the same way.
 */
import type { Rule } from '../../sdk/contract/rule.ts';
import { LIMITS } from '../base/limits.ts';
import type { Result } from '../base/result.ts';
import { measureRule } from './schema.ts';

/** Four rules of the largest size: 2 to 5 ms. */
const CONDITIONS_PER_TURN = 4 * LIMITS.ruleConditions.value;

/**
 * The items in their order, cut into turns of at most so many conditions. Nobody else gets a turn before the first, so
 * few small rules cost no wait.
 */
export async function* inTurns<T>(items: readonly T[], ruleOf: (item: T) => Rule): AsyncGenerator<readonly T[]> {
  let turn: T[] = [];
  let left = CONDITIONS_PER_TURN;
  for (const item of items) {
    const size = sizeOf(ruleOf(item));
    // One that is too large will not be judged.
    const conditions = size.ok ? size.value : 1;
    if (conditions > left) {
      yield turn;
      await new Promise<void>((resolve) => setImmediate(resolve));
      turn = [];
      left = CONDITIONS_PER_TURN;
    }
    turn.push(item);
    left -= conditions;
  }
  if (turn.length > 0) yield turn;
}

/** Rules do not change, so each is measured once. */
const sizes = new WeakMap<Rule, Result<number, string>>();

/** The conditions of a rule, or what makes it too large. */
export function sizeOf(rule: Rule): Result<number, string> {
  const known = sizes.get(rule);
  if (known) return known;
  const size = measureRule(rule);
  sizes.set(rule, size);
  return size;
}
