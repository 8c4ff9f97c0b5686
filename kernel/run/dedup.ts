import { digestOfJson } from '../base/digest.ts';
import { partsOfStepRun, type StepRunId } from '../base/id.ts';
import type { Json, JsonObject } from '../base/json.ts';
import { own } from '../base/own.ts';
import { after, durationMs, unixMs } from '../base/time.ts';
import type { ActionStep } from '../playbook/graph.ts';
import { bindAt, failDefined } from './bind.ts';
import { goOn, type Step, type Turn } from './turn.ts';
import { UNDO_TIME } from './undo-time.ts';

/** From one look at a step that is under way elsewhere to the next: a quarter of the time that the wait has lasted. */
const SHORTEST_MS = 1_000;

/**
 * A step with `dedup` does what it does, unless a step of the same key has, or is about to.
 * @param act what it does.
 */
export function actOnce(turn: Turn, step: ActionStep, at: StepRunId, parameters: JsonObject, act: () => Step): Step {
  const { dedup } = step;
  if (!dedup) return act();
  const { items } = partsOfStepRun(at);
  const bound = bindAt(turn, step, items, { key: dedup.key });
  if (typeof bound === 'string') return failDefined(turn, step, at, bound);
  // Things without an identity are no repeats of each other.
  if ((bound.key as readonly Json[]).includes(null))
    return failDefined(turn, step, at, 'a part of its dedup key is null in this run');
  const { now } = turn.facts;
  const run = turn.run();
  const uses = `${step.plugin}/${step.action}`;
  const key = digestOfJson('step-dedup', { playbook: run.playbook.name, step: step.id, uses, ...bound });
  const claim = turn.claim(at, key);
  if (claim?.kind === 'own') return act();
  const isDone = claim?.kind === 'done' && now < after(claim.at, dedup.window);
  if (isDone) {
    // A person who has the run run again has it done again, as with the dedup of a trigger. It claims nothing: what is
    // done stays done, whatever becomes of this.
    if (run.again && run.keeps === undefined) return act();
    const { run: from, output, senders } = claim;
    const heard = senders.length > 0 && { senders };
    turn.emit({ kind: 'step-kept', step: at, parameters: claim.parameters, from, output, changed: false, ...heard });
    return goOn(step, items, step.next);
  }
  // Of an unknown outcome nobody has to hear, once even what was done last would be too long ago.
  const isAwaited =
    claim?.kind === 'under_way' && !(claim.ended !== undefined && now >= after(claim.ended, dedup.window));
  if (isAwaited) {
    const state = own(run.steps, at);
    const since = state?.state === 'ready' && state.waitsFor === 'claim' ? state.since : now;
    const waitMs = Math.max(Math.ceil((now - since) / 4), SHORTEST_MS);
    const retryAt = after(now, durationMs(waitMs));
    turn.emit({ kind: 'step-deferred', step: at, parameters, behind: claim.run, retryAt });
    return undefined;
  }
  const undoMs = step.rollback ? UNDO_TIME : 0;
  turn.emit({ kind: 'step-claimed', step: at, key, until: after(unixMs(run.deadlineAt + undoMs), dedup.window) });
  return act();
}
