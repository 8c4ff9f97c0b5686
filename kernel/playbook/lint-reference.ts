import type { StepId } from '../base/id.ts';
import { tokensOf } from '../base/json.ts';
import { entriesOf, type Graph, type Step, wayOnFailure } from './graph.ts';
import { legibleKey, type Unplaced } from './issue.ts';
import { topological } from './lint-graph.ts';
import type { FieldsOf } from './lint-output.ts';
import type { Parts } from './part.ts';
import { type Reference, referencesIn } from './reference.ts';
import type { PlaybookStep } from './step.ts';

/** What has an output by then, on every path: before each step, and at the end of each block, named by its first step. */
export type RanBefore = {
  readonly steps: ReadonlyMap<StepId, ReadonlySet<StepId>>;
  readonly ends: ReadonlyMap<StepId, ReadonlySet<StepId>>;
};

/** @returns undefined when the graph is not sound. */
export function ranBefore(graph: Graph): RanBefore | undefined {
  const steps = new Map<StepId, ReadonlySet<StepId>>();
  const ends = new Map<StepId, ReadonlySet<StepId>>();
  const isSound = walk(graph, graph.entry, new Set(), steps, ends);
  return isSound ? { steps, ends } : undefined;
}

function walk(
  graph: Graph,
  entry: StepId,
  atEntry: ReadonlySet<StepId>,
  steps: Map<StepId, ReadonlySet<StepId>>,
  ends: Map<StepId, ReadonlySet<StepId>>,
): boolean {
  const order = topological(graph, entry);
  if (!order) return false;
  const lead = (to: StepId | null, ran: ReadonlySet<StepId>) => {
    const [map, key] = to === null ? [ends, entry] : [steps, to];
    const known = map.get(key);
    map.set(key, known ? known.intersection(ran) : ran);
  };
  steps.set(entry, atEntry);
  for (const id of order) {
    const step = graph.steps.get(id) as Step;
    const before = steps.get(id) ?? new Set<StepId>();
    for (const inner of entriesOf(step)) if (!walk(graph, inner, before, steps, ends)) return false;
    const ran = before.union(outputsOf(step, ends));
    if (step.kind === 'branch') {
      for (const { to } of step.paths) lead(to, ran);
      lead(step.otherwise, ran);
    } else if (step.kind !== 'fail') {
      // Neither a failure that is passed over nor what a person did by hand leaves an output.
      const way = wayOnFailure(step);
      lead(step.next, way.kind === 'continue' || way.kind === 'manual' ? before : ran);
      if (way.kind === 'goto') lead(way.to, before);
    }
  }
  return true;
}

/** What has an output once this step has succeeded: its own, and what ran in lanes that must all succeed. */
function outputsOf(step: Step, ends: ReadonlyMap<StepId, ReadonlySet<StepId>>): ReadonlySet<StepId> {
  if (step.kind === 'update' || step.kind === 'branch' || step.kind === 'fail') return new Set();
  const own = new Set([step.id]);
  if (step.kind !== 'parallel' || (step.join.need !== 'all' && step.join.need < step.lanes.length)) return own;
  return step.lanes.reduce<ReadonlySet<StepId>>((all, { entry }) => all.union(ends.get(entry) ?? new Set()), own);
}

/**
 * A reference to a step is allowed only where that step has run on every path that leads here.
 * @param before undefined: the paths are not known, and of a step it is only asked whether there is one.
 * @param fieldsOf what is known of outputs: what is not there at any time is better said now than in the middle of a run.
 */
export function referenceIssues(parts: Parts, before: RanBefore | undefined, fieldsOf: FieldsOf): Unplaced[] {
  const { steps, stepIds, inputs } = parts;
  const issues: Unplaced[] = [];
  const repeats = new Set(steps.flatMap(({ step }) => (step?.type === 'repeat' ? [step.id] : [])));
  const check = (
    texts: unknown,
    at: string,
    each: readonly string[],
    ran: ReadonlySet<StepId> | undefined,
    here: string,
  ) => {
    for (const { at: place, reference } of referencesIn(texts, at)) {
      const text = reference ? faultOf(reference, each, ran, here) : MALFORMED;
      if (text) issues.push({ at: place, text });
    }
  };
  const notRun = (name: string, ran: ReadonlySet<StepId> | undefined, here: string): string | undefined => {
    if (ran ? ran.has(name as StepId) : stepIds.has(name)) return undefined;
    return ran
      ? `steps.${name} has not run on every path to ${here}`
      : `there is no step ${name} to take steps.${name} of`;
  };
  const notThere = (name: string, field: string | undefined): string | undefined => {
    const fields = field === undefined ? undefined : fieldsOf(name);
    if (!fields || fields.includes(field ?? '')) return undefined;
    return `steps.${name} has no ${legibleKey(field ?? '')}: its output has ${fields.join(', ') || 'nothing'}`;
  };
  const undeclared = (name: string) =>
    inputs.has(name) ? undefined : `inputs.${legibleKey(name)} is not declared: add it to inputs with its JSON Pointer`;
  const faultOf = (
    { root, path }: Reference,
    each: readonly string[],
    ran: ReadonlySet<StepId> | undefined,
    here: string,
  ) => {
    const [name = '', field] = path;
    if (root === 'inputs') return undeclared(name);
    if (root === 'steps') return notRun(name, ran, here) ?? notThere(name, field);
    const loops = each.filter((id) => !repeats.has(id));
    if (root !== 'each')
      return loops.length === 0 ? `${root} is there only within a foreach${ofRound(each)}` : undefined;
    if (!each.includes(name)) return `each.${name}: no foreach or repeat of this id is around ${here}`;
    return repeats.has(name) && field !== 'index' ? `each.${name} has index alone: a round has no item` : undefined;
  };
  const factFault = (
    fact: string,
    field: string | undefined,
    hasItem: boolean,
    ran: ReadonlySet<StepId> | undefined,
    here: string,
  ) => {
    if (fact === 'inputs' && field !== undefined) return undeclared(field);
    if (!fact.startsWith('steps.')) return unknownFact(fact, hasItem);
    return notRun(fact.slice(6), ran, here) ?? notThere(fact.slice(6), field);
  };
  /** As for a reference: what is nowhere makes a rule undecided, and its step fail, in every run. */
  const checkRule = (
    rule: unknown,
    at: string,
    each: readonly string[],
    ran: ReadonlySet<StepId> | undefined,
    here: string,
  ) => {
    const hasItem = each.some((id) => !repeats.has(id));
    for (const { fact, field } of factsOf(rule)) {
      const text = factFault(fact, field, hasItem, ran, here);
      if (text) issues.push({ at, text });
    }
  };
  for (const { step, at, each } of steps) {
    if (!step) continue;
    // A step that nothing leads to has no path of which something could be said.
    const ran = before?.steps.get(step.id as StepId);
    check(textsOf(step), at, each, ran, step.id);
    if (step.type === 'foreach' || step.type === 'repeat') {
      // Undefined also where no path leads there, because all of them fail.
      const end = before?.ends.get(step.steps[0]?.id as StepId);
      check({ collect: step.collect }, at, [...each, step.id], end, `the end of ${step.id}`);
      if (step.type === 'repeat') checkRule(step.until, `${at}/until`, each, end, `the end of ${step.id}`);
    }
    if (step.type === 'branch')
      for (const { rule, key } of rulesOf(step)) checkRule(rule, `${at}/${key}`, each, ran, step.id);
  }
  const end = before?.ends.get(steps.find(({ depth }) => depth === 0)?.id as StepId);
  check(parts.outputs, '/outputs', [], end, 'the end of the run');
  return issues;
}

/** The incident of a run is named when it starts, so from inputs alone; the form of the text is the schema's. */
export function incidentIssues(incident: string | undefined, inputs: Parts['inputs']): Unplaced[] {
  return referencesIn(incident, '/incident').flatMap(({ at, reference }) => {
    const [name = ''] = reference?.path ?? [];
    if (reference?.root !== 'inputs' || inputs.has(name)) return [];
    return [{ at, text: `inputs.${name} is not declared: add it to inputs with its JSON Pointer` }];
  });
}

const MALFORMED = 'a {{ reference }} is malformed: use inputs.NAME, steps.ID.FIELD, or item within a foreach';

const ofRound = (each: readonly string[]): string =>
  each.length === 0 ? '' : `; the number of the round is each.${each.at(-1)}.index`;

const unknownFact = (name: string, hasItem: boolean): string | undefined => {
  if (name === 'inputs' || name === 'event' || (hasItem && (name === 'item' || name === 'index'))) return undefined;
  return `${name} is not a fact here: use event, inputs or steps.ID, and item or index within a foreach`;
};

/** The values of a step in which references are filled when it is reached. */
function textsOf(step: PlaybookStep): unknown {
  switch (step.type) {
    case 'branch':
    case 'parallel':
    case 'repeat':
      return {};
    case 'update_state':
      return { incident: step.incident, set: { note: step.set.note } };
    case 'foreach':
      return { over: step.over };
    case 'approval':
      return { ask: step.ask };
    case 'fail':
      return { message: step.message };
    case 'wait':
      return { until: step.until, event: { match: step.event?.match } };
    default:
      return { with: step.with, ...('dedup' in step && step.dedup && { dedup: { key: step.dedup.key } }) };
  }
}

/** The rules of a branch, and where each stands in it. */
export const rulesOf = (
  step: Extract<PlaybookStep, { type: 'branch' }>,
): { readonly rule: unknown; readonly key: string }[] =>
  'paths' in step
    ? step.paths.map(({ when }, i) => ({ rule: when, key: `paths/${i}/when` }))
    : [{ rule: step.when, key: 'when' }];

/** What a rule asks about the event. */
export function eventPathsOf(rule: unknown): string[] {
  if (typeof rule !== 'object' || rule === null) return [];
  if ('all' in rule || 'any' in rule) return Object.values(rule).flat().flatMap(eventPathsOf);
  if ('not' in rule) return eventPathsOf(rule.not);
  return 'fact' in rule && rule.fact === 'event' && 'path' in rule && typeof rule.path === 'string' ? [rule.path] : [];
}

/** The facts that a rule asks about, and the first name of each path; undefined: the whole fact. */
function factsOf(rule: unknown): { readonly fact: string; readonly field: string | undefined }[] {
  if (typeof rule !== 'object' || rule === null) return [];
  if ('all' in rule || 'any' in rule) return Object.values(rule).flat().flatMap(factsOf);
  if ('not' in rule) return factsOf(rule.not);
  if (!('fact' in rule) || typeof rule.fact !== 'string') return [];
  const path = 'path' in rule && typeof rule.path === 'string' ? tokensOf(rule.path) : [];
  return [{ fact: rule.fact, field: path[0] }];
}
