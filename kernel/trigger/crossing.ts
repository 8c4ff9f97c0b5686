import type { TriggerEvaluation } from './evaluate.ts';

/**
 * Whether a condition has become true for a thing. A thing is above while its row says so; without a row it is not.
 * An event for which the rule is undecided, or that lacks a field, says nothing about the thing and moves nothing.
 */
export type Crossing = 'crossed' | 'still_above' | 'fell' | 'nothing';

export function crossingOf(evaluation: Pick<TriggerEvaluation, 'outcome' | 'why'>, isAbove: () => boolean): Crossing {
  if (evaluation.outcome === 'matched') return isAbove() ? 'still_above' : 'crossed';
  return isFalse(evaluation) && isAbove() ? 'fell' : 'nothing';
}

/** The conditions that decided have all been answered, so the rule is false; one that was not leaves it undecided. */
const isFalse = ({ outcome, why }: Pick<TriggerEvaluation, 'outcome' | 'why'>): boolean =>
  outcome === 'not_matched' && why.length > 0 && why.every(({ reason }) => reason === 'false' || reason === 'true');
