import { partsOfStepRun, type StepRunId, stepRunId } from '../base/id.ts';
import type { Json, JsonObject } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';
import { own } from '../base/own.ts';
import { bind } from '../playbook/reference.ts';
import { scopeOf } from './scope.ts';
import type { Ending } from './state.ts';
import type { Step, Turn } from './turn.ts';

/** The last step of the outermost block has succeeded. What goes beyond the size of an output is null. */
export function completeRun(turn: Turn): Step {
  skipRest(turn, 'branch-not-taken');
  const scope = scopeOf(turn.run(), turn.facts.graph, { each: [] }, []);
  let left: number = LIMITS.stepOutputBytes.value;
  const output = Object.entries(turn.facts.graph.outputs).map(([name, reference]): [string, Json] => {
    const bound = bind(reference, scope);
    const value = bound.ok ? bound.value : null;
    left -= JSON.stringify(value).length;
    return [name, left >= 0 ? value : null];
  });
  turn.emit({
    kind: 'run-ended',
    state: 'completed',
    reason: 'completed',
    ...(output.length > 0 && { output: Object.fromEntries(output) as JsonObject }),
  });
  return undefined;
}

/** Ends a run of which nothing is under way any more. */
export function endRun(turn: Turn, { state, reason, failure }: Ending): Step {
  skipRest(turn, reason);
  turn.emit({ kind: 'run-ended', state, reason, ...(failure && { failure }) });
  return undefined;
}

/**
 * Steps that were never reached, and those that were reached and never tried, will not go on. A step inside of a
 * `foreach` is one for each item, so it is named only where it was reached.
 * @param tried also those that wait for another try: `run-ended` says the same of them, where it follows at once.
 */
export function skipRest(turn: Turn, reason: string, tried = false): void {
  const { steps } = turn.run();
  const never: StepRunId[] = [];
  const rank = new Map<string, number>();
  for (const { id, each } of turn.facts.graph.steps.values()) {
    rank.set(id, rank.size);
    const at = stepRunId(id, []);
    if (each.length === 0 && !own(steps, at)) never.push(at);
  }
  for (const step of Object.values(steps)) {
    const waits = step.state === 'ready' || step.state === 'held';
    if (step.state === 'open' || (waits && (tried || step.attempts.length === 0))) never.push(step.id);
  }
  const rankOf = (id: StepRunId) => rank.get(partsOfStepRun(id).step) ?? 0;
  if (never.length === 0) return;
  turn.emit({ kind: 'steps-skipped', steps: never.sort((a, b) => rankOf(a) - rankOf(b)), reason });
}
