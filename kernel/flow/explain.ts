import type { Digest, OrgId, RunId } from '../base/id.ts';
import type { Clock } from '../port/clock.ts';
import type { Store } from '../port/store.ts';
import { type Reading, readRule } from '../rule/reading.ts';
import type { StopOf } from '../run/decision.ts';
import { evaluateTriggers, factsOf, type TriggerEvaluation, withIncident } from '../trigger/evaluate.ts';
import type { NormalEvent } from '../trigger/event.ts';
import { isFor, type JudgedTrigger, ruleOf } from '../trigger/schema.ts';
import { admit, resultOf, type Seating } from './admission.ts';
import type { Arrivals, Waited } from './arrivals.ts';
import { type ExplainedWaits, explainWaits } from './explain-wait.ts';
import { openIncidentFacts } from './incident-fact.ts';
import type { Page, Query } from './query.ts';
import type { Registry } from './registry.ts';
import { othersFirst, type Scheduler } from './scheduler.ts';
import { eventIdOf, type TriggerOutcome } from './stored-event.ts';

/**
 * Says of an event what the active triggers would do with it, condition by condition, and what their windows and limits
 * say as of now; and which steps wait for one with its key. Nothing is changed and nothing recorded: the event need never
 * have come. It reads only what is on disk, as every answer does; places among the runs of a playbook are those of now.
 */
export type ExplainedPlaybook = Of & { readonly triggers: readonly ExplainedTrigger[] } & ExplainedWaits;

export type ExplainedTrigger = Pick<TriggerOutcome, 'trigger' | 'outcome' | 'run' | 'reason' | 'until' | 'stop'> & {
  /** Fields that the trigger needs and the event lacks; looked at only where the rule is true. */
  readonly lacks: readonly string[];
  /** Null where the rule could not be judged. */
  readonly rule: Reading | null;
};

type Of = { readonly playbook: string; readonly digest: Digest };
export type TriggerFilter = { readonly playbook?: string | undefined; readonly trigger?: string | undefined };

/** Playbooks of one page that are read, whatever of them is shown. */
const READ = 64;
/** Conditions after which a page ends; the playbook that goes beyond is the last of it. */
const CONDITIONS = 1_024;
/** What a step that waits is taken for: its run is read. */
const WAIT_CONDITIONS = 32;
/** Stands for the run that there will not be. */
const NO_RUN = `run_${'0'.repeat(32)}` as RunId;

export type Explain = ReturnType<typeof openExplain>;

export function openExplain(deps: {
  store: Store;
  query: Query;
  registry: Pick<Registry, 'concurrency'>;
  pending: Seating;
  arrivals: Pick<Arrivals, 'waitedAt'>;
  stopOf: (org: OrgId) => StopOf | null;
  clock: Clock;
  scheduler: Pick<Scheduler, 'soon'>;
}) {
  const { store, query, registry, pending, arrivals, stopOf, clock, scheduler } = deps;
  const read = (key: string) => store.get(key);

  const resultFor = (
    org: OrgId,
    { playbook, digest }: Of,
    trigger: JudgedTrigger,
    event: NormalEvent,
    evaluation: TriggerEvaluation,
  ) => {
    if (evaluation.outcome !== 'matched') return { outcome: evaluation.outcome, run: null };
    const now = clock.now();
    return resultOf(
      admit(read, pending, {
        org,
        stop: stopOf(org),
        name: { playbook, trigger: trigger.id },
        trigger,
        concurrency: registry.concurrency(org, playbook, digest),
        evaluation,
        data: event.data,
        event: eventIdOf(org, event),
        run: NO_RUN,
        arrived: now,
        now,
        seq: 0,
      }),
    );
  };

  const explained = async (
    org: OrgId,
    of: Of,
    trigger: JudgedTrigger,
    event: NormalEvent,
  ): Promise<ExplainedTrigger> => {
    const { incidentOf } = openIncidentFacts(read, org);
    const [evaluation] = await evaluateTriggers([{ ...of, trigger }], event, incidentOf);
    const name = { trigger: trigger.id };
    if (!evaluation || evaluation.outcome === 'error')
      return { ...name, outcome: 'error', run: null, lacks: [], rule: null };
    return {
      ...name,
      ...resultFor(org, of, trigger, event, evaluation),
      lacks: evaluation.outcome === 'missing_fields' ? evaluation.why.map(({ path }) => path) : [],
      rule: readRule(ruleOf(trigger), withIncident(factsOf(event), trigger.incident, incidentOf)),
    };
  };

  const explainPlaybook = async (
    org: OrgId,
    of: Of,
    wanted: string | undefined,
    event: NormalEvent,
    waited: readonly Waited[],
  ): Promise<ExplainedPlaybook | undefined> => {
    const triggers: ExplainedTrigger[] = [];
    for (const trigger of query.version(org, of.playbook, of.digest)?.playbook.triggers ?? [])
      if (
        trigger.on !== 'schedule' &&
        isFor({ ...of, trigger }, event) &&
        (wanted === undefined || trigger.id === wanted)
      )
        triggers.push(await explained(org, of, trigger, event));
    const waits = await explainWaits({ query, clock, scheduler }, org, event, waited);
    if (triggers.length + waits.waits.length === 0) return undefined;
    return { ...of, triggers, ...waits };
  };

  /** Playbooks by name. @param after name of the last playbook of the page before. A page may be short, or empty. */
  return async (
    org: OrgId,
    event: NormalEvent,
    { playbook, trigger }: TriggerFilter,
    limit: number,
    after?: string,
  ): Promise<Page<ExplainedPlaybook>> => {
    const one = playbook === undefined ? undefined : query.playbook(org, playbook);
    const rows =
      playbook === undefined
        ? query.playbooks(org, Math.min(limit, READ), after)
        : { items: one ? [one] : [], next: null };
    // Who asks about a trigger does not ask about steps.
    const waited = trigger === undefined ? await arrivals.waitedAt(org, event) : [];
    const waitedIn = Map.groupBy(waited, (one) => one.playbook);
    const items: ExplainedPlaybook[] = [];
    let conditions = 0;
    for (const { name, active } of rows.items) {
      // One that never was active has no runs either; once it was, one of its versions always is.
      if (active === null) continue;
      if (conditions >= CONDITIONS) return { items, next: items.at(-1)?.playbook ?? null };
      // Others get their turn: a page may hold many large rules.
      await othersFirst(scheduler);
      const found = await explainPlaybook(
        org,
        { playbook: name, digest: active },
        trigger,
        event,
        waitedIn.get(name) ?? [],
      );
      if (!found) continue;
      items.push(found);
      const readings = [...found.triggers.map(({ rule }) => rule), ...found.waits.map(({ where }) => where)];
      conditions += readings.reduce((sum, reading) => sum + (reading ? conditionsIn(reading) : 0), 0);
      conditions += WAIT_CONDITIONS * found.waits.reduce((sum, { waiting }) => sum + waiting.length, 0);
    }
    return { items, next: rows.next };
  };
}

const conditionsIn = (reading: Reading): number =>
  reading.kind === 'condition'
    ? 1
    : reading.kind === 'not'
      ? conditionsIn(reading.part)
      : reading.parts.reduce((sum, part) => sum + conditionsIn(part), 0);
