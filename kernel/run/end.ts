import type { StepId } from '../base/id.ts';
import { own } from '../base/own.ts';
import type { Terminal } from './state.ts';
import type { Step, Turn } from './turn.ts';

/** Ends a run: open approvals are withdrawn, steps never reached are skipped with the reason, nothing is left open. */
export function endRun(turn: Turn, state: Terminal, reason: string): Step {
  for (const approval of Object.values(turn.run().approvals))
    if (approval.state === 'pending')
      turn.emit({ kind: 'approval-decided', approval: approval.id, state: 'withdrawn' });
  const never: StepId[] = [];
  for (const id of turn.facts.graph.steps.keys()) {
    const step = own(turn.run().steps, id);
    const neverTried = step?.attempts.length === 0 && (step.state === 'ready' || step.state === 'held');
    if (!step || neverTried) never.push(id);
  }
  if (never.length > 0)
    turn.emit({ kind: 'steps-skipped', steps: never, reason: state === 'completed' ? 'branch-not-taken' : reason });
  turn.emit({ kind: 'run-ended', state, reason });
  return undefined;
}
