import type { EventId, OrgId, RunId } from '../base/id.ts';
import type { UnixMs } from '../base/time.ts';
import type { Write } from '../port/store.ts';
import { evaluateTriggers } from '../trigger/evaluate.ts';
import type { NormalEvent } from '../trigger/event.ts';
import type { ActiveTrigger } from '../trigger/indexed.ts';
import { isFor } from '../trigger/schema.ts';
import { admit, resultOf, type Seating } from './admission.ts';
import type { TriggerOutcome } from './stored-event.ts';
import { watch } from './watch.ts';

/**
 * Puts triggers through events in the order in which they came, as if they had been active then: the same judging and the
 * same admission, over rows that are kept here and thrown away. What was before the first event is not known: no window
 * is open, nothing is above its threshold, no rate is used up.
 *
 * How long runs take is not known either, so every run finds its place at once. Nor is the state that incidents had: a
 * rule that asks about one is undecided.
 */
export type Rehearsed = Pick<TriggerOutcome, 'trigger' | 'outcome' | 'why'>;

const AT_ONCE: Seating = { seat: () => ({ kind: 'now' }), rows: () => [] };

export function openRehearsal(org: OrgId, all: readonly ActiveTrigger[]) {
  const rows = new Map<string, string>();
  const read = (key: string) => rows.get(key);
  const apply = (writes: readonly Write[]) => {
    for (const { key, value } of writes) {
      if (value === null) rows.delete(key);
      else rows.set(key, value);
    }
  };

  /** @returns what each trigger that is for such an event says, in their order. */
  return async (event: NormalEvent, id: EventId, at: UnixMs): Promise<readonly Rehearsed[]> => {
    const triggers = all.filter((one) => isFor(one, event));
    const evaluations = await evaluateTriggers(triggers, event);
    return evaluations.map((evaluation, index) => {
      const { playbook, trigger: name, outcome, why } = evaluation;
      const trigger = triggers[index]?.trigger;
      if (!trigger || outcome !== 'matched') {
        if (trigger?.on === 'condition' && outcome === 'not_matched')
          apply(watch(read, org, evaluation, trigger, evaluation, event.data, at).rows);
        return { trigger: name, outcome, why };
      }
      const admission = admit(read, AT_ONCE, {
        org,
        stop: null,
        name: { playbook, trigger: name },
        trigger,
        concurrency: undefined,
        evaluation,
        data: event.data,
        event: id,
        run: `run_${id.slice('evt_'.length)}` as RunId,
        arrived: at,
        now: at,
        seq: 0,
      });
      apply(admission.kind === 'start' ? admission.made.rows : admission.change.rows);
      return { trigger: name, outcome: resultOf(admission).outcome, why };
    });
  };
}
