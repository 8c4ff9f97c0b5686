import { setImmediate } from 'node:timers/promises';
import type { AuditDraft } from '../audit/record.ts';
import type { Digest, OrgId, PrincipalId, RunId } from '../base/id.ts';
import { resolvePointer } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import { actorOf, isPerson, type Principal } from '../org/principal.ts';
import type { Clock, Entropy } from '../port/clock.ts';
import { isOpenToSettle } from '../run/open-work.ts';
import type { Run } from '../run/state.ts';
import type { Trigger } from '../trigger/schema.ts';
import type { Driver, Start } from './drive.ts';
import { KEYS } from './keys.ts';
import type { Ledger } from './ledger.ts';
import type { Pending } from './pending.ts';
import type { ActiveSchedule, Registry } from './registry.ts';
import { startOf } from './start-of.ts';
import type { StoredEvent } from './stored-event.ts';
import { readState } from './trigger-state.ts';

/**
 * A person has an ended run run again: a new run of the same event by the same trigger, of the versions that are active
 * now. Nobody who had a part in the first, and not who asks, votes in it (R2). Of the runs that stand on one event and
 * one trigger one is under way at a time, so whoever asks twice is told of the same run; that holds after a crash too,
 * because the run and the row that names it are one commit.
 *
 * It asks neither the rule of the trigger, nor dedup and limits, which hold back what machines send. The fields that the
 * trigger requires, a stop, and the places for runs hold for it. Nothing begins while something of the runs before it is
 * under way, which may still be undone, or unknown, which may have happened: the new run would do it beside that.
 */
export type AgainFault =
  | 'not_found'
  | 'sub_run'
  | 'not_ended'
  | 'unsettled'
  | 'not_last'
  | 'event_gone'
  | 'no_trigger'
  | 'stopped'
  | 'too_many_runs'
  | 'playbook_busy'
  | 'impossible';

/** @param keep what the old run has done is not done again (run/keep.ts). */
export type RunAgain = (by: Principal, run: RunId, reason: string, keep?: boolean) => Promise<Result<Run, AgainFault>>;

type Active = Pick<ActiveSchedule, 'playbook' | 'digest'> & { readonly trigger: Trigger };
type Found =
  | { readonly kind: 'under_way'; readonly old: Run; readonly run: Run }
  | {
      readonly kind: 'free';
      readonly old: Run;
      /** The last that ran in its place, which has ended as well. */
      readonly last: Run | null;
      readonly stored: StoredEvent;
      readonly active: Active;
    };

type Free = Extract<Found, { kind: 'free' }>;

export function openRunAgain(deps: {
  ledger: Pick<Ledger, 'read' | 'stage' | 'nextSeq'>;
  driver: Pick<Driver, 'load' | 'isActive' | 'prefetchStart' | 'lacks' | 'prepareStart' | 'keep' | 'adopt'>;
  registry: Registry;
  pending: Pick<Pending, 'seat' | 'staged'>;
  clock: Clock;
  entropy: Entropy;
  runsInFlight: (org: OrgId) => number;
  isStopped: (org: OrgId) => boolean;
  /** Whether a run that a step has asked for is about to begin. */
  isStarting: (run: RunId) => boolean;
}): RunAgain {
  const { ledger, driver, registry, pending, clock, entropy, runsInFlight, isStopped, isStarting } = deps;

  const activeOf = (org: OrgId, { playbook, trigger }: Run): Active | undefined => {
    const judged = registry.org(org)?.triggers.of(playbook.name) ?? [];
    const schedules = registry.org(org)?.schedules.filter((one) => one.playbook === playbook.name) ?? [];
    return [...judged, ...schedules].find((one) => one.trigger.id === trigger);
  };

  /** How it stands at this moment, as staged. */
  const look = (org: OrgId, id: RunId): Result<Found, AgainFault> => {
    const old = driver.load(org, id);
    if (!old) return err('not_found');
    // Its inputs are those that the step gave it, and no trigger has them.
    if (old.parent || old.startedBy) return err('sub_run');
    // Until its end is on the disk nobody has been told of it, and what its last turns ask for has not begun.
    if (!old.ended || driver.isActive(org, id)) return err('not_ended');
    const last = ledger.read(keyOf(old));
    const run = last === undefined ? null : driver.load(org, (JSON.parse(last) as AgainRow).run);
    if (run && !run.ended) return ok({ kind: 'under_way', old, run });

    const event = ledger.read(KEYS.event(org, old.event));
    if (event === undefined) return err('event_gone');
    const stored = JSON.parse(event) as StoredEvent;
    const active = activeOf(org, old);
    if (!active || lacks(stored, active.trigger)) return err('no_trigger');
    const { playbook } = active;
    if (isStopped(org) || readState(ledger.read, org, { playbook, trigger: old.trigger }).stopped)
      return err('stopped');
    if (runsInFlight(org) >= LIMITS.runsInFlightPerOrg.value) return err('too_many_runs');
    const concurrency = registry.concurrency(org, playbook, active.digest as Digest);
    if (pending.seat(org, playbook, id, concurrency, undefined).kind !== 'now') return err('playbook_busy');
    return ok({ kind: 'free', old, last: run, stored, active });
  };

  /**
   * What stands in the way of a new run in what old runs, and those that descend from them, have done. Once all of them
   * have ended only settling changes it, which takes it away. One after the other: there may be many.
   */
  const remains = async ({ old, last }: Free): Promise<AgainFault | undefined> => {
    const left = new Set([old.id, ...(last ? [last.id] : [])]);
    let fault: AgainFault | undefined;
    for (const id of left) {
      const run = driver.load(old.org, id);
      if (run ? !run.ended : isStarting(id)) return 'not_ended';
      for (const step of Object.values(run?.steps ?? {})) {
        if (run && isOpenToSettle(run, step)) fault = 'unsettled';
        if (step.child !== undefined) left.add(step.child);
      }
      await setImmediate();
    }
    return fault;
  };

  /** Each run looks at what all those before it have kept. */
  const isTooDeep = (old: Run): boolean => {
    let depth = 1;
    for (let at: Run | null = old; at?.keeps !== undefined; at = driver.load(at.org, at.keeps)) depth++;
    return depth > LIMITS.keptRuns.value;
  };

  const startFor = (by: Principal, { old, stored, active }: Free, reason: string, keep: boolean) => {
    const run = `run_${entropy.id()}` as RunId;
    const start = startOf({ registry, entropy }, by, old.event, stored.event, active, run);
    const senders = sendersOf(old, by.id);
    return (
      start && {
        ...start,
        ...(senders.length > 0 && { senders }),
        again: { run: old.id, reason },
        ...(keep && { keeps: old.id }),
      }
    );
  };

  /** It is under way already. Who asked goes on record, behind the start of the run that is shown for it. */
  const tell = async (by: Principal, old: Run, run: Run): Promise<Result<Run, AgainFault>> => {
    await ledger.stage({ audit: [recordOf(by, old, run.id, 'under_way')], rows: [] });
    return ok(run);
  };

  return async (by, id, reason, keep = false) => {
    for (;;) {
      const found = look(by.org, id);
      if (!found.ok) return found;
      if (found.value.kind === 'under_way') return tell(by, found.value.old, found.value.run);
      const { last } = found.value;
      // What a run in between has done anew, or undone, the old one knows nothing of.
      if (keep && last && last.id !== id) return err('not_last');
      const fault = (await remains(found.value)) ?? (keep && isTooDeep(found.value.old) ? 'impossible' : undefined);
      if (fault) return err(fault);
      const start: Start | undefined = startFor(by, found.value, reason, keep);
      if (!start) return err('impossible');
      const judgements = await driver.prefetchStart(start);

      // Decide and commit: nothing below waits until the change is staged. What has moved meanwhile is looked at anew.
      const now = look(by.org, id);
      if (!now.ok) return now;
      if (now.value.kind === 'under_way' || now.value.active.digest !== found.value.active.digest) continue;
      const at = clock.now();
      if (now.value.last?.id !== last?.id || driver.lacks(start, judgements, at)) continue;
      const { old } = now.value;
      const seq = ledger.nextSeq();
      const prepared = driver.prepareStart({ ...start, eventSeq: seq }, judgements, { seq: seq + 1, now: at });
      if (!prepared) return err('impossible');
      const row: AgainRow = { run: start.run };
      const durable = ledger.stage({
        audit: [recordOf(by, old, start.run, 'started'), ...prepared.audit],
        rows: [...prepared.rows, { key: keyOf(old), value: JSON.stringify(row) }],
      });
      pending.staged(prepared.run, undefined);
      driver.keep(prepared.run);
      await durable;
      driver.adopt(prepared);
      return ok(prepared.run);
    }
  };
}

export type AgainRow = { readonly run: RunId };

const keyOf = ({ org, event, playbook, trigger }: Run): string => KEYS.again(org, event, playbook.name, trigger);

/** Without a field that it requires the trigger would never have fired, and the steps count on it. Null counts as absent. */
const lacks = ({ event }: StoredEvent, trigger: Trigger): boolean =>
  trigger.on !== 'schedule' &&
  (trigger.requires ?? []).some((pointer) => (resolvePointer(event.data, pointer) ?? null) === null);

/** Who caused the first run, or told it anything; the kernel itself has no vote that could be taken from it. */
export const sendersOf = (old: Run, requester: PrincipalId): readonly PrincipalId[] =>
  [...new Set([old.requester, ...(old.senders ?? [])])].filter((id) => isPerson(id) && id !== requester).sort();

const recordOf = ({ org, id }: Principal, old: Run, run: RunId, outcome: 'started' | 'under_way'): AuditDraft => ({
  ...{ org, kind: 'run.again', actor: actorOf(id), run, ref: old.id, outcome },
  cause: old.ended?.seq ?? old.startedSeq,
});
