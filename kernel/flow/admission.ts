import type { StoppedBy, Suppressed } from '../../sdk/contract/api-trigger.ts';
import type { AuditDraft } from '../audit/record.ts';
import type { EventId, OrgId, RunId } from '../base/id.ts';
import type { JsonObject } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';
import type { UnixMs } from '../base/time.ts';
import type { Write } from '../port/store.ts';
import type { StopOf } from '../run/decision.ts';
import type { TriggerEvaluation } from '../trigger/evaluate.ts';
import { chainOf } from '../trigger/event.ts';
import { begin, heldBack, meet, suppress } from '../trigger/pace.ts';
import type { Trigger } from '../trigger/schema.ts';
import { type Fate, note } from '../trigger/tally.ts';
import { tellBurst } from './burst.ts';
import type { Concurrency, Pending, PendingRow } from './pending.ts';
import { absorbedRows, cooling, type Matched, repeatedRun, startedRows } from './repeat.ts';
import type { TriggerOutcome } from './stored-event.ts';
import { readState, refOf, stateRows, type TriggerName, type TriggerState } from './trigger-state.ts';
import { watch } from './watch.ts';

/**
 * What becomes of a match: a run, a run that waits, or none, and why. Reads what is staged and changes nothing; whoever
 * asks stages the answer before anything else can run.
 *
 * In this order: a condition that held before fires nothing; what is stopped starts nothing; a chain of runs that start one
 * another ends; a repeat is taken in by its run; then the limits; then a place among the runs of the playbook.
 */
export type Ask = {
  readonly org: OrgId;
  /** Whose stop keeps the org from starting anything; null: nobody's. */
  readonly stop: StopOf | null;
  readonly name: TriggerName;
  readonly trigger: Trigger;
  readonly concurrency: Concurrency | undefined;
  readonly evaluation: Pick<TriggerEvaluation, 'outcome' | 'why' | 'dedupKey'>;
  readonly data: JsonObject;
  readonly event: EventId;
  /** The run that would be made. */
  readonly run: RunId;
  /** When the event came. Repeats are told by it, so that the answer is the same before and after a wait. */
  readonly arrived: UnixMs;
  readonly now: UnixMs;
  /** Audit number of the event's acceptance. */
  readonly seq: number;
  /** What else moves in the trigger's row: the place of a schedule. */
  readonly moved?: Partial<Pick<TriggerState, 'place' | 'due'>>;
};

export type Change = { readonly rows: readonly Write[]; readonly audit: readonly AuditDraft[] };

export type Admission =
  | { readonly kind: 'not_crossed'; readonly change: Change }
  | { readonly kind: 'absorbed'; readonly run: RunId; readonly change: Change }
  | {
      readonly kind: 'suppressed';
      readonly reason: Suppressed;
      /** Until when, where that is known. */
      readonly until: UnixMs | undefined;
      readonly stop?: StoppedBy;
      readonly run: RunId | null;
      readonly change: Change;
    }
  | {
      readonly kind: 'start';
      readonly row: PendingRow | undefined;
      /** Where the run was made, and where it could not be: then the next event may try again. */
      readonly made: Change;
      readonly failed: Change;
    };

/** Who tells whether there is a place among the runs of a playbook. */
export type Seating = Pick<Pending, 'seat' | 'rows'>;

export function admit(read: (key: string) => string | undefined, pending: Seating, ask: Ask): Admission {
  const { org, name, trigger, event, run, arrived, now } = ask;
  const judged = trigger.on === 'schedule' ? undefined : trigger;
  const limits = judged?.limits;
  const watched =
    trigger.on === 'condition' ? watch(read, org, name, trigger, ask.evaluation, ask.data, now) : undefined;
  const crossed = watched?.rows ?? [];
  if (watched && watched.crossing !== 'crossed') return { kind: 'not_crossed', change: { rows: crossed, audit: [] } };

  const before = readState(read, org, name);
  const told = tellBurst(org, name, before, meet(before.pace, limits, now), limits, now, { event: ask.seq });
  const record = { org, actor: 'system:trigger', ref: refOf(name), cause: ask.seq };
  const change = (fate: Fate, rows: readonly Write[], audit: readonly AuditDraft[], to: Partial<TriggerState> = {}) => {
    const state = { ...told.state, ...ask.moved, ...to, hours: note(before.hours, now, fate) };
    return {
      rows: [...stateRows(org, name, before, state), ...told.rows, ...rows],
      audit: [...told.audit, ...audit],
    };
  };
  const held = (
    reason: Suppressed,
    standing: RunId | null,
    until?: UnixMs,
  ): Extract<Admission, { kind: 'suppressed' }> => {
    const records = [
      { ...record, kind: 'trigger.suppressed' as const, outcome: reason, ...(standing && { run: standing }) },
    ];
    const to = reason === 'burst' ? { pace: suppress(told.state.pace) } : {};
    return { kind: 'suppressed', reason, until, run: standing, change: change(reason, crossed, records, to) };
  };

  // The widest that keeps it: who ends only the stop of the trigger would find that it starts nothing still.
  const stop = ask.stop ?? (before.stopped ? 'trigger' : undefined);
  if (stop) return { ...held('stopped', null), stop };
  if (trigger.on === 'run' && chainOf(ask.data).length >= LIMITS.runsInChain.value) return held('chain', null);
  const matched: Matched | undefined = judged && {
    org,
    name,
    trigger: judged,
    dedupKey: ask.evaluation.dedupKey,
    data: ask.data,
  };
  const policy = judged?.dedup?.repeat;
  const repeated = matched && repeatedRun(read, matched, arrived);
  if (repeated && (policy === 'drop' || policy === 'coalesce')) {
    const taken = policy === 'coalesce' ? absorbedRows(read, org, repeated, event, now) : [];
    const audit = [{ ...record, kind: 'trigger.absorbed' as const, run: repeated, outcome: policy }];
    return { kind: 'absorbed', run: repeated, change: change('absorbed', [...crossed, ...taken], audit) };
  }
  const tooFast = heldBack(told.state.pace, limits, now);
  if (tooFast?.reason === 'burst') return held('burst', null, tooFast.until);
  const cool = matched && cooling(read, matched, arrived);
  if (cool?.run) return held('cooldown', cool.run, cool.until);
  if (tooFast) return held(tooFast.reason, null, tooFast.until);

  const repeat = repeated && (policy === 'queue' || policy === 'restart') ? { run: repeated, policy } : undefined;
  const seat = pending.seat(org, name.playbook, run, ask.concurrency, repeat);
  if (seat.kind === 'none') return held(seat.why, seat.run);
  const started = matched ? startedRows(read, matched, run, now) : [];
  const next = { pace: begin(told.state.pace, limits, now), last: { at: now, event, run } };
  const failed = change('failed', [], []);
  if (seat.kind === 'now')
    return { kind: 'start', row: undefined, made: change('started', [...crossed, ...started], [], next), failed };
  const queued = { ...record, kind: 'trigger.queued' as const, run, outcome: seat.for };
  const rows = [...crossed, ...started, ...pending.rows(seat.row)];
  return { kind: 'start', row: seat.row, made: change('queued', rows, [queued], next), failed };
}

/** How an admission is told. The run of a start is the caller's to name. */
export const resultOf = (
  admission: Admission,
): Pick<TriggerOutcome, 'outcome' | 'run' | 'reason' | 'until' | 'stop'> => {
  switch (admission.kind) {
    case 'start':
      return { outcome: admission.row ? 'queued' : 'matched', run: null };
    case 'not_crossed':
      return { outcome: 'not_crossed', run: null };
    case 'absorbed':
      return { outcome: 'absorbed', run: admission.run };
    case 'suppressed':
      return {
        outcome: 'suppressed',
        run: admission.run,
        reason: admission.reason,
        ...(admission.until !== undefined && { until: admission.until }),
        ...(admission.stop && { stop: admission.stop }),
      };
  }
};
