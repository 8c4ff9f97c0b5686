import * as v from 'valibot';
import { noKeyTaken } from '../../sdk/contract/name.ts';
import { closedObject } from '../../sdk/contract/wanted.ts';
import { LIMITS } from '../base/limits.ts';
import { TriggerSchema } from '../trigger/schema.ts';
import { StepSchema } from './step.ts';
import { name, oneReference, pointer, waitLength } from './word.ts';

/**
 * The playbook document, version 1, as its author writes it (design: "A playbook, as its author writes it").
 * Strict: a key that this version does not execute is refused, never ignored. No key has a default here: a version is
 * named by the digest of what its author wrote.
 */
const inputName = v.pipe(
  v.string(),
  v.regex(/^[a-z][a-z0-9_]{0,62}$/, 'use lower-case letters, digits and underscores for the name of an input'),
);

/** What a run belongs to is said when it starts: there are inputs then, and no outputs. */
const INPUTS_ONLY = /^(?:[^{}]|\{\{ ?inputs(?:\.[A-Za-z0-9_-]{1,64}){1,16} ?\}\})+$/;

export const PlaybookSchema = closedObject({
  apiVersion: v.literal('interlock/v1'),
  kind: v.literal('Playbook'),
  name,
  title: v.pipe(v.string(), v.minLength(1), v.maxLength(120)),
  description: v.optional(v.pipe(v.string(), v.maxLength(2_000))),
  owners: closedObject({
    technical: v.pipe(v.string(), v.minLength(1), v.maxLength(120)),
    operational: v.pipe(v.string(), v.minLength(1), v.maxLength(120)),
  }),
  triggers: v.pipe(v.array(TriggerSchema), v.minLength(1), v.maxLength(16)),
  inputs: v.optional(v.pipe(v.unknown(), noKeyTaken, v.record(inputName, pointer), v.maxEntries(64)), {}),
  /** The incident that a run belongs to, e.g. `{{ inputs.finding }}`; without it, the one of the event. */
  incident: v.optional(
    v.pipe(
      v.string(),
      v.minLength(1),
      v.maxLength(512),
      v.regex(INPUTS_ONLY, 'use a text in which every reference is of the form {{ inputs.NAME }}'),
    ),
  ),
  steps: v.pipe(v.array(StepSchema), v.minLength(1), v.maxLength(LIMITS.stepsPerPlaybook.value)),
  /** What a run leaves for whoever started it as a step: a name for a reference, as seen from its end. */
  outputs: v.optional(v.pipe(v.unknown(), noKeyTaken, v.record(inputName, oneReference), v.maxEntries(64))),
  timeout: v.optional(waitLength, '30m'),
  /** How many runs may be under way at once, and what becomes of one more: it waits (so without `over`), or is none. */
  concurrency: v.optional(
    closedObject({
      limit: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(LIMITS.runsInFlightPerOrg.value)),
      over: v.optional(v.picklist(['queue', 'drop'])),
    }),
  ),
});

export type Playbook = v.InferOutput<typeof PlaybookSchema>;
