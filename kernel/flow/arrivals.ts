import type { EventId, OrgId, PrincipalId, RunId, StepId, StepRunId } from '../base/id.ts';
import { partsOfStepRun, toRunId } from '../base/id.ts';
import { type Json, type JsonObject, resolvePointer } from '../base/json.ts';
import type { WaitStep } from '../playbook/graph.ts';
import type { Store, Write } from '../port/store.ts';
import { judge } from '../rule/judge.ts';
import { waitKey } from '../run/scope.ts';
import type { Run } from '../run/state.ts';
import type { NormalEvent } from '../trigger/event.ts';
import type { Driver } from './drive.ts';
import { KEYS, within } from './keys.ts';
import type { Registry } from './registry.ts';

/**
 * Events that steps wait for. A step that waits has a row under the key of the event that it wants, so an event finds
 * the steps that want it, however many wait for others. That it came is a row in the event's own commit; the run is told
 * afterwards, and again after a crash, until it has moved on.
 */
export type Arrival = { readonly run: RunId; readonly step: StepRunId; readonly taken: JsonObject };
/** The event, and who sent it. */
type Came = { readonly event: EventId; readonly by: PrincipalId };
type Wake = Came & { readonly taken: JsonObject };

/** Steps that one event may wake; more of them wait for another event, or for their time to be over. */
const WOKEN = 256;
const PER_PAGE = 1_000;

export type Arrivals = ReturnType<typeof openArrivals>;

export function openArrivals(deps: {
  store: Store;
  read: (key: string) => string | undefined;
  driver: Pick<Driver, 'submit'>;
  registry: Pick<Registry, 'graph'>;
  report: (defect: unknown) => void;
}) {
  const { store, read, driver, registry, report } = deps;
  /** Steps of playbooks that some run waits at: what is asked of an event is bounded by them, not by the runs. */
  const shapes = new Map<OrgId, Map<string, { readonly run: Run; readonly step: StepId; readonly runs: Set<RunId> }>>();

  const nameOf = (run: Run, step: StepId) => `${run.playbook.name}/${run.playbook.digest}/${step}`;
  const waitOf = (run: Run, id: StepId): Extract<WaitStep['wait'], { kind: 'event' }> | undefined => {
    const step = registry.graph(run.org, run.playbook.name, run.playbook.digest)?.steps.get(id);
    return step?.kind === 'wait' && step.wait.kind === 'event' ? step.wait : undefined;
  };

  const tell = (org: OrgId, { run, step, taken }: Arrival, came: Came) =>
    driver.submit(org, run, { kind: 'arrived', step, ...came, taken });

  return {
    /** A run as it is after a turn, or after a restart. */
    noted(run: Run): void {
      const known = shapes.get(run.org) ?? new Map();
      const waits = new Set<string>();
      for (const step of Object.values(run.ended ? {} : run.steps)) {
        if (step.state !== 'open' || step.waitsFor !== 'event') continue;
        const { step: id } = partsOfStepRun(step.id);
        const name = nameOf(run, id);
        const shape = known.get(name) ?? { run, step: id, runs: new Set() };
        shape.runs.add(run.id);
        known.set(name, shape);
        waits.add(name);
      }
      for (const [name, shape] of known)
        if (!waits.has(name) && shape.runs.delete(run.id) && shape.runs.size === 0) known.delete(name);
      if (known.size > 0) shapes.set(run.org, known);
      else shapes.delete(run.org);
    },

    /** The steps that want this event. Slow part, no side effect. */
    async find(org: OrgId, event: NormalEvent): Promise<readonly Arrival[]> {
      const arrivals: Arrival[] = [];
      for (const { run: one, step: id } of shapes.get(org)?.values() ?? []) {
        const wait = waitOf(one, id);
        const values = wait && valuesAt(event.data, Object.keys(wait.match));
        if (!wait || !values || arrivals.length >= WOKEN) continue;
        const prefix = KEYS.waits(org, waitKey(one.playbook.digest, id, values));
        const rows = store.range({ ...within(prefix), limit: WOKEN - arrivals.length });
        if (rows.length === 0 || !(await holds(wait, event))) continue;
        const taken = takenOf(wait, event);
        for (const { key } of rows) {
          const [runName = '', stepName = ''] = key.slice(prefix.length + 1).split('/');
          const run = toRunId(runName);
          if (run) arrivals.push({ run, step: stepName as StepRunId, taken });
        }
      }
      return arrivals;
    },

    /** Those that wait at this moment. Stage what is made of them before anything else can run. */
    stillWanted: (org: OrgId, arrivals: readonly Arrival[]): readonly Arrival[] =>
      arrivals.filter(({ run, step }) => read(KEYS.waiting(org, run, step)) !== undefined),

    /** The rows by which the event's commit says that it came. */
    rowsOf: (org: OrgId, came: Came, arrivals: readonly Arrival[]): readonly Write[] =>
      arrivals.map(({ run, step, taken }) => {
        const wake: Wake = { ...came, taken };
        return { key: KEYS.wake(org, run, step), value: JSON.stringify(wake) };
      }),

    /** After the event's commit. */
    wake(org: OrgId, came: Came, arrivals: readonly Arrival[]): void {
      for (const arrival of arrivals) tell(org, arrival, came).catch(report);
    },

    /** After a restart: runs that were not told before it. */
    async takeUp(): Promise<void> {
      const span = within('!wake');
      for (let from = span.from; ; ) {
        const rows = store.range({ from, to: span.to, limit: PER_PAGE });
        for (const { key, value } of rows) {
          const [, org = '', run = '', step = ''] = key.split('/');
          const { event, by, taken } = JSON.parse(value) as Wake;
          const arrival = { run: run as RunId, step: step as StepRunId, taken };
          await tell(org as OrgId, arrival, { event, by }).catch(report);
        }
        const last = rows.at(-1);
        if (!last || rows.length < PER_PAGE) return;
        from = `${last.key}\0`;
      }
    },
  };
}

/** The values at these places; undefined unless each is there and can name something. */
function valuesAt(data: JsonObject, pointers: readonly string[]): Readonly<Record<string, Json>> | undefined {
  const entries = pointers.map((pointer) => [pointer, resolvePointer(data, pointer)] as const);
  const named = entries.filter(([, value]) => value !== undefined && value !== null && typeof value !== 'object');
  return named.length === entries.length ? (Object.fromEntries(named) as Readonly<Record<string, Json>>) : undefined;
}

/** A rule that cannot be answered for this event is not one that holds. */
async function holds({ where }: { readonly where: WaitRule }, event: NormalEvent): Promise<boolean> {
  if (!where) return true;
  const { source, type, subject, receivedFormat, data } = event;
  const facts = { event: data, envelope: { source, type, subject, format: receivedFormat } };
  const judged = await judge([{ id: 'where', rule: where }], facts);
  return judged.ok && judged.value.get('where')?.matched === true;
}
type WaitRule = Extract<WaitStep['wait'], { kind: 'event' }>['where'];

/** Characters that the output of a wait takes from an event, at most; what goes beyond is null, like what is not there. */
const TAKEN_CHARS = 16_384;

function takenOf({ take }: { readonly take: Readonly<Record<string, string>> }, event: NormalEvent): JsonObject {
  let left = TAKEN_CHARS;
  const entries = Object.entries(take).map(([name, pointer]): [string, Json] => {
    const value = resolvePointer(event.data, pointer) ?? null;
    left -= JSON.stringify(value).length;
    return [name, left >= 0 ? value : null];
  });
  return Object.fromEntries(entries);
}
