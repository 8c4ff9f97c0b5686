import type { PrincipalId } from '../base/id.ts';
import type { StoredTurn } from './event.ts';

/**
 * Whose word has led a run to its end: who cancelled or paused it, said no, or said what became of a step. Whoever agreed to
 * something wanted it to go on. They have no vote in what the end starts, as whoever caused the run has none (R2).
 */
export function ledTo(turns: Iterable<StoredTurn>): readonly PrincipalId[] {
  const people = new Set<PrincipalId>();
  for (const { events } of turns)
    for (const event of events)
      switch (event.kind) {
        case 'run-cancel':
          if (event.by !== null) people.add(event.by);
          break;
        case 'approval-voted':
          if (event.decision === 'reject') people.add(event.by);
          break;
        case 'run-paused':
        case 'step-settled':
        case 'step-by-hand':
          people.add(event.by);
      }
  return [...people];
}
