import type { StepId } from '../base/id.ts';
import { stepId } from '../base/id.ts';
import type { JsonObject } from '../base/json.ts';
import { type DurationMs, durationMs, LONGEST_TRY, LONGEST_WAIT, parseDuration } from '../base/time.ts';
import type { ForeachStep, Graph, Join, OnFailure, RepeatStep, Step, WaitStep } from './graph.ts';
import type { Playbook } from './schema.ts';
import { type PlaybookStep, TIER_FLOOR } from './step.ts';

/** From the document to the graph. Every default of a step is here, and none is in the document (see schema.ts). */

const FOREACH_LIMIT = 100;
const FOREACH_CONCURRENCY = 4;
const REPEAT_TIMES = 10;

/** A version that was stored before there was a bound keeps to it all the same. */
function lengthOf(text: string | undefined, most: DurationMs): DurationMs | undefined {
  const length = text === undefined ? undefined : parseDuration(text);
  return length === undefined ? undefined : durationMs(Math.min(length, most));
}

const target = (name: string): StepId | null => (name === 'end' ? null : stepId(name));

/** Where a block stands: see `Step.within` and `Step.each`. */
type Place = Pick<Step, 'within' | 'each'>;

export function toGraph(playbook: Pick<Playbook, 'steps' | 'timeout' | 'inputs' | 'outputs' | 'incident'>): Graph {
  const steps = new Map<StepId, Step>();
  addBlock(playbook.steps, { within: null, each: [] }, steps);
  return {
    entry: stepId(playbook.steps[0]?.id ?? ''),
    steps,
    timeout: lengthOf(playbook.timeout, LONGEST_WAIT) ?? durationMs(1_800_000),
    inputs: playbook.inputs,
    outputs: playbook.outputs ?? {},
    claims: [...steps.values()].some((step) => step.kind === 'action' && step.dedup),
    ...(playbook.incident !== undefined && { incident: playbook.incident }),
  };
}

function addBlock(block: readonly PlaybookStep[], place: Place, steps: Map<StepId, Step>): StepId {
  block.forEach((step, index) => {
    const following = block[index + 1];
    const id = stepId(step.id);
    const below = following ? stepId(following.id) : null;
    const next = 'next' in step && step.next !== undefined ? target(step.next) : below;
    steps.set(id, compile(step, { id, ...place, next }));
    if (step.type === 'parallel')
      Object.values(step.lanes).forEach((lane, number) => {
        addBlock(lane, { within: { fork: id, lane: number }, each: place.each }, steps);
      });
    if (step.type === 'foreach' || step.type === 'repeat')
      addBlock(step.steps, { within: { fork: id, lane: 0 }, each: [...place.each, id] }, steps);
  });
  return stepId(block[0]?.id ?? '');
}

function compile(step: PlaybookStep, common: Place & { readonly id: StepId; readonly next: StepId | null }): Step {
  const { next: _, ...placed } = common;
  switch (step.type) {
    case 'branch': {
      const paths = 'paths' in step ? step.paths : [step];
      return {
        ...placed,
        kind: 'branch',
        paths: paths.map(({ when, then }) => ({ when, to: target(then) })),
        otherwise: target(step.else),
      };
    }
    case 'update_state':
      return { ...common, kind: 'update', incident: step.incident, set: step.set };
    case 'wait':
      return { ...common, kind: 'wait', wait: waitOf(step), onFailure: failureOf(step.onFailure) };
    case 'approval': {
      const expires = lengthOf(step.expires, LONGEST_WAIT);
      const { ask, tier = 'high' } = step;
      return { ...common, kind: 'approval', ask, tier, expires, onFailure: failureOf(step.onFailure) };
    }
    case 'playbook':
      return {
        ...common,
        kind: 'playbook',
        playbook: step.uses,
        with: step.with as JsonObject,
        detached: step.detached ?? false,
        onFailure: failureOf(step.onFailure),
      };
    case 'fail':
      return { ...placed, kind: 'fail', message: step.message };
    case 'parallel':
      return {
        ...common,
        kind: 'parallel',
        lanes: Object.entries(step.lanes).map(([name, lane]) => ({ name, entry: stepId(lane[0]?.id ?? '') })),
        join: joinOf(step),
        onFailure: failureOf(step.onFailure),
      };
    case 'foreach':
      return foreachOf(step, common);
    case 'repeat':
      return repeatOf(step, common);
    default: {
      const [plugin = '', action = ''] = step.uses.split('/');
      const [first = '500ms', most = '10s'] = step.retry?.backoff?.split('..') ?? [];
      return {
        ...common,
        kind: 'action',
        type: step.type,
        plugin,
        action,
        with: step.with as JsonObject,
        tier: step.tier ?? TIER_FLOOR[step.type],
        timeout: lengthOf(step.timeout, LONGEST_TRY) ?? null,
        retry: step.retry && {
          attempts: step.retry.attempts,
          first: lengthOf(first, LONGEST_TRY) ?? durationMs(500),
          most: lengthOf(most, LONGEST_TRY) ?? durationMs(10_000),
          on: step.retry.on,
        },
        rollback: step.rollback === true,
        ...(step.dedup && {
          dedup: { key: step.dedup.key, window: lengthOf(step.dedup.window, LONGEST_WAIT) ?? durationMs(0) },
        }),
        onFailure: failureOf(step.onFailure),
      };
    }
  }
}

function foreachOf(
  step: Extract<PlaybookStep, { type: 'foreach' }>,
  common: Place & { readonly id: StepId; readonly next: StepId | null },
): ForeachStep {
  return {
    ...common,
    kind: 'foreach',
    over: step.over,
    limit: step.limit ?? FOREACH_LIMIT,
    concurrency: step.concurrency ?? FOREACH_CONCURRENCY,
    collect: step.collect,
    entry: stepId(step.steps[0]?.id ?? ''),
    join: joinOf(step),
    onFailure: failureOf(step.onFailure),
  };
}

function repeatOf(
  step: Extract<PlaybookStep, { type: 'repeat' }>,
  common: Place & { readonly id: StepId; readonly next: StepId | null },
): RepeatStep {
  return {
    ...common,
    kind: 'repeat',
    until: step.until,
    times: step.times ?? REPEAT_TIMES,
    pause: lengthOf(step.pause, LONGEST_WAIT) ?? durationMs(0),
    collect: step.collect,
    entry: stepId(step.steps[0]?.id ?? ''),
    onFailure: failureOf(step.onFailure),
  };
}

function waitOf(step: Extract<PlaybookStep, { type: 'wait' }>): WaitStep['wait'] {
  if (step.event) {
    const { match, where, take = {} } = step.event;
    return { kind: 'event', match, where, take, timeout: lengthOf(step.timeout, LONGEST_WAIT) };
  }
  if (step.until !== undefined) return { kind: 'until', instant: step.until };
  return { kind: 'for', length: lengthOf(step.for, LONGEST_WAIT) ?? durationMs(0) };
}

function joinOf({
  join = 'all',
  rest = 'stop',
}: Pick<Extract<PlaybookStep, { type: 'parallel' }>, 'join' | 'rest'>): Join {
  return { need: join === 'all' ? 'all' : join === 'any' ? 1 : join.quorum, rest };
}

function failureOf(said: string | undefined): OnFailure {
  if (said === undefined) return { kind: 'fail' };
  if (said === 'continue' || said === 'manual') return { kind: said };
  return { kind: 'goto', to: target(said) };
}
