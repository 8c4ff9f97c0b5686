import { digestOfJson } from '../base/digest.ts';
import { partsOfStepRun, type StepRunId } from '../base/id.ts';
import type { Json, JsonObject } from '../base/json.ts';
import { after, durationMs } from '../base/time.ts';
import type { ActionStep } from '../playbook/graph.ts';
import { bindAt, failDefined } from './bind.ts';
import { goOn, type Step, type Turn } from './turn.ts';

/** Between two looks at a step that is under way elsewhere: half as long as that has lasted. */
const SHORTEST_MS = 1_000;
const LONGEST_MS = 300_000;

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
  if (claim?.kind === 'done' && now < after(claim.at, dedup.window)) {
    const { run: from, output, senders } = claim;
    const heard = senders.length > 0 && { senders };
    turn.emit({ kind: 'step-kept', step: at, parameters, from, output, changed: false, ...heard });
    return goOn(step, items, step.next);
  }
  // Of an unknown outcome nobody has to hear, once even what was done last would be too long ago.
  if (claim?.kind === 'under_way' && !(claim.ended !== undefined && now >= after(claim.ended, dedup.window))) {
    const waitMs = Math.min(Math.max((now - claim.since) / 2, SHORTEST_MS), LONGEST_MS);
    const retryAt = after(now, durationMs(Math.ceil(waitMs)));
    turn.emit({ kind: 'step-deferred', step: at, parameters, behind: claim.run, retryAt });
    return undefined;
  }
  turn.emit({ kind: 'step-claimed', step: at, key, until: after(run.deadlineAt, dedup.window) });
  return act();
}
