import { unreachable } from '../base/assert.ts';
import { partsOfStepRun } from '../base/id.ts';
import { own } from '../base/own.ts';
import { wayOnFailure } from '../playbook/graph.ts';
import type { Need } from './decision.ts';
import { completeRun } from './end.ts';
import { endLane, startNextLane } from './fork.ts';
import { reach } from './reach.ts';
import { laneOf } from './scope.ts';
import { stopRun } from './stop.ts';
import { goOn, type Move, type Step, stop, type Turn } from './turn.ts';

/**
 * Forward motion: carries a move out, and the one that follows from it, until there is nothing more to say. Lanes that
 * may begin do so then. A loop, not a recursion: a run may pass many steps in one turn.
 */
export function advance(turn: Turn, first: Step): Need | undefined {
  for (let step = first; ; ) {
    if (step === undefined) step = turn.mayStartLane() ? startNextLane(turn) : undefined;
    if (step === undefined || step.kind === 'branch' || step.kind === 'verdict') return step;
    step = carryOut(turn, step);
  }
}

function carryOut(turn: Turn, move: Move): Step {
  switch (move.kind) {
    case 'reach':
      return reach(turn, move.to, move.items);
    case 'go-on': {
      if (move.to !== null) return reach(turn, move.to, move.items);
      const lane = laneOf(turn.facts.graph, move.from, move.items);
      return lane ? endLane(turn, lane, 'succeeded') : completeRun(turn);
    }
    case 'fail':
      return afterFailure(turn, move);
    case 'stop':
      return stopRun(turn, move);
    default:
      return unreachable(move);
  }
}

/** The author of a step says what its failure makes of the run; without a word its lane fails, or the run. */
function afterFailure(turn: Turn, { step, at, error, reason }: Extract<Move, { kind: 'fail' }>): Step {
  const { items } = partsOfStepRun(at);
  const way = wayOnFailure(step);
  switch (way.kind) {
    case 'fail': {
      const lane = laneOf(turn.facts.graph, step, items);
      return lane ? endLane(turn, lane, 'failed') : stop('failed', reason, { at, error });
    }
    case 'continue':
      return goOn(step, items, 'next' in step ? step.next : null);
    case 'goto':
      return goOn(step, items, way.to);
    case 'manual': {
      const parameters = own(turn.run().steps, at)?.parameters ?? {};
      turn.emit({ kind: 'step-opened', step: at, parameters, open: { waitsFor: 'person', error } });
      return undefined;
    }
    default:
      return unreachable(way);
  }
}
