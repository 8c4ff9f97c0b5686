import { digestOf, digestOfJson } from '../base/digest.ts';
import type { Digest, RunId, StepId, StepRunId } from '../base/id.ts';
import { partsOfStepRun, stepRunId } from '../base/id.ts';
import type { Json } from '../base/json.ts';
import { own } from '../base/own.ts';
import type { UnixMs } from '../base/time.ts';
import type { Graph, Step } from '../playbook/graph.ts';
import type { Scope } from '../playbook/reference.ts';
import type { Run } from './state.ts';

/** Where a step run stands, and the names that follow from that. */

/** What references of this step may see: inputs, outputs of steps that succeeded at the same items, and the items. */
export function scopeOf(run: Run, graph: Graph, { each }: Pick<Step, 'each'>, items: readonly number[]): Scope {
  // By name: a playbook has few steps, and a run may have very many.
  const seen = [...graph.steps.values()].flatMap((step): [StepId, Json][] => {
    if (step.each.length > items.length) return [];
    const found = own(run.steps, stepRunId(step.id, items.slice(0, step.each.length)));
    return found?.state === 'succeeded' ? [[step.id, found.output]] : [];
  });
  const steps = Object.fromEntries(seen);
  if (each.length === 0) return { inputs: run.inputs, steps };
  const entries = each.map((id, depth) => {
    const list = own(run.steps, stepRunId(id, items.slice(0, depth)))?.parameters.items;
    const index = items[depth] ?? 0;
    // A round of a `repeat` has no item.
    return [id, Array.isArray(list) ? { item: (list as readonly Json[])[index] ?? null, index } : { index }] as const;
  });
  const innermost = entries.findLast(([, one]) => 'item' in one)?.[1];
  return { inputs: run.inputs, steps, each: Object.fromEntries(entries), ...innermost };
}

/** The lane of a fork that holds a step run; null at the top. */
export type LanePlace = { readonly fork: StepRunId; readonly lane: number };
export function laneOf(graph: Graph, { within }: Pick<Step, 'within'>, items: readonly number[]): LanePlace | null {
  if (!within) return null;
  if (graph.steps.get(within.fork)?.kind === 'parallel')
    return { fork: stepRunId(within.fork, items), lane: within.lane };
  return { fork: stepRunId(within.fork, items.slice(0, -1)), lane: items.at(-1) ?? 0 };
}

/** Whether the step is still to go on: every fork around it is under way, and so is the lane that leads to it. */
export function isLive(run: Run, graph: Graph, id: StepRunId): boolean {
  for (let at: StepRunId | undefined = id; at !== undefined; ) {
    const { step, items } = partsOfStepRun(at);
    const known = graph.steps.get(step);
    const lane = known && laneOf(graph, known, items);
    if (!lane) return known !== undefined;
    const fork = own(run.steps, lane.fork);
    if (fork?.state !== 'open' || fork.waitsFor !== 'lanes' || fork.lanes[lane.lane] !== 'open') return false;
    at = lane.fork;
  }
  return false;
}

type Named = Pick<Run, 'org' | 'id'>;

/**
 * Idempotency key: the same for every attempt of a step, different for every step and item of every run of every org.
 * Derived, not drawn, so that it survives any crash.
 */
export function keyOf(run: Named, id: StepRunId, op: 'execute' | 'rollback' = 'execute'): string {
  const { step, items } = partsOfStepRun(id);
  const name = `${run.org}\0${run.id}\0${step}\0${items.length === 0 ? '0' : items.join('.')}`;
  const purpose = op === 'execute' ? 'idempotency' : 'idempotency-rollback';
  return `ilk-${digestOf(`interlock/${purpose}/v1\0${name}`).slice(7, 47)}`;
}

/** Derived like the key: a decision draws nothing at random, so it can be made again. Sorts by the time of asking. */
export const idAt = (prefix: 'apr' | 'run', run: Named, step: StepRunId, now: UnixMs): string => {
  const purpose = prefix === 'apr' ? 'approval' : 'child';
  const name = digestOf(`interlock/${purpose}/v1\0${run.org}\0${run.id}\0${step}\0${now}`);
  return `${prefix}_${now.toString(16).padStart(12, '0')}${name.slice(7, 27)}`;
};
export const childIdOf = (run: Named, step: StepRunId, now: UnixMs): RunId => idAt('run', run, step, now) as RunId;

/** What must arrive for a wait to be over: the same for an event that has these values as for a step that waits for them. */
export const waitKey = (playbook: Digest, step: StepId, values: Readonly<Record<string, Json>>): Digest =>
  digestOfJson('wait', { playbook, step, values });
