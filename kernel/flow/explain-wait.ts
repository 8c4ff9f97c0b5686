import type { Digest, OrgId, RunId, StepId, StepRunId } from '../base/id.ts';
import type { JsonObject } from '../base/json.ts';
import { isObject } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';
import { own } from '../base/own.ts';
import type { UnixMs } from '../base/time.ts';
import type { Clock } from '../port/clock.ts';
import { type Reading, readRule } from '../rule/reading.ts';
import { factsOf } from '../trigger/evaluate.ts';
import type { NormalEvent } from '../trigger/event.ts';
import { holds, type Waited } from './arrivals.ts';
import type { Query } from './query.ts';
import { othersFirst, type Scheduler } from './scheduler.ts';

/**
 * Says of an event which steps wait for one with its key, and what the `where` of each sees in it. Who waits is looked up
 * as it is staged; what is told of it is what its run says on disk, so a wait that is on its way there is not told yet.
 */
export type ExplainedWait = {
  /** The version that the runs keep to; another may be active by now. */
  readonly digest: Digest;
  readonly step: StepId;
  /** Pointers, each with the value that the event must have there, and has. */
  readonly match: JsonObject;
  readonly wakes: boolean;
  /** Null: it asks for no more than the key. */
  readonly where: Reading | null;
  readonly waiting: readonly { readonly run: RunId; readonly step: StepRunId; readonly until: UnixMs }[];
};
/** `untold`: how many more wait. */
export type ExplainedWaits = { readonly waits: readonly ExplainedWait[]; readonly untold: number };

/** @param waited of one playbook. */
export async function explainWaits(
  deps: { readonly query: Pick<Query, 'run'>; readonly clock: Clock; readonly scheduler: Pick<Scheduler, 'soon'> },
  org: OrgId,
  event: NormalEvent,
  waited: readonly Waited[],
): Promise<ExplainedWaits> {
  const { query, clock, scheduler } = deps;
  const waits: ExplainedWait[] = [];
  let left: number = LIMITS.waitsTold.value;
  let untold = 0;
  for (const { digest, step, wait, waiting } of waited) {
    const looked = waiting.slice(0, left);
    left -= looked.length;
    untold += waiting.length - looked.length;
    const told = [];
    for (const one of looked) {
      // A run is folded for each.
      await othersFirst(scheduler);
      const found = own(query.run(org, one.run)?.steps ?? {}, one.step);
      if (found?.state !== 'open' || found.waitsFor !== 'event' || clock.now() >= found.until) continue;
      told.push({ ...one, until: found.until, match: found.parameters.match });
    }
    const [first] = told;
    if (!first) continue;
    waits.push({
      digest,
      step,
      match: isObject(first.match) ? first.match : {},
      wakes: await holds(wait, factsOf(event)),
      where: wait.where ? readRule(wait.where, factsOf(event)) : null,
      waiting: told.map(({ run, step: at, until }) => ({ run, step: at, until })),
    });
  }
  return { waits, untold };
}
