import type { Digest, OrgId, RunId } from '../base/id.ts';
import type { Clock } from '../port/clock.ts';
import type { Store } from '../port/store.ts';
import { type Reading, readRule } from '../rule/reading.ts';
import { evaluateTriggers, factsOf, type TriggerEvaluation, withIncident } from '../trigger/evaluate.ts';
import type { NormalEvent } from '../trigger/event.ts';
import type { JudgedTrigger } from '../trigger/schema.ts';
import { admit, resultOf, type Seating } from './admission.ts';
import { openIncidentFacts } from './incident-fact.ts';
import type { Page, Query } from './query.ts';
import type { Registry } from './registry.ts';
import { eventIdOf, type TriggerOutcome } from './stored-event.ts';

/**
 * Says of an event what the active triggers would do with it, condition by condition, and what their windows and limits
 * say as of now. Nothing is changed and nothing recorded: the event need never have come. It reads only what is on disk,
 * as every answer does; places among the runs of a playbook are those of now.
 */
export type ExplainedPlaybook = Of & { readonly triggers: readonly ExplainedTrigger[] };

export type ExplainedTrigger = Pick<TriggerOutcome, 'trigger' | 'outcome' | 'run' | 'reason'> & {
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
/** Stands for the run that there will not be. */
const NO_RUN = `run_${'0'.repeat(32)}` as RunId;

export type Explain = ReturnType<typeof openExplain>;

export function openExplain(deps: {
  store: Store;
  query: Query;
  registry: Pick<Registry, 'concurrency'>;
  pending: Seating;
  isStopped: (org: OrgId) => boolean;
  clock: Clock;
}) {
  const { store, query, registry, pending, isStopped, clock } = deps;
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
        isStopped: isStopped(org),
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
      rule: readRule(trigger.where, withIncident(factsOf(event), trigger.incident, incidentOf)),
    };
  };

  const explainPlaybook = async (
    org: OrgId,
    of: Of,
    wanted: string | undefined,
    event: NormalEvent,
  ): Promise<ExplainedPlaybook | undefined> => {
    const told: ExplainedTrigger[] = [];
    for (const trigger of query.version(org, of.playbook, of.digest)?.playbook.triggers ?? [])
      if (trigger.on !== 'schedule' && (wanted === undefined || trigger.id === wanted))
        told.push(await explained(org, of, trigger, event));
    return told.length > 0 ? { ...of, triggers: told } : undefined;
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
    const items: ExplainedPlaybook[] = [];
    let conditions = 0;
    for (const { name, active } of rows.items) {
      if (active === null) continue;
      if (conditions >= CONDITIONS) return { items, next: items.at(-1)?.playbook ?? null };
      // Others get their turn: a page may hold many large rules.
      await new Promise<void>((resolve) => setImmediate(resolve));
      const found = await explainPlaybook(org, { playbook: name, digest: active }, trigger, event);
      if (!found) continue;
      items.push(found);
      conditions += found.triggers.reduce((sum, { rule }) => sum + (rule ? conditionsIn(rule) : 0), 0);
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
