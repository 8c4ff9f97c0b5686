import type { AuditDraft } from '../audit/record.ts';
import { digestOf } from '../base/digest.ts';
import type { OrgId } from '../base/id.ts';
import { printable } from '../base/printable.ts';
import type { UnixMs } from '../base/time.ts';
import type { Principal } from '../org/principal.ts';
import type { Clock } from '../port/clock.ts';
import type { Store } from '../port/store.ts';
import type { StopOf } from '../run/decision.ts';
import { KEYS } from './keys.ts';
import type { Ledger } from './ledger.ts';
import type { Registry } from './registry.ts';
import { lifecycleRow } from './tell.ts';

/**
 * The stop switch: of one org, by whoever may, and of the whole machine, by whoever can write its file. While one is
 * engaged nothing is sent for the org, and no event starts a run. Engaged the moment it is staged; whoever asks
 * `isStopped` in the same turn is told.
 */
export type Stop = {
  readonly reason: string;
  readonly by: string;
  readonly at: UnixMs;
  readonly released: { readonly by: string; readonly at: UnixMs } | null;
};
/** The last stop of each kind, whether it is engaged or released. */
export type Standing = { readonly org: Stop | null; readonly machine: Stop | null };

/** `changed`: whether this turn did it, or the switch stood so already. */
export type Turned = Standing & { readonly changed: boolean };

/** A switch was turned, and that is on disk: for whoever has to be told. `org` is null for that of the machine. */
export type StopChange = Pick<Stop, 'by'> & { readonly kind: 'engaged' | 'released'; readonly org: OrgId | null };

export type Stops = ReturnType<typeof openStops>;

const MACHINE = 'system:machine';
const REASON_CHARS = 2_000;

export function openStops(deps: {
  ledger: Pick<Ledger, 'read' | 'stage' | 'nextSeq'>;
  registry: Pick<Registry, 'orgs'>;
  store: Pick<Store, 'get'>;
  clock: Clock;
  /** What is given as the reason to stop the whole machine; undefined: nothing. */
  machine: () => Promise<string | undefined>;
  tell?: (change: StopChange) => void;
}) {
  const { ledger, registry, store, clock, machine, tell = () => undefined } = deps;
  /** Turns of a switch that are on their way to the disk: whoever finds it turned already waits for them, too. */
  const turning = new Map<string, Promise<void>>();
  let isLooking = false;
  let changed: (orgs: readonly OrgId[]) => void = () => undefined;

  const parse = (text: string | undefined): Stop | null => (text === undefined ? null : (JSON.parse(text) as Stop));
  const isEngaged = (key: string): boolean => {
    const stop = parse(ledger.read(key));
    return stop !== null && stop.released === null;
  };
  /** That of the machine, where both are engaged: no org can end it. */
  const stopOf = (org: OrgId): StopOf | null => {
    if (isEngaged(KEYS.stopAll)) return 'machine';
    return isEngaged(KEYS.stop(org)) ? 'org' : null;
  };
  const isStopped = (org: OrgId): boolean => stopOf(org) !== null;

  /** Stages the switch with a record in each org that it concerns; those whose work it moves are told at once. */
  const turn = (key: string, stop: Stop, orgs: readonly OrgId[], actor: string, ref: StopOf) => {
    const value = JSON.stringify(stop);
    const turned = stop.released === null ? 'engaged' : 'released';
    const audit = orgs.map((org): AuditDraft => ({ org, kind: `stop.${turned}`, actor, ref, act: digestOf(value) }));
    const seq = ledger.nextSeq();
    const type = `interlock.stop.${turned}` as const;
    const told = orgs.map((org, index) =>
      lifecycleRow(org, clock.now(), { type, subject: ref, data: { seq: seq + index, by: actor } }),
    );
    const durable = ledger.stage({ audit, rows: [{ key, value }, ...told] });
    turning.set(key, durable);
    changed(orgs);
    const { by } = stop.released ?? stop;
    const org = ref === 'org' ? (orgs[0] ?? null) : null;
    // Where it did not come to the disk, the process is on its way out and says so.
    durable.then(
      () => tell({ kind: turned, org, by }),
      () => undefined,
    );
    return durable;
  };

  const show = (org: OrgId): Standing => ({
    org: parse(store.get(KEYS.stop(org))),
    machine: parse(store.get(KEYS.stopAll)),
  });

  return {
    isStopped,
    /** Whose stop keeps the org from sending; null: nobody's. */
    stopOf,
    /** Told of the orgs for which a switch was turned, in the turn in which it was. */
    onChange(handler: (orgs: readonly OrgId[]) => void) {
      changed = handler;
    },
    /** What is on disk. */
    show,

    /** Every switch that is engaged on disk: for the log of a start, which may come long after the stop. */
    engaged(): readonly StopChange[] {
      const switches = [
        { org: null, key: KEYS.stopAll },
        ...registry.orgs().map((org) => ({ org, key: KEYS.stop(org) })),
      ];
      return switches.flatMap(({ org, key }): StopChange[] => {
        const stop = parse(store.get(key));
        return stop?.released === null ? [{ kind: 'engaged', org, by: stop.by }] : [];
      });
    },

    /** The first reason stays: to stop what is stopped changes nothing. */
    async engage(by: Principal, reason: string): Promise<Turned> {
      const key = KEYS.stop(by.org);
      const actor = `principal:${by.id}`;
      const changed = !isEngaged(key);
      if (changed) turn(key, { reason, by: by.id, at: clock.now(), released: null }, [by.org], actor, 'org');
      await turning.get(key);
      return { ...show(by.org), changed };
    },

    /** Of the org's own switch. That of the machine stays as it is. */
    async release(by: Principal): Promise<Turned> {
      const key = KEYS.stop(by.org);
      const stop = parse(ledger.read(key));
      const changed = stop !== null && stop.released === null;
      if (changed) {
        const released = { by: by.id, at: clock.now() };
        turn(key, { ...stop, released }, [by.org], `principal:${by.id}`, 'org');
      }
      await turning.get(key);
      return { ...show(by.org), changed };
    },

    /** Does as the machine's own switch says now. Call it often; a look under way is not doubled. */
    async followMachine(): Promise<void> {
      if (isLooking) return;
      isLooking = true;
      const reason = await machine().finally(() => {
        isLooking = false;
      });
      const stop = parse(ledger.read(KEYS.stopAll));
      const isOn = stop !== null && stop.released === null;
      if (isOn === (reason !== undefined) || registry.orgs().length === 0) return;
      const at = clock.now();
      const next: Stop =
        reason === undefined && stop
          ? { ...stop, released: { by: MACHINE, at } }
          : { reason: printable(reason ?? '', REASON_CHARS), by: MACHINE, at, released: null };
      await turn(KEYS.stopAll, next, registry.orgs(), MACHINE, 'machine');
    },
  };
}
