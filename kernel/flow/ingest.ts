import type { AuditDraft } from '../audit/record.ts';
import type { OrgId, PrincipalId } from '../base/id.ts';
import { err, ok, type Result } from '../base/result.ts';
import { actorOf, type Principal, RUN_END, SCHEDULE } from '../org/principal.ts';
import type { Clock } from '../port/clock.ts';
import type { Write } from '../port/store.ts';
import type { Run } from '../run/state.ts';
import { type Evaluated, evaluateActive, type TriggerEvaluation } from '../trigger/evaluate.ts';
import type { NormalEvent } from '../trigger/event.ts';
import { sendersOf } from './again.ts';
import { type Arrivals, NOT_AWAITED } from './arrivals.ts';
import { openIncidentFacts } from './incident-fact.ts';
import { KEYS } from './keys.ts';
import type { Ledger } from './ledger.ts';
import type { ActiveSchedule, Registry } from './registry.ts';
import { contentOf, countsOf, eventIdOf, type StoredEvent } from './stored-event.ts';
import type { IngestFault, Moved, Receipt, TakeIn, Taking } from './take-in.ts';
import { readState, stateRows } from './trigger-state.ts';

/**
 * Takes events in: match, admission, and start of runs, all in one commit with every evaluation. What is answered is on
 * disk. The same event again (CloudEvents source and id) is answered again and changes nothing.
 */
export type Ingest = (by: Principal, event: NormalEvent) => Promise<Result<Receipt, IngestFault>>;
/** A time of a schedule, taken in as the event that it is. `moved` goes into the trigger's row with it. */
export type Fire = (
  org: OrgId,
  schedule: ActiveSchedule,
  event: NormalEvent,
  moved: Moved,
) => Promise<Result<Receipt, IngestFault>>;

/** The end of a run, taken in as the event that it is. `row` says that it has not been, and goes with it; `people` led to it. */
export type TakeEnd = (
  ended: Run,
  event: NormalEvent,
  of: { readonly row: string; readonly people: readonly PrincipalId[] },
) => Promise<Result<Receipt, IngestFault>>;

export function openIngest(deps: {
  ledger: Pick<Ledger, 'read' | 'stage'>;
  registry: Registry;
  arrivals: Pick<Arrivals, 'find' | 'haveMoved'>;
  takeIn: TakeIn;
  clock: Clock;
}): { readonly take: Ingest; readonly fire: Fire; readonly takeEnd: TakeEnd } {
  const { ledger, registry, arrivals, takeIn, clock } = deps;
  const { read } = ledger;
  const { matchesOf, matchOf, commit } = takeIn;

  const takeAsked = async (
    by: Principal,
    event: NormalEvent,
    end?: Taking['end'],
  ): Promise<Result<Receipt, IngestFault>> => {
    const org = registry.org(by.org);
    if (!org) return err({ kind: 'unknown_org' });
    const id = eventIdOf(by.org, event);
    for (;;) {
      const known = read(KEYS.event(by.org, id));
      if (known !== undefined) return answerRepeat(by, event, known);

      // Prefetch: everything that waits. Nothing is decided until all of it is here.
      const taking: Taking = { by, id, event, arrived: clock.now(), ...(end && { end }) };
      const revision = org.triggers.revision();
      const incidents = openIncidentFacts(read, by.org);
      const evaluated = await evaluateActive(org.triggers, event, incidents.incidentOf);
      const matches = await matchesOf(taking, evaluated);
      const found = end ? NOT_AWAITED : await arrivals.find(by.org, event);

      // Decide and commit: nothing below waits until the change is staged. An event that has come twice meanwhile is a
      // repeat, and what was judged by triggers or incidents that have moved is judged again.
      const haveMoved =
        org.triggers.revision() !== revision ||
        incidents.haveMoved() ||
        (!end && arrivals.haveMoved(by.org, event, found));
      if (read(KEYS.event(by.org, id)) !== undefined || haveMoved) continue;
      const taken = commit(taking, evaluated, matches, found);
      if (taken) return taken;
    }
  };

  const take: Ingest = (by, event) => takeAsked(by, event);

  const takeEnd: TakeEnd = (ended, event, { row, people }) => {
    const senders = [...new Set([...sendersOf(ended, RUN_END), ...people])].sort();
    return takeAsked({ org: ended.org, id: RUN_END, roles: [] }, event, { senders, row });
  };

  const fire: Fire = async (org, schedule, event, moved) => {
    const by: Principal = { org, id: SCHEDULE, roles: [] };
    const id = eventIdOf(org, event);
    const { playbook, digest, trigger } = schedule;
    const evaluation: TriggerEvaluation = {
      playbook,
      digest,
      trigger: trigger.id,
      outcome: 'matched',
      why: [],
      dedupKey: null,
    };
    const evaluated: Evaluated = {
      triggers: [],
      evaluations: [evaluation],
      counts: { judged: 1, notMatched: 0, ruledOut: 0 },
    };
    for (;;) {
      const known = read(KEYS.event(org, id));
      if (known !== undefined) {
        const name = { playbook, trigger: trigger.id };
        const before = readState(read, org, name);
        return answerRepeat(by, event, known, stateRows(org, name, before, { ...before, ...moved }));
      }
      const taking: Taking = { by, id, event, arrived: clock.now() };
      const match = await matchOf(taking, schedule, evaluation, moved);
      if (read(KEYS.event(org, id)) !== undefined) continue;
      const taken = commit(taking, evaluated, [match]);
      if (taken) return taken;
    }
  };

  /** The answer to an event that is known already, if it is the same event. `text` is what is stored of it. */
  async function answerRepeat(
    by: Principal,
    event: NormalEvent,
    text: string,
    move: readonly Write[] = [],
  ): Promise<Result<Receipt, IngestFault>> {
    const stored = JSON.parse(text) as StoredEvent;
    const { id } = stored;
    if (contentOf(stored.event) !== contentOf(event)) return err({ kind: 'event_conflict' });
    const triggers = stored.triggers.map((one) =>
      one.outcome === 'matched' || one.outcome === 'queued' ? { ...one, outcome: 'absorbed' as const } : one,
    );
    const repeated: AuditDraft = {
      org: by.org,
      kind: 'event.repeated',
      actor: actorOf(by.id),
      ref: id,
      cause: stored.seq,
    };
    await ledger.stage({ audit: [repeated], rows: move });
    return ok({
      event: id,
      repeat: true,
      seq: stored.seq,
      triggers,
      counts: countsOf(stored),
      woke: stored.woke ?? [],
      unmet: stored.unmet ?? 0,
    });
  }

  return { take, fire, takeEnd };
}
