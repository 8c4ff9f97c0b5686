import { type Json, tokensOf } from '../base/json.ts';
import type { Trigger } from '../trigger/schema.ts';
import { legibleKey, type Unplaced } from './issue.ts';
import { eventPathsOf } from './lint-reference.ts';
import type { Parts } from './part.ts';

/** What the end of a run has as an event; of the lists what is in it, of `true` anything. */
export const END_FIELDS: ReadonlyMap<string, true | readonly string[]> = new Map<string, true | readonly string[]>([
  ...['run', 'playbook', 'trigger', 'event', 'state', 'reason', 'why', 'partial', 'closure'].map(
    (name) => [name, []] as const,
  ),
  ...['startedAt', 'endedAt', 'incident'].map((name) => [name, []] as const),
  ['failure', ['step', 'class', 'message']],
  ['inputs', true],
  ['outputs', true],
  ['chain', true],
]);

/** Pointers that lead to nothing in the end of any run: such a trigger never fires, or its runs lack an input. */
export function endIssues({ triggers, inputs }: Parts): Unplaced[] {
  const ofTriggers = triggers.flatMap((trigger, i) =>
    trigger?.on === 'run' ? pointersOf(trigger, `/triggers/${i}`) : [],
  );
  // Of a playbook that something else starts too, what an end lacks may come from that.
  const isForEnds = triggers.length > 0 && triggers.every((trigger) => trigger?.on === 'run');
  const ofInputs = [...(isForEnds ? inputs : [])].map(([name, pointer]) => ({
    at: `/inputs/${legibleKey(name)}`,
    pointer,
  }));
  return [...ofTriggers, ...ofInputs].flatMap(({ at, pointer }) => {
    const text = typeof pointer === 'string' ? faultOf(tokensOf(pointer)) : undefined;
    return text === undefined ? [] : [{ at, text }];
  });
}

type Pointer = { readonly at: string; readonly pointer: Json | undefined };

function pointersOf(trigger: Extract<Trigger, { on: 'run' }>, at: string): Pointer[] {
  const lists = {
    requires: trigger.requires,
    'dedup/key': trigger.dedup?.key,
    'limits/cooldown/key': trigger.limits?.cooldown?.key,
  };
  return [
    { at: `${at}/incident`, pointer: trigger.incident },
    ...Object.entries(lists).flatMap(([key, list]) =>
      (list ?? []).map((pointer, i) => ({ at: `${at}/${key}/${i}`, pointer })),
    ),
    ...eventPathsOf(trigger.where).map((pointer) => ({ at: `${at}/where`, pointer })),
  ];
}

function faultOf([first, second, ...deeper]: readonly string[]): string | undefined {
  if (first === undefined) return undefined;
  const inside = END_FIELDS.get(first);
  if (inside === undefined)
    return `the end of a run has no ${legibleKey(first)}: it has ${[...END_FIELDS.keys()].join(', ')}`;
  if (inside === true || second === undefined) return undefined;
  if (inside.length === 0) return `${first} of the end of a run has nothing in it: use /${first}`;
  if (inside.includes(second) && deeper.length === 0) return undefined;
  return `${first} of the end of a run has ${inside.join(', ')}, where the failure of a step ended the run`;
}
