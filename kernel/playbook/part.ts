import * as v from 'valibot';
import { isObject, type Json } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';
import { type Trigger, TriggerSchema } from '../trigger/schema.ts';
import { StepSchema } from './schema.ts';

/**
 * The parts of a document that fit the schema by themselves, each in its place, and undefined where one does not. What
 * is wrong between parts can so be said in one go with what is wrong in others.
 */
export type Parts = {
  readonly triggers: readonly (Trigger | undefined)[];
  readonly steps: readonly (PlaybookStep | undefined)[];
  /** Ids of all steps, also of those that do not fit. */
  readonly stepIds: ReadonlySet<string>;
  /** Names of the inputs. */
  readonly inputs: ReadonlySet<string>;
};
export type PlaybookStep = v.InferOutput<typeof StepSchema>;

export function partsOf(document: Json): Parts {
  const { triggers, steps, inputs } = isObject(document) ? document : {};
  // As many as a playbook may have: more is refused for that alone.
  const list = (items: Json | undefined): readonly Json[] =>
    Array.isArray(items) ? items.slice(0, LIMITS.stepsPerPlaybook.value) : [];
  const fitting = <T>(schema: v.GenericSchema<unknown, T>, item: Json): T | undefined => {
    const parsed = v.safeParse(schema, item);
    return parsed.success ? parsed.output : undefined;
  };
  return {
    triggers: list(triggers).map((item) => fitting(TriggerSchema, item)),
    steps: list(steps).map((item) => fitting(StepSchema, item)),
    stepIds: new Set(list(steps).flatMap((item) => (isObject(item) && typeof item.id === 'string' ? [item.id] : []))),
    inputs: new Set(isObject(inputs) ? Object.keys(inputs) : []),
  };
}
