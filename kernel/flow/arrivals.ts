import type { Rule } from '../../sdk/contract/rule.ts';
import type { Digest, EventId, OrgId, PrincipalId, RunId, StepRunId } from '../base/id.ts';
import { toOrgId, toRunId } from '../base/id.ts';
import { type Json, type JsonObject, resolvePointer } from '../base/json.ts';
import { own } from '../base/own.ts';
import type { UnixMs } from '../base/time.ts';
import type { WaitStep } from '../playbook/graph.ts';
import type { Clock } from '../port/clock.ts';
import type { Row, Store, Write } from '../port/store.ts';
import { judge } from '../rule/judge.ts';
import { inTurns } from '../rule/turns.ts';
import { awaitedBy } from '../run/open-work.ts';
import { waitKey } from '../run/scope.ts';
import { type Facts, factsOf } from '../trigger/evaluate.ts';
import type { NormalEvent } from '../trigger/event.ts';
import { type Awaited, openAwaited, type Waiting } from './awaited.ts';
import type { Driver } from './drive.ts';
import { KEYS, within } from './keys.ts';
import type { Ledger } from './ledger.ts';
import type { Registry } from './registry.ts';
import { othersFirst, processScheduler, type Scheduler } from './scheduler.ts';
import { openSweep } from './sweep.ts';

/**
 * Events that steps wait for. A step waits from the moment in which its turn is staged until its time is over: what is
 * accepted in between wakes it, whatever anyone looks at first. That the event came is a row in the event's own commit;
 * the run is told afterwards, and again, also after a crash, until it has moved on. One event wakes a step, the first.
 */
/** What an event is for the steps that wait for it, whoever they are. */
type Wanted = { readonly key: Digest; readonly taken: JsonObject };
/** As found; `asked`: keys for which somebody waited; `passed`: those for which nobody did, so that no rule was asked. */
export type Found = {
  readonly wanted: readonly Wanted[];
  readonly asked: ReadonlySet<Digest>;
  readonly passed: readonly Digest[];
  readonly revision: number;
};
/** Of an event that wakes nobody. */
export const NOT_AWAITED: Found = { wanted: [], asked: new Set(), passed: [], revision: 0 };
export type Arrival = { readonly run: RunId; readonly step: StepRunId; readonly taken: JsonObject };
/** The event, and who sent it. */
type Came = { readonly event: EventId; readonly by: PrincipalId };
type Wake = Came & { readonly taken: JsonObject };

/** Steps that one event may wake; more of them wait for another event, or for their time to be over. */
const WOKEN = 256;
/** Steps for which the key of an event is made before others have their turn: less than a millisecond. */
const SHAPES_PER_TURN = 64;

/** A step of a playbook at which runs wait for the key that an event has. `where` may keep it from waking them. */
export type Waited = Awaited & { readonly wait: WaitFor; readonly waiting: readonly Waiting[] };

export type Arrivals = ReturnType<typeof openArrivals>;

export function openArrivals(deps: {
  store: Store;
  ledger: Pick<Ledger, 'read' | 'healthy'>;
  driver: Pick<Driver, 'submit' | 'load'>;
  registry: Pick<Registry, 'graph'>;
  clock: Clock;
  report: (defect: unknown) => void;
  scheduler?: Pick<Scheduler, 'soon'>;
}) {
  const { store, ledger, driver, registry, clock, report, scheduler = processScheduler } = deps;
  const awaited = openAwaited((org, run, step) => ledger.read(KEYS.wake(org, run, step)) !== undefined);
  /** Runs that are being told, by the key of their row. */
  const telling = new Set<string>();

  const waitOf = (org: OrgId, { playbook, digest, step }: Awaited): WaitFor | undefined => {
    const found = registry.graph(org, playbook, digest)?.steps.get(step);
    return found?.kind === 'wait' && found.wait.kind === 'event' ? found.wait : undefined;
  };

  /** The wait, and the key that this event has for it; undefined where it has none. */
  const keyFor = (org: OrgId, event: NormalEvent, shape: Awaited): Keyed | undefined => {
    const wait = waitOf(org, shape);
    const values = wait && valuesAt(event.data, Object.keys(wait.match));
    return values && { wait, key: waitKey(shape.digest, shape.step, values) };
  };

  /** What is due first happens first: a step whose time is over waits for its timer only. */
  const isInTime = (org: OrgId, run: RunId, step: StepRunId, now: UnixMs): boolean => {
    const found = own(driver.load(org, run)?.steps ?? {}, step);
    return found?.state === 'open' && found.waitsFor === 'event' && now < found.until;
  };

  const tell = async ({ key, value }: Row): Promise<boolean> => {
    const [, orgName = '', runName = '', step = ''] = key.split('/');
    const [org, run] = [toOrgId(orgName), toRunId(runName)];
    if (!org || !run || telling.has(key)) return telling.has(key);
    telling.add(key);
    try {
      const wake = JSON.parse(value) as Wake;
      return (await driver.submit(org, run, { kind: 'arrived', step: step as StepRunId, ...wake })).ok;
    } finally {
      telling.delete(key);
    }
  };
  const { sweep, stop } = openSweep({ store, ledger, clock, report, scheduler, span: () => within('!wake'), tell });

  return {
    /** A run as it is staged, or after a restart. */
    noted: awaited.noted,
    /** Whether the event with this key would wake the step, or one that is on its way to the disk will. */
    isAwaited: (org: OrgId, run: RunId, step: StepRunId, key: Digest): boolean =>
      awaited.has(org, run, step, key) || ledger.read(KEYS.wake(org, run, step)) !== undefined,
    /** Tells runs that were not told, or did not move. Call it often. */
    sweep,
    stop,

    /** What the event would be to steps that wait. Slow part, no side effect. */
    async find(org: OrgId, event: NormalEvent): Promise<Found> {
      const { revision, shapes } = awaited.of(org);
      const keyed: Keyed[] = [];
      for (const [index, shape] of shapes.entries()) {
        const found = keyFor(org, event, shape);
        if (found) keyed.push(found);
        if (index % SHAPES_PER_TURN === SHAPES_PER_TURN - 1) await othersFirst(scheduler);
      }
      const isWanted = ({ key }: Keyed) => awaited.isWanted(org, key);
      const { true: asked = [], false: passed = [] } = Object.groupBy(keyed, (each) => `${isWanted(each)}`);
      const facts = factsOf(event);
      const wanted: Wanted[] = [];
      for await (const turn of inTurns(asked, ({ wait }) => wait.where ?? SMALLEST))
        for (const { wait, key } of turn)
          if (await holds(wait, facts)) wanted.push({ key, taken: takenOf(wait, event) });
      return { wanted, asked: new Set(asked.map(({ key }) => key)), passed: passed.map(({ key }) => key), revision };
    },

    /** Steps have begun to wait since, for which the event has to be looked at again. */
    haveMoved(org: OrgId, event: NormalEvent, { asked, passed, revision }: Found): boolean {
      if (passed.some((key) => awaited.isWanted(org, key))) return true;
      // Of the steps that were not waited at only those matter for which this is the event: others begin to wait all the time.
      return awaited.since(org, revision).some((shape) => {
        const found = keyFor(org, event, shape);
        return found !== undefined && !asked.has(found.key) && awaited.isWanted(org, found.key);
      });
    },

    /** Who waits for the key of the event, as staged, whatever else is asked of it. Changes nothing. */
    async waitedAt(org: OrgId, event: NormalEvent): Promise<readonly Waited[]> {
      const waited: Waited[] = [];
      for (const [index, shape] of awaited.of(org).shapes.entries()) {
        const found = keyFor(org, event, shape);
        const waiting = found ? awaited.waitingFor(org, found.key) : [];
        const { playbook, digest, step } = shape;
        if (found && waiting.length > 0) waited.push({ playbook, digest, step, wait: found.wait, waiting });
        if (index % SHAPES_PER_TURN === SHAPES_PER_TURN - 1) await othersFirst(scheduler);
      }
      return waited;
    },

    /** How many steps wait for its key, and not for this event: it does not meet their `where`. */
    unmet(org: OrgId, { wanted, asked }: Found): number {
      const met = new Set(wanted.map(({ key }) => key));
      return [...asked].reduce((sum, key) => sum + (met.has(key) ? 0 : awaited.countFor(org, key)), 0);
    },

    /** The steps that wait at this moment; they wait no more. Stage what is made of them before anything else can run. */
    claim(org: OrgId, { wanted }: Found, now: UnixMs): readonly Arrival[] {
      const arrivals: Arrival[] = [];
      for (const { key, taken } of wanted)
        for (const { run, step } of awaited.claim(org, key, WOKEN - arrivals.length, (each) =>
          isInTime(org, each.run, each.step, now),
        ))
          arrivals.push({ run, step, taken });
      return arrivals;
    },

    /** The rows by which the event's commit says that it came. */
    rowsOf: (org: OrgId, came: Came, arrivals: readonly Arrival[]): readonly Write[] =>
      arrivals.map((arrival) => wakeRow(org, came, arrival)),

    /** Before a run is told what is due: of events that came while it still waited, whether or not it was told of them. */
    async tellRun(org: OrgId, id: RunId): Promise<void> {
      const rows = [...awaitedBy(driver.load(org, id)).keys()].flatMap((step): Row[] => {
        const key = KEYS.wake(org, id, step);
        const value = ledger.read(key);
        return value === undefined ? [] : [{ key, value }];
      });
      // What goes wrong is reported by the sweep, and keeps nothing that is due from the run.
      await Promise.allSettled(rows.map(tell));
    },

    /** After the event's commit. What goes wrong is done again by the sweep. */
    wake(org: OrgId, came: Came, arrivals: readonly Arrival[]): void {
      for (const arrival of arrivals) void tell(wakeRow(org, came, arrival)).catch(() => undefined);
    },
  };
}

/** Stands for the work on a step that asks no rule. */
const SMALLEST: Rule = { fact: 'event', path: '', operator: 'equal', value: true };

type Keyed = { readonly wait: WaitFor; readonly key: Digest };
export type WaitFor = Extract<WaitStep['wait'], { kind: 'event' }>;

function wakeRow(org: OrgId, came: Came, { run, step, taken }: Arrival): Row {
  const wake: Wake = { ...came, taken };
  return { key: KEYS.wake(org, run, step), value: JSON.stringify(wake) };
}

/** The values at these places; undefined unless each is there and can name something. */
function valuesAt(data: JsonObject, pointers: readonly string[]): Readonly<Record<string, Json>> | undefined {
  const entries = pointers.map((pointer) => [pointer, resolvePointer(data, pointer)] as const);
  const named = entries.filter(([, value]) => value !== undefined && value !== null && typeof value !== 'object');
  return named.length === entries.length ? (Object.fromEntries(named) as Readonly<Record<string, Json>>) : undefined;
}

/** A rule that cannot be answered for this event is not one that holds. */
export async function holds({ where }: WaitFor, facts: Facts): Promise<boolean> {
  if (!where) return true;
  const judged = await judge([{ id: 'where', rule: where }], facts);
  return judged.ok && judged.value.get('where')?.matched === true;
}

/** Characters that the output of a wait takes from an event, at most; what goes beyond is null, like what is not there. */
const TAKEN_CHARS = 16_384;

function takenOf({ take }: WaitFor, event: NormalEvent): JsonObject {
  let left = TAKEN_CHARS;
  const entries = Object.entries(take).map(([name, pointer]): [string, Json] => {
    const value = resolvePointer(event.data, pointer) ?? null;
    left -= JSON.stringify(value).length;
    return [name, left >= 0 ? value : null];
  });
  return Object.fromEntries(entries);
}
