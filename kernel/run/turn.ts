import { invariant } from '../base/assert.ts';
import type { Decision, Effect, Facts, Need } from './decision.ts';
import type { RunEvent } from './event.ts';
import { evolve } from './evolve.ts';
import type { Run } from './state.ts';

/**
 * A turn in the making: emits events and folds each at once, so that the next rule sees the run as it will be stored.
 * Local to one call of decide; nothing outside sees it half done.
 */
export type Turn = {
  readonly facts: Facts;
  run(): Run;
  emit(event: RunEvent): void;
  ask(effect: Effect): void;
  done(): Decision;
};

/** What a rule of the machine returns: a judgement it lacks, or undefined when it has said all it has to say. */
export type Step = Need | undefined;

export function beginTurn(run: Run | null, facts: Facts): Turn {
  const events: RunEvent[] = [];
  const befores: (Run | null)[] = [];
  const effects: Effect[] = [];
  let folded = run;
  const now = () => {
    invariant(folded, 'a turn begins with a run or with run-started');
    return folded;
  };
  return {
    facts,
    run: now,
    emit(event) {
      befores.push(folded);
      folded = evolve(folded, event, facts.seq + events.length, facts.now);
      events.push(event);
    },
    ask: (effect) => void effects.push(effect),
    done: () => ({ kind: 'turn', run: { ...now(), version: (run?.version ?? 0) + 1 }, events, befores, effects }),
  };
}
