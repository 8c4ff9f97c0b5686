import { type OrgId, toOrgId } from '../base/id.ts';
import { iso, type UnixMs } from '../base/time.ts';
import { SCHEDULE } from '../org/principal.ts';
import type { Clock } from '../port/clock.ts';
import type { Store } from '../port/store.ts';
import { dueAt, type Place, placeOf, type Step, stepOf } from '../trigger/due.ts';
import { type NormalEvent, OWN_SOURCES } from '../trigger/event.ts';
import { settle } from '../trigger/pace.ts';
import { tellBurst } from './burst.ts';
import type { Fire } from './ingest.ts';
import { KEYS } from './keys.ts';
import type { Ledger } from './ledger.ts';
import type { ActiveSchedule, Registry } from './registry.ts';
import { openStaying } from './staying.ts';
import { readState, refOf, stateRows, type TriggerName, type TriggerState } from './trigger-state.ts';

/**
 * What triggers do by the clock: schedules fire, and a burst that nothing ends by coming is over. Due times are rows of
 * the record. A time of a schedule is an event with a name of its own, and the schedule moves on in the commit that
 * takes it in: whoever looks again, after whatever restart or change of the clock, finds it known or the schedule moved.
 */
const PER_SWEEP = 64;

export const firingOf = ({ playbook, trigger }: TriggerName, at: UnixMs): NormalEvent => ({
  source: `${OWN_SOURCES}schedule`,
  sourceId: `${playbook}/${trigger}/${iso(at)}`,
  type: 'interlock.schedule',
  subject: `${playbook}/${trigger}`,
  time: at,
  receivedFormat: 'schedule',
  traceparent: null,
  data: { playbook, trigger, scheduledFor: iso(at) },
});

export function openSchedule(deps: {
  store: Store;
  ledger: Ledger;
  registry: Registry;
  fire: Fire;
  clock: Clock;
  report: (defect: unknown) => void;
}) {
  const { store, ledger, registry, fire, clock, report } = deps;
  const staying = openStaying();
  /** The schedules whose places are set, by org: another list is another version in force. */
  const placed = new Map<OrgId, readonly ActiveSchedule[]>();
  let sweeping = false;
  /** Where the next sweep begins: one page after the other, and from the first again. */
  let from = '!due/';

  const nameOf = (one: ActiveSchedule): TriggerName => ({ playbook: one.playbook, trigger: one.trigger.id });
  /** In the whole kernel: two orgs may have the same playbook, and should not all begin at once. */
  const spreadName = (org: OrgId, name: TriggerName) => `${org}/${refOf(name)}`;

  const movedTo = (org: OrgId, one: ActiveSchedule, place: Place | undefined): Pick<TriggerState, 'place' | 'due'> => ({
    place: place ?? null,
    due: place ? dueAt(one.trigger, spreadName(org, nameOf(one)), place.at) : null,
  });

  /** Sets the places of schedules that came into force, or that were changed. */
  const setPlaces = async (org: OrgId, schedules: readonly ActiveSchedule[]): Promise<void> => {
    placed.set(org, schedules);
    const set = schedules.flatMap((one) => {
      const name = nameOf(one);
      const before = readState(ledger.read, org, name);
      const state = { ...before, ...movedTo(org, one, placeOf(one.trigger, before.place, clock.now())) };
      return state.due === before.due && state.place === before.place ? [] : [{ name, before, state }];
    });
    if (set.length === 0) return;
    await ledger.stage({
      audit: set.map(({ name }) => ({ org, kind: 'trigger.scheduled', actor: SCHEDULE, ref: refOf(name) })),
      rows: set.flatMap(({ name, before, state }) => stateRows(org, name, before, state)),
    });
  };

  const fireDue = async (org: OrgId, one: ActiveSchedule, before: TriggerState & { readonly place: Place }) => {
    const name = nameOf(one);
    const step: Step = stepOf(one.trigger, spreadName(org, name), before.place, clock.now());
    const moved = movedTo(org, one, step.place);
    if (step.missed) {
      const outcome = one.trigger.missed ?? 'skip';
      const audit = [{ org, kind: 'trigger.missed' as const, actor: SCHEDULE, ref: refOf(name), outcome }];
      // Where a time fires too, it is that which moves the place.
      const rows = step.fires === null ? stateRows(org, name, before, { ...before, ...moved }) : [];
      await ledger.stage({ audit, rows });
    }
    if (step.fires === null) return true;
    const taken = await fire(org, one, firingOf(name, step.fires), moved);
    return taken.ok;
  };

  /** @returns whether the row has moved. */
  const lookAt = async (org: OrgId, name: TriggerName): Promise<boolean> => {
    const found = registry.org(org);
    // Of an org that is not set up: nothing of it happens.
    if (!found) return false;
    const before = readState(ledger.read, org, name);
    const { playbook, trigger } = name;
    const schedule = found.schedules.find((one) => one.playbook === playbook && one.trigger.id === trigger);
    if (schedule && before.place) return fireDue(org, schedule, { ...before, place: before.place });
    if (before.place) {
      const audit = [{ org, kind: 'trigger.unscheduled' as const, actor: SCHEDULE, ref: refOf(name) }];
      await ledger.stage({ audit, rows: stateRows(org, name, before, { ...before, place: null, due: null }) });
      return true;
    }
    const judged = found.triggers.of(playbook).find((one) => one.trigger.id === trigger);
    const limits = judged?.trigger.limits;
    const now = clock.now();
    const { state, audit, rows } = tellBurst(org, name, before, settle(before.pace, limits, now), limits, now, {
      place: ledger.nextSeq(),
    });
    // Not over yet: looked at again a little later, unless a match has ended it by then.
    if (audit.length === 0) return false;
    await ledger.stage({ audit, rows: [...stateRows(org, name, before, state), ...rows] });
    return true;
  };

  const look = async (key: string) => {
    const [, , orgName = '', playbook = '', trigger = ''] = key.split('/');
    const org = toOrgId(orgName);
    try {
      if (org && (await lookAt(org, { playbook, trigger }))) staying.moved(key);
      else staying.stays(key, clock.now());
    } catch (defect) {
      // Of the record and not of this trigger: it ends the kernel.
      if (!ledger.healthy()) throw defect;
      if (!staying.has(key)) report(defect);
      staying.stays(key, clock.now());
    }
  };

  return {
    /** Does what is due, a bounded number at a time. Call it often; a sweep under way is not doubled. */
    async sweep(): Promise<void> {
      if (sweeping) return;
      sweeping = true;
      try {
        for (const org of registry.orgs()) {
          const schedules = registry.org(org)?.schedules ?? [];
          if (placed.get(org) !== schedules && (schedules.length > 0 || placed.has(org)))
            await setPlaces(org, schedules);
        }
        const now = clock.now();
        const due = store.range({ from, to: KEYS.dueUntil(now), limit: PER_SWEEP });
        const last = due.length === PER_SWEEP ? due.at(-1) : undefined;
        from = last ? `${last.key}\0` : '!due/';
        await Promise.all(due.filter(({ key }) => staying.isRipe(key, now)).map(({ key }) => look(key)));
      } finally {
        sweeping = false;
      }
    },
  };
}
