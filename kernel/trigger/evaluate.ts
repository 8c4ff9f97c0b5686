/**
 * Asks the triggers of an org about one event, and says what came out and why: also of those that did not match, so that
 * an author can see what was missing (S 4.2). Where there are many, only those that may match are asked (indexed.ts).
 *
 * Owns only the answer. Whether a match starts a run or is absorbed by one (dedup window, rates) is decided where the
 * state is, with the key made here.
 */
import { digestOfJson } from '../base/digest.ts';
import { type Json, resolvePointer } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';
import type { Finding } from '../rule/explain.ts';
import { judge, type NamedRule, type RuleResult } from '../rule/judge.ts';
import { inTurns } from '../rule/turns.ts';
import type { NormalEvent } from './event.ts';
import type { ActiveTrigger, ActiveTriggers } from './indexed.ts';
import { isFor, type JudgedTrigger, neededBy, ruleOf } from './schema.ts';

export type TriggerEvaluation = {
  readonly playbook: string;
  readonly digest: string;
  readonly trigger: string;
  /**
   * `matched`: a run may start. `not_matched`: the rule is false, or cannot be answered for this event.
   * `missing_fields`: the rule is true, but a required or key field is absent. `error`: the rule could not be judged.
   */
  readonly outcome: 'matched' | 'not_matched' | 'missing_fields' | 'error';
  /** Empty on `error`. */
  readonly why: readonly Finding[];
  /** Same for every event that this trigger takes for a repeat. Null without dedup, and unless matched. */
  readonly dedupKey: string | null;
};

/** What became of all triggers of an org: `judged` and `ruledOut` together are all that are active. */
export type JudgedCounts = {
  /** Asked, because the event has the values that their rules need. */
  readonly judged: number;
  /** Of those, how many did not match. */
  readonly notMatched: number;
  /** Not asked, because it has not. */
  readonly ruledOut: number;
};

/** The triggers that were judged, and in the same places what came out. */
export type Evaluated = {
  readonly triggers: readonly ActiveTrigger[];
  readonly evaluations: readonly TriggerEvaluation[];
  readonly counts: JudgedCounts;
};

/**
 * Evaluates the triggers of an org that are for such an event: all of them, up to `triggersTold`, so that each can be
 * told; of more, those that may match.
 */
export async function evaluateActive(
  active: ActiveTriggers,
  event: NormalEvent,
  incidentOf: IncidentOf,
): Promise<Evaluated> {
  const size = active.size();
  const asked = event.receivedFormat === 'run' ? active.forEnds() : size - active.forEnds();
  const found = size <= LIMITS.triggersTold.value ? active.all() : await active.candidates(factsOf(event));
  const triggers = found.filter((one) => isFor(one, event));
  const evaluations = await evaluateTriggers(triggers, event, incidentOf);
  const notMatched = evaluations.filter(({ outcome }) => outcome === 'not_matched').length;
  return { triggers, evaluations, counts: { judged: triggers.length, notMatched, ruledOut: asked - triggers.length } };
}

/**
 * Evaluates triggers that have passed TriggerSchema, about 20 us each, in turns (rule/turns.ts). A fault costs one turn
 * a second, slower pass. The worst, 1,000 triggers of 128 conditions each that all must be judged, takes 0.5 to 1.2 s for
 * each event, and keeps others waiting for 5 to 30 ms at a time; a long list or a large event adds next to nothing.
 * @returns one evaluation per trigger, in their order. A trigger that cannot be judged spoils no other. Never rejects.
 */
export async function evaluateTriggers(
  triggers: readonly ActiveTrigger[],
  event: NormalEvent,
  incidentOf: IncidentOf = () => undefined,
): Promise<readonly TriggerEvaluation[]> {
  const facts = factsOf(event);
  const evaluations: TriggerEvaluation[] = [];
  for await (const group of inTurns(triggers, ({ trigger }) => ruleOf(trigger))) {
    const results = await judgeGroup(group, facts, incidentOf);
    evaluations.push(...group.map((active, index) => evaluationOf(active, results[index], event)));
  }
  return evaluations;
}

export type Facts = Readonly<Record<string, Json>>;

/** What is known of the incident of this id, as the fact `incident`; undefined where there is none. */
export type IncidentOf = (id: Json) => Json | undefined;

/** What every rule of a trigger is about. */
export const factsOf = ({ source, type, subject, receivedFormat, data }: NormalEvent): Facts => ({
  event: data,
  envelope: { source, type, subject, format: receivedFormat },
});

/** A place in the answer is undefined where the rule could not be judged. */
async function judgeGroup(
  group: readonly ActiveTrigger[],
  facts: Facts,
  incidentOf: IncidentOf,
): Promise<readonly (RuleResult | undefined)[]> {
  const answers = new Map<ActiveTrigger, RuleResult | undefined>();
  // Those that ask about an incident have a fact of their own; mostly there are none.
  for (const [pointer, members] of Map.groupBy(group, ({ trigger }) => trigger.incident)) {
    const results = await judgeTogether(members, withIncident(facts, pointer, incidentOf));
    for (const [index, member] of members.entries()) answers.set(member, results[index]);
  }
  return group.map((active) => answers.get(active));
}

/** @param pointer Where the event names the incident that the trigger asks about, if it asks about one. */
export function withIncident(facts: Facts, pointer: string | undefined, incidentOf: IncidentOf): Facts {
  const id = pointer === undefined ? undefined : resolvePointer(facts.event, pointer);
  const incident = id === undefined ? undefined : incidentOf(id);
  return incident === undefined ? facts : { ...facts, incident };
}

async function judgeTogether(
  group: readonly ActiveTrigger[],
  facts: Facts,
): Promise<readonly (RuleResult | undefined)[]> {
  // Two playbooks may use the same trigger id, so the place in the group is the name.
  const rules: NamedRule[] = group.map(({ trigger }, index) => ({ id: String(index), rule: ruleOf(trigger) }));
  const together = await judge(rules, facts);
  if (together.ok) return rules.map(({ id }) => together.value.get(id));
  // A fault says nothing about whose it is. One by one, only the culprit stays without an answer.
  const alone = await Promise.all(rules.map(async (rule) => ({ id: rule.id, judged: await judge([rule], facts) })));
  return alone.map(({ id, judged }) => (judged.ok ? judged.value.get(id) : undefined));
}

function evaluationOf(
  { playbook, digest, trigger }: ActiveTrigger,
  result: RuleResult | undefined,
  { data }: NormalEvent,
): TriggerEvaluation {
  const name = { playbook, digest, trigger: trigger.id, dedupKey: null };
  if (!result) return { ...name, outcome: 'error', why: [] };
  if (!result.matched) return { ...name, outcome: 'not_matched', why: result.why };
  // Null counts as absent: events without an identity must not be repeats of each other.
  const absent = [...neededBy(trigger)].filter((pointer) => (resolvePointer(data, pointer) ?? null) === null);
  if (absent.length > 0) return { ...name, outcome: 'missing_fields', why: absent.map(missing) };
  return { ...name, outcome: 'matched', why: result.why, dedupKey: dedupKeyOf(playbook, trigger, data) };
}

const missing = (path: string): Finding => ({
  fact: 'event',
  path,
  operator: 'present',
  expected: true,
  reason: 'missing',
});

/**
 * Binds playbook, trigger and the values of the key fields; not the version, so that promoting a new one does not start
 * second runs. The pointers are part of it: another key is another notion of a repeat. The org is the caller's to add.
 */
function dedupKeyOf(playbook: string, { id, dedup }: JudgedTrigger, data: NormalEvent['data']): string | null {
  if (!dedup) return null;
  const values = dedup.key.map((pointer) => resolvePointer(data, pointer) ?? null);
  return digestOfJson('dedup', { playbook, trigger: id, key: dedup.key, values });
}
