import type { AuditDraft } from '../audit/record.ts';
import { digestOf } from '../base/digest.ts';
import type { Digest, EventId, OrgId, PrincipalId, RunId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { UnixMs } from '../base/time.ts';
import { findingOf } from '../incident/finding.ts';
import type { Change as IncidentChange } from '../incident/incident.ts';
import { actorOf, type Principal } from '../org/principal.ts';
import type { Clock, Entropy } from '../port/clock.ts';
import type { Store, Write } from '../port/store.ts';
import type { StopOf } from '../run/decision.ts';
import type { Evaluated, JudgedCounts, TriggerEvaluation } from '../trigger/evaluate.ts';
import type { NormalEvent } from '../trigger/event.ts';
import type { ActiveTrigger } from '../trigger/indexed.ts';
import { type Admission, type Ask, admit, type Change, resultOf } from './admission.ts';
import { type Arrivals, type Found, NOT_AWAITED } from './arrivals.ts';
import type { Driver, Judgements, Start } from './drive.ts';
import { gather } from './gather.ts';
import { forgetRows } from './kept-row.ts';
import { KEYS } from './keys.ts';
import type { Ledger } from './ledger.ts';
import type { Pending, PendingRow } from './pending.ts';
import type { Prepared } from './prepare.ts';
import type { ActiveSchedule, Registry } from './registry.ts';
import { startOf } from './start-of.ts';
import { type StoredEvent, type TriggerOutcome, toldOf, type Woken } from './stored-event.ts';
import { incidentRows } from './tell.ts';
import { watch } from './watch.ts';

/**
 * Judges what the triggers that match would start, and takes an event in: admission, the starts of runs, what wakes, and
 * every evaluation, all in one commit.
 */
export type Receipt = {
  readonly event: EventId;
  readonly repeat: boolean;
  readonly seq: number;
  readonly triggers: readonly TriggerOutcome[];
  readonly counts: JudgedCounts;
  /** Steps that waited for it. */
  readonly woke: readonly Woken[];
  /** Steps that waited for an event with its key, and whose `where` it did not meet. */
  readonly unmet: number;
};
export type IngestFault = { readonly kind: 'unknown_org' | 'event_conflict' | 'too_many_runs' };

/** Conditions that are told for one trigger. */
const REASONS = 4;
/** Old rows that a commit removes beyond twice those that it writes. */
const FORGOTTEN = 8;

export type Moved = NonNullable<Ask['moved']>;

/** One event on its way in. */
export type Taking = {
  readonly by: Principal;
  readonly id: EventId;
  readonly event: NormalEvent;
  readonly arrived: UnixMs;
  /** Of the end of a run: who had a part in that, and the row that says that triggers have yet to be asked. */
  readonly end?: { readonly senders: readonly PrincipalId[]; readonly row: string };
};
/** A match, with the run that it would start. */
export type Match = {
  readonly active: ActiveTrigger | ActiveSchedule;
  readonly evaluation: TriggerEvaluation;
  readonly run: RunId;
  readonly start: Start | undefined;
  readonly judgements: Judgements | undefined;
  readonly moved?: Moved;
};
type Begun = { readonly prepared: Prepared; readonly row: PendingRow | undefined };

export type TakeIn = ReturnType<typeof openTakeIn>;

export function openTakeIn(deps: {
  store: Store;
  ledger: Ledger;
  driver: Driver;
  registry: Registry;
  pending: Pending;
  arrivals: Arrivals;
  clock: Clock;
  entropy: Entropy;
  runsInFlight: (org: OrgId) => number;
  stopOf: (org: OrgId) => StopOf | null;
  report: (defect: unknown) => void;
}) {
  const { store, ledger, driver, registry, pending, arrivals, clock, entropy, runsInFlight, stopOf, report } = deps;
  const { read } = ledger;

  async function matchesOf(taking: Taking, { triggers, evaluations }: Evaluated): Promise<readonly Match[]> {
    const matches: Match[] = [];
    for (const [index, evaluation] of evaluations.entries()) {
      const active = triggers[index];
      if (matches.length === LIMITS.matchesPerEvent.value) break;
      if (active && evaluation.outcome === 'matched') matches.push(await matchOf(taking, active, evaluation));
    }
    return matches;
  }

  async function matchOf(
    taking: Taking,
    active: Match['active'],
    evaluation: TriggerEvaluation,
    moved?: Match['moved'],
  ): Promise<Match> {
    const match = { active, evaluation, run: `run_${entropy.id()}` as RunId, ...(moved && { moved }) };
    // One playbook that cannot start must not keep the others from starting, and not the event from being taken in.
    try {
      const first = startOf({ registry, entropy }, taking.by, taking.id, taking.event, active, match.run);
      const senders = taking.end?.senders ?? [];
      const start = first && { ...first, ...(senders.length > 0 && { senders }) };
      // What starts nothing needs no judgement of a run.
      const isStart = start && admissionOf(taking, match, taking.arrived, ledger.nextSeq()).kind === 'start';
      return { ...match, start, judgements: isStart ? await driver.prefetchStart(start) : undefined };
    } catch (defect) {
      report(defect);
      return { ...match, start: undefined, judgements: undefined };
    }
  }

  const admissionOf = (
    { by, id, event, arrived }: Taking,
    { active, evaluation, run, moved }: Pick<Match, 'active' | 'evaluation' | 'run' | 'moved'>,
    now: UnixMs,
    seq: number,
  ): Admission =>
    admit(read, pending, {
      org: by.org,
      stop: stopOf(by.org),
      name: { playbook: active.playbook, trigger: active.trigger.id },
      trigger: active.trigger,
      concurrency: registry.concurrency(by.org, active.playbook, active.digest as Digest),
      evaluation,
      data: event.data,
      event: id,
      run,
      arrived,
      now,
      seq,
      ...(moved && { moved }),
    });

  /** @returns undefined when a match has become a start meanwhile, and was not looked at as one: all begins anew. */
  function commit(
    taking: Taking,
    { triggers, evaluations, counts }: Evaluated,
    matches: readonly Match[],
    found: Found = NOT_AWAITED,
  ): Promise<Result<Receipt, IngestFault>> | undefined {
    const { by, id, event } = taking;
    const now = clock.now();
    const seq = ledger.nextSeq();
    const isUnforeseen = (match: Match) =>
      match.start && !match.judgements && admissionOf(taking, match, now, seq).kind === 'start';
    const isLacking = ({ start, judgements }: Match) => {
      try {
        return start && judgements && driver.lacks(start, judgements, now);
      } catch {
        // Told when it is made.
        return false;
      }
    };
    if (matches.some(isUnforeseen) || matches.some(isLacking)) return undefined;
    const mayStart = matches.some(({ judgements }) => judgements);
    if (mayStart && runsInFlight(by.org) >= LIMITS.runsInFlightPerOrg.value)
      return Promise.resolve(err({ kind: 'too_many_runs' }));

    const gathered = gather(read);
    const audit: AuditDraft[] = [];
    const reported = reportedBy(by, id, event, seq, now);
    if (reported) {
      // Before the runs that the event starts: they stand on what it says.
      audit.push(reported.audit);
      gathered.push(incidentRows(by.org, [reported.change], read));
    }
    const begun: Begun[] = [];
    const results = new Map<TriggerEvaluation, ReturnType<typeof resultOf>>();
    const put = (change: Change) => {
      gathered.push(change.rows);
      audit.push(...change.audit);
    };
    for (const match of matches) {
      const admission = admissionOf(taking, match, now, seq);
      if (admission.kind !== 'start') {
        put(admission.change);
        results.set(match.evaluation, resultOf(admission));
        continue;
      }
      const made = makeRun(match, admission.row, seq, audit.length, now, gathered.read);
      if (made) {
        put(made.prepared);
        begun.push(made);
        pending.staged(made.prepared.run, made.row);
      }
      put(made ? admission.made : admission.failed);
      // A match that could not start is said to be an error, not a match.
      const outcome = !made ? 'error' : made.row ? 'queued' : 'matched';
      results.set(match.evaluation, { outcome, run: made ? match.run : null });
    }
    for (const [index, evaluation] of evaluations.entries()) {
      const active = triggers[index];
      if (active?.trigger.on === 'condition' && evaluation.outcome === 'not_matched')
        gathered.push(watch(read, by.org, evaluation, active.trigger, evaluation, event.data, now).rows);
    }
    const outcomes = evaluations.map(({ dedupKey: _, why, ...rest }, index): TriggerOutcome => {
      // An event keeps the first reasons of each trigger: enough to see why, whatever the size of the rule.
      const told = { ...rest, why: why.slice(0, REASONS), run: null };
      // One match too many: it is not looked at, and said to be an error too.
      const result = results.get(evaluations[index] as TriggerEvaluation);
      return { ...told, ...(rest.outcome === 'matched' && { outcome: 'error' }), ...result };
    });
    const told = toldOf(outcomes);
    const arrived = arrivals.claim(by.org, found, now);
    const came = { event: id, by: by.id };
    const unmet = arrivals.unmet(by.org, found);
    const woke = arrived.map(({ run, step }) => ({ run, step }));
    const stored: StoredEvent = {
      ...{ id, receivedAt: now, by: by.id, seq, event, triggers: told, counts },
      ...(woke.length > 0 && { woke }),
      ...(unmet > 0 && { unmet }),
    };
    const text = JSON.stringify(stored);
    gathered.push([
      { key: KEYS.event(by.org, id), value: text },
      { key: KEYS.eventAt(by.org, now, id), value: '' },
      ...arrivals.rowsOf(by.org, came, arrived),
      ...(taking.end ? [{ key: taking.end.row, value: null }] : []),
    ]);
    const { rows } = gathered;
    const actor = actorOf(by.id);
    const accepted: AuditDraft = { org: by.org, kind: 'event.accepted', actor, ref: id, act: digestOf(text) };
    // What is too old goes first, so that a row which is written anew stays.
    const durable = ledger.stage({ audit: [accepted, ...audit], rows: [...oldRows(by.org, rows, now), ...rows] });
    for (const { prepared } of begun) driver.keep(prepared.run);
    return durable.then(() => {
      for (const { prepared, row } of begun) {
        driver.adopt(prepared);
        if (row) pending.begun(row);
      }
      arrivals.wake(by.org, came, arrived);
      return ok({ event: id, repeat: false, seq, triggers: told, counts, woke, unmet });
    });
  }

  /** The finding that the event carries, as a change of its incident; recorded right behind the event. */
  function reportedBy({ org, id: principal }: Principal, id: EventId, event: NormalEvent, seq: number, at: UnixMs) {
    const policy = registry.org(org)?.incidents;
    const finding = policy && findingOf(policy, event.data);
    if (!finding) return undefined;
    const { incident, asked } = finding;
    const actor = actorOf(principal);
    const outcome = asked.state && { outcome: asked.state };
    const audit: AuditDraft = { org, kind: 'incident.updated', actor, ref: incident, cause: seq, ...outcome };
    const entry: IncidentChange['entry'] = { at, seq: seq + 1, kind: 'reported', by: actor, event: id };
    return { audit, change: { incident, entry, asked: { ...asked, source: event.source } } };
  }

  /** As in the prefetch: one that cannot start keeps no other from it. */
  function makeRun(
    { start, judgements }: Match,
    row: PendingRow | undefined,
    seq: number,
    before: number,
    now: UnixMs,
    staged: Ledger['read'],
  ) {
    try {
      const prepared =
        start &&
        judgements &&
        driver.prepareStart({ ...start, eventSeq: seq, ...(row && { queued: true }) }, judgements, {
          seq: seq + 1 + before,
          now,
          read: staged,
        });
      return prepared && { prepared, row };
    } catch (defect) {
      report(defect);
      return undefined;
    }
  }

  /** Old rows, in number as the new ones that will be old one day. */
  function oldRows(org: OrgId, rows: readonly Write[], now: UnixMs): readonly Write[] {
    const kept = rows.filter(({ key, value }) => value !== null && key.startsWith(`${org}/forget/`)).length;
    return kept === 0 ? [] : forgetRows(store, read, org, now, 2 * kept + FORGOTTEN);
  }

  return { matchesOf, matchOf, commit };
}
