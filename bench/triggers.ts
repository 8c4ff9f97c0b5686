import { invariant } from '../kernel/base/assert.ts';
import type { JsonObject } from '../kernel/base/json.ts';
import { evaluateActive } from '../kernel/trigger/evaluate.ts';
import type { NormalEvent } from '../kernel/trigger/event.ts';
import { checkFields } from '../kernel/trigger/field.ts';
import { type ActiveTrigger, type ActiveTriggers, openActiveTriggers } from '../kernel/trigger/indexed.ts';
import { type JudgedTrigger, TriggerSchema } from '../kernel/trigger/schema.ts';
import type { Bench } from './bench.ts';
import { eventPrinter, findingName } from './event.ts';
import { type Figure, figure } from './figure.ts';
import { median } from './statistics.ts';

/**
 * W2, in this process: the time from an event in its normal form to what all triggers of an org say to it, with 1, 100
 * and 10,000 of them active. Three triggers make a case: each event belongs to one and must match those three, the same
 * three every time. Nothing is written and no run starts.
 */
const SIZES = [1, 100, 10_000] as const;
const PER_CASE = 3;
/** Among 1,000 triggers: one that has nothing to be found by, so that it is judged for every event. */
const UNINDEXED = 1_000;

/** What an event of a case has, and its triggers ask for. No two of 3,500 cases share class and source. */
const caseOf = (n: number) => ({
  class_uid: 2_001 + (n % 7),
  source: `urn:example:sensor:${n % 500}`,
  product: `Example Sensor ${n % 40}`,
  analytic: `rule-${n % 1_000}`,
});

const on = (path: string, operator: string, value: unknown, fact = 'event') => ({ fact, path, operator, value });

/** The three kinds of rule: by source, by product and analytic, by either of two sources. */
function rulesOf(n: number): readonly object[] {
  const { class_uid, source, product, analytic } = caseOf(n);
  const ofClass = on('/class_uid', 'equal', class_uid);
  const severe = on('/severity_id', 'greaterThanInclusive', n % 10 === 9 ? 6 : 3);
  const malware = on('/finding_info/types', 'contains', 'Malware');
  return [
    { all: [ofClass, on('/source', 'equal', source, 'envelope'), severe] },
    {
      all: [
        on('/metadata/product/name', 'in', [product, `${product} Cloud`]),
        { all: [ofClass, on('/finding_info/analytic/uid', 'equal', analytic)] },
        severe,
      ],
    },
    {
      any: [
        { all: [on('/source', 'equal', source, 'envelope'), ofClass, malware, severe] },
        { all: [on('/source', 'equal', `${source}:standby`, 'envelope'), ofClass, malware] },
      ],
    },
  ];
}

const UNINDEXED_RULE = {
  all: [on('/severity_id', 'greaterThan', 5), on('/confidence_score', 'greaterThanInclusive', 95)],
};

const nameOf = (n: number) => ({ playbook: `case-${Math.floor(n / 15)}`, id: `trigger-${n}` });

function triggersOf(count: number): readonly ActiveTrigger[] {
  return Array.from({ length: count }, (_, n) => {
    const rule = n % UNINDEXED === UNINDEXED - 1 ? UNINDEXED_RULE : rulesOf(Math.floor(n / PER_CASE))[n % PER_CASE];
    const { playbook, id } = nameOf(n);
    const trigger = checkFields(TriggerSchema, { id, on: 'event', where: rule }, '');
    invariant(trigger.ok, 'the triggers of the bench are valid');
    return { playbook, digest: 'sha256:0', trigger: trigger.value as JudgedTrigger };
  });
}

/** @param lost One trigger is left out: a planted fault. */
function activate(count: number, lost: boolean): ActiveTriggers {
  const active = openActiveTriggers();
  active.put(Map.groupBy(triggersOf(count).slice(lost ? 1 : 0), ({ playbook }) => playbook));
  return active;
}

const print = eventPrinter('matching');

/** An event of the n-th case, as the intake makes it: new objects every time. */
function eventOf(n: number, place: number): NormalEvent {
  const { class_uid, source, product, analytic } = caseOf(n);
  const body = JSON.parse(print(findingName('t', place)));
  const data: JsonObject = {
    ...body,
    class_uid,
    severity_id: 4,
    metadata: { ...body.metadata, product: { ...body.metadata.product, name: product } },
    finding_info: { ...body.finding_info, analytic: { uid: analytic } },
  };
  return {
    source,
    sourceId: `e${place}`,
    type: 'example.finding',
    subject: null,
    time: null,
    receivedFormat: 'ocsf',
    traceparent: null,
    data,
  };
}

/** Cases that events are made of: whole ones, of which each trigger matches. */
const casesOf = (count: number): readonly number[] =>
  Array.from({ length: Math.max(1, Math.floor(count / PER_CASE)) }, (_, n) => n).filter(
    (n) => n % 10 !== 9 && (n * PER_CASE) % UNINDEXED < UNINDEXED - PER_CASE,
  );

const wantedOf = (n: number, count: number): string =>
  Array.from({ length: Math.min(PER_CASE, count) }, (_, k) => `trigger-${n * PER_CASE + k}`).join(' ');

export async function benchTriggers({ plan, say, fault }: Bench): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const count of SIZES) {
    say(`W2: an event and ${count} active triggers, in this process`);
    const active = activate(count, fault === 'trigger-lost');
    const cases = casesOf(count);
    let place = 0;
    const evaluate = async (): Promise<number> => {
      const n = cases[place % cases.length] ?? 0;
      const event = eventOf(n, place++);
      const from = performance.now();
      const { evaluations, counts } = await evaluateActive(active, event, () => undefined);
      const ms = performance.now() - from;
      const matched = evaluations.filter(({ outcome }) => outcome === 'matched').map(({ trigger }) => trigger);
      if (matched.sort(byNumber).join(' ') !== wantedOf(n, count) || counts.judged + counts.ruledOut !== count)
        throw new Error(`of ${count} triggers, others answered to an event than those it is for`);
      return ms;
    };
    const round = async (ms: number): Promise<number> => {
      const until = performance.now() + ms;
      const each: number[] = [];
      while (each.length === 0 || performance.now() < until) each.push(await evaluate());
      return median(each);
    };
    await round(plan.triggers.roundMs);
    const rounds: number[] = [];
    for (let n = 0; n < plan.triggers.rounds; n++) rounds.push(await round(plan.triggers.roundMs));
    figures.push(figure(`W2.triggers_${count}_ms`, 'ms/event', 'lower', rounds));
  }
  return figures;
}

const byNumber = (a: string, b: string): number => Number(a.slice(8)) - Number(b.slice(8));
