import * as v from 'valibot';
import { isUnknownKey } from '../../sdk/contract/wanted.ts';
import { isObject, type Json } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';
import { type Trigger, TriggerSchema } from '../trigger/schema.ts';
import { legibleKey } from './issue.ts';
import { type PlaybookStep, StepSchema } from './step.ts';

/**
 * The parts of a document that fit the schema by themselves, each in its place, and undefined where one does not. What
 * is wrong between parts can so be said in one go with what is wrong in others; so a step that only holds a key too many,
 * or an odd value beside what it does, is taken without it.
 */
export type Parts = {
  readonly triggers: readonly (Trigger | undefined)[];
  /** Those of blocks too, each behind the step that holds it. */
  readonly steps: readonly StepPart[];
  /** Ids of all steps, also of those that do not fit. */
  readonly stepIds: ReadonlySet<string>;
  /** The inputs by name, each with where it is in the event: a JSON Pointer, where it fits. */
  readonly inputs: ReadonlyMap<string, Json>;
  /** References that are seen from the end of the run, by JSON Pointer. */
  readonly outputs: Readonly<Record<string, unknown>>;
};
export type StepPart = {
  /** JSON Pointer. */
  readonly at: string;
  /** JSON Pointer of the list that it stands in. */
  readonly block: string;
  /** How many blocks it stands in. */
  readonly depth: number;
  /** The `foreach` and `repeat` steps around it, outermost first. */
  readonly each: readonly string[];
  readonly id: string | undefined;
  readonly step: PlaybookStep | undefined;
  /** Whether it holds no unknown key: that may be one that leads elsewhere, misspelt. */
  readonly isKnown: boolean;
};

export function partsOf(document: Json): Parts {
  const { triggers, steps, inputs, outputs } = isObject(document) ? document : {};
  const found: StepPart[] = [];
  collect(steps, { at: '', block: '/steps', depth: 0, each: [] }, found);
  return {
    triggers: listOf(triggers).map((item) => fitting(TriggerSchema, item)),
    steps: found,
    stepIds: new Set(found.flatMap(({ id }) => (id === undefined ? [] : [id]))),
    inputs: new Map(isObject(inputs) ? Object.entries(inputs) : []),
    outputs: isObject(outputs) ? outputs : {},
  };
}

// As many as a playbook may have: more is refused for that alone.
const listOf = (items: Json | undefined): readonly Json[] =>
  Array.isArray(items) ? items.slice(0, LIMITS.stepsPerPlaybook.value + 1) : [];

function fitting<T>(schema: v.GenericSchema<unknown, T>, item: Json): T | undefined {
  const parsed = v.safeParse(schema, item);
  return parsed.success ? parsed.output : undefined;
}

/** The steps of a block and of the blocks in it. One level too many is looked at, so that it can be refused. */
function collect(
  items: Json | undefined,
  place: Pick<StepPart, 'at' | 'block' | 'depth' | 'each'>,
  found: StepPart[],
): void {
  const { block, depth, each } = place;
  listOf(items).forEach((item, i) => {
    if (found.length > LIMITS.stepsPerPlaybook.value) return;
    const at = `${block}/${i}`;
    const { id, type, lanes, steps } = isObject(item) ? item : {};
    const name = typeof id === 'string' ? id : undefined;
    found.push({ at, block, depth, each, id: name, ...readable(item, LIMITS.blockDepth.value - depth) });
    if (depth > LIMITS.blockDepth.value) return;
    if (type === 'parallel' && isObject(lanes))
      for (const [lane, list] of Object.entries(lanes))
        collect(list, { at, block: `${at}/lanes/${legibleKey(lane)}`, depth: depth + 1, each }, found);
    if (type === 'foreach' || type === 'repeat')
      collect(steps, { at, block: `${at}/steps`, depth: depth + 1, each: name ? [...each, name] : each }, found);
  });
}

/** Without one of these a step leads the same way with the same parameters. */
const ASIDE = [
  'timeout',
  'retry',
  'tier',
  'rollback',
  'dedup',
  'expires',
  'limit',
  'concurrency',
  'join',
  'rest',
  'collect',
  'times',
  'pause',
  'cases',
];

/** The step, without what may be left out for the sake of saying more; so are those of its blocks. */
function readable(item: Json, levels: number): Pick<StepPart, 'step' | 'isKnown'> {
  const parsed = v.safeParse(StepSchema, item);
  if (parsed.success) return { step: parsed.output, isKnown: true };
  if (!isObject(item)) return { step: undefined, isKnown: true };
  const rest = new Map(Object.entries(item));
  let isKnown = true;
  for (const issue of parsed.issues) {
    const [first, ...deeper] = issue.path ?? [];
    const key = String(first?.key);
    const isUnknown = isUnknownKey(issue) && deeper.length === 0;
    if (isUnknown || ASIDE.includes(key)) rest.delete(key);
    isKnown &&= !isUnknown;
  }
  const block = (list: Json): Json =>
    Array.isArray(list) ? listOf(list).map((one) => (readable(one, levels - 1).step ?? one) as unknown as Json) : list;
  const { lanes, steps } = item;
  if (levels > 0 && isObject(lanes))
    rest.set('lanes', Object.fromEntries(Object.entries(lanes).map(([name, list]) => [name, block(list)])));
  if (levels > 0 && steps !== undefined) rest.set('steps', block(steps));
  return { step: fitting(StepSchema, Object.fromEntries(rest)), isKnown };
}
