import type { Rule } from '../../sdk/contract/rule.ts';
import type { StepId } from '../base/id.ts';
import { stepId } from '../base/id.ts';
import type { JsonObject } from '../base/json.ts';
import { type DurationMs, durationMs, LONGEST_TRY, LONGEST_WAIT, parseDuration } from '../base/time.ts';
import { type ActionType, type Playbook, TIER_FLOOR, type Tier } from './schema.ts';

/**
 * The executable form of a playbook: a table of steps with their successors. Made anew from the document whenever a
 * run needs it; the digest of the document names it.
 */
export type Graph = {
  readonly entry: StepId;
  readonly steps: ReadonlyMap<StepId, Step>;
  readonly timeout: DurationMs;
  readonly inputs: Readonly<Record<string, string>>;
};

export type Step = ActionStep | UpdateStep | BranchStep;

export type ActionStep = {
  readonly kind: 'action';
  readonly id: StepId;
  readonly type: ActionType;
  readonly plugin: string;
  readonly action: string;
  readonly with: JsonObject;
  readonly tier: Tier;
  readonly timeout: DurationMs;
  /** Undefined: the default for the action's effect applies (run/retry.ts). */
  readonly retry: { readonly attempts: number; readonly first: DurationMs; readonly most: DurationMs } | undefined;
  readonly next: StepId | null;
};
export type UpdateStep = {
  readonly kind: 'update';
  readonly id: StepId;
  readonly incident: string;
  readonly set: { readonly state: string; readonly note?: string | undefined };
  readonly next: StepId | null;
};
export type BranchStep = {
  readonly kind: 'branch';
  readonly id: StepId;
  readonly when: Rule;
  readonly whenTrue: StepId | null;
  readonly whenFalse: StepId | null;
};

/** How long a step may take when the playbook does not say (S 5.3: per category of action). */
const DEFAULT_TIMEOUT: Readonly<Record<ActionType, DurationMs>> = {
  notify: durationMs(10_000),
  enrich: durationMs(10_000),
  open_ticket: durationMs(15_000),
  webhook: durationMs(15_000),
  contain: durationMs(30_000),
};

/** A version that was stored before there was a bound keeps to it all the same. */
function lengthOf(text: string | undefined, most: DurationMs): DurationMs | undefined {
  const length = text === undefined ? undefined : parseDuration(text);
  return length === undefined ? undefined : durationMs(Math.min(length, most));
}

export function toGraph(playbook: Playbook): Graph {
  const target = (name: string): StepId | null => (name === 'end' ? null : stepId(name));
  const steps = new Map<StepId, Step>();
  playbook.steps.forEach((step, index) => {
    const following = playbook.steps[index + 1];
    const id = stepId(step.id);
    if (step.type === 'branch') {
      steps.set(id, { kind: 'branch', id, when: step.when, whenTrue: target(step.then), whenFalse: target(step.else) });
      return;
    }
    const next = step.next === undefined ? (following ? stepId(following.id) : null) : target(step.next);
    if (step.type === 'update_state') {
      steps.set(id, { kind: 'update', id, incident: step.incident, set: step.set, next });
      return;
    }
    const [plugin = '', action = ''] = step.uses.split('/');
    const [first = '500ms', most = '10s'] = step.retry?.backoff?.split('..') ?? [];
    steps.set(id, {
      kind: 'action',
      id,
      type: step.type,
      plugin,
      action,
      with: step.with as JsonObject,
      tier: step.tier ?? TIER_FLOOR[step.type],
      timeout: lengthOf(step.timeout, LONGEST_TRY) ?? DEFAULT_TIMEOUT[step.type],
      retry: step.retry && {
        attempts: step.retry.attempts,
        first: lengthOf(first, LONGEST_TRY) ?? durationMs(500),
        most: lengthOf(most, LONGEST_TRY) ?? durationMs(10_000),
      },
      next,
    });
  });
  return {
    entry: stepId(playbook.steps[0]?.id ?? ''),
    steps,
    timeout: lengthOf(playbook.timeout, LONGEST_WAIT) ?? durationMs(1_800_000),
    inputs: playbook.inputs,
  };
}

export const successors = (step: Step): readonly (StepId | null)[] =>
  step.kind === 'branch' ? [step.whenTrue, step.whenFalse] : [step.next];
