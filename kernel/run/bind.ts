import { unreachable } from '../base/assert.ts';
import type { StepRunId } from '../base/id.ts';
import type { Json, JsonObject } from '../base/json.ts';
import { isObject } from '../base/json.ts';
import type { Step as GraphStep } from '../playbook/graph.ts';
import { type BindFault, bind } from '../playbook/reference.ts';
import { scopeOf } from './scope.ts';
import type { StepError } from './state.ts';
import { fail, type Step, type Turn } from './turn.ts';

/** Fills the references of a step that is reached, and says where definition and run do not fit together. */

/** @returns the values with their references filled, or why not, in words that hold nothing of them. */
export function bindAt(turn: Turn, step: GraphStep, items: readonly number[], values: JsonObject): JsonObject | string {
  const bound = bind(values as Json, scopeOf(turn.run(), turn.facts.graph, step, items));
  if (!bound.ok) return bindMessage(bound.error);
  return isObject(bound.value) ? bound.value : 'the bound parameters are no object';
}

function bindMessage({ kind, reference }: BindFault): string {
  switch (kind) {
    case 'missing':
      return `{{ ${reference} }} has no value in this run`;
    case 'object':
    case 'list':
      return `{{ ${reference} }} is ${kind === 'list' ? 'a list' : 'an object'} in this run, which cannot stand inside of a text`;
    case 'too_large':
      return 'the bound parameters are too large';
    default:
      return unreachable(kind);
  }
}

/** A step that cannot even be tried: its definition and this run do not fit together. */
export function failDefined(turn: Turn, step: GraphStep, at: StepRunId, message: string): Step {
  return failWith(turn, step, at, wrong(message));
}

/** A step that called no action has failed for good. */
export function failWith(turn: Turn, step: GraphStep, at: StepRunId, error: StepError, reason = 'step-failed'): Step {
  turn.emit({ kind: 'step-failed', step: at, attempt: 0, error });
  return fail(step, at, error, reason);
}

export const wrong = (message: string): StepError => ({ class: 'invalid_input', message });
