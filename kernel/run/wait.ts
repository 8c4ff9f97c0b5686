import { type EventId, type PrincipalId, partsOfStepRun, type StepRunId, stepRunId } from '../base/id.ts';
import type { JsonObject } from '../base/json.ts';
import { isObject } from '../base/json.ts';
import { after, parseTimestamp, unixMs } from '../base/time.ts';
import type { WaitStep } from '../playbook/graph.ts';
import { bindAt, failDefined, failWith } from './bind.ts';
import type { Input } from './decision.ts';
import { waitKey } from './scope.ts';
import { goOn, type Step, type Turn } from './turn.ts';

/** A step that waits: for a length of time, until an instant, or for an event. Every wait ends with the run at the latest. */
export function reachWait(turn: Turn, step: WaitStep, items: readonly number[]): Step {
  const at = stepRunId(step.id, items);
  const { now } = turn.facts;
  const { deadlineAt, playbook } = turn.run();
  const { wait } = step;
  if (wait.kind === 'for') return openUntil(turn, at, {}, after(now, wait.length));
  if (wait.kind === 'until') {
    const bound = bindAt(turn, step, items, { until: wait.instant });
    if (typeof bound === 'string') return failDefined(turn, step, at, bound);
    const instant = typeof bound.until === 'string' ? parseTimestamp(bound.until) : undefined;
    if (instant === undefined) return failDefined(turn, step, at, 'until must be an RFC 3339 timestamp');
    // What has passed is over at once.
    return instant <= now ? pass(turn, step, at, {}) : openUntil(turn, at, bound, instant);
  }
  const bound = bindAt(turn, step, items, { match: wait.match });
  if (typeof bound === 'string') return failDefined(turn, step, at, bound);
  const match = isObject(bound.match) ? bound.match : {};
  const until = wait.timeout === undefined ? deadlineAt : unixMs(Math.min(after(now, wait.timeout), deadlineAt));
  const key = waitKey(playbook.digest, step.id, match);
  turn.emit({ kind: 'step-opened', step: at, parameters: { match }, open: { waitsFor: 'event', key, until } });
  return undefined;
}

function openUntil(turn: Turn, at: StepRunId, parameters: JsonObject, until: ReturnType<typeof after>): Step {
  turn.emit({ kind: 'step-opened', step: at, parameters, open: { waitsFor: 'time', until } });
  return undefined;
}

type Waker = { readonly event: EventId; readonly senders: readonly PrincipalId[] };

/** The wait is over as it should be. */
export function pass(turn: Turn, step: WaitStep, at: StepRunId, output: JsonObject, waker?: Waker): Step {
  turn.emit({ kind: 'step-succeeded', step: at, attempt: 0, output, ...waker });
  return goOn(step, partsOfStepRun(at).items, step.next);
}

/** Whoever sent it had a say in what the run does next, and so has none in whether it may (R2). */
export const arrive = (
  turn: Turn,
  step: WaitStep,
  { step: at, event, by, taken }: Extract<Input, { kind: 'arrived' }>,
): Step => pass(turn, step, at, { event, ...taken }, { event, senders: [by] });

/** The event did not come in time. */
export function expire(turn: Turn, step: WaitStep, at: StepRunId): Step {
  return failWith(turn, step, at, { class: 'timeout', message: 'the event did not come in time' });
}
