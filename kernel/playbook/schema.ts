import * as v from 'valibot';
import { NAME_PATTERN, noKeyTaken, notTaken } from '../../sdk/contract/name.ts';
import { closedObject } from '../../sdk/contract/wanted.ts';
import { LIMITS } from '../base/limits.ts';
import { isDurationUpTo, LONGEST_TRY, LONGEST_WAIT } from '../base/time.ts';
import { BoundedRuleSchema } from '../rule/schema.ts';
import { TriggerSchema } from '../trigger/schema.ts';

/**
 * The playbook document, version 1, as its author writes it (design: "A playbook, as its author writes it").
 * Strict: a key that this version does not execute is refused, never ignored.
 */
const name = v.pipe(v.string(), v.regex(NAME_PATTERN, 'use lower-case letters, digits and single hyphens'), notTaken);
const isTry = (text: string) => isDurationUpTo(text, LONGEST_TRY);
/** Of a run: how long it may last, whatever it waits for. */
const runTimeout = v.pipe(
  v.string(),
  v.check((text) => isDurationUpTo(text, LONGEST_WAIT), 'use a whole number and a unit, e.g. 30m or 4h, up to 30d'),
);
/** Of a step: one call. */
const stepTimeout = v.pipe(v.string(), v.check(isTry, 'use a whole number and a unit, e.g. 5s or 30m, up to 24h'));
const backoff = v.pipe(
  v.string(),
  v.check((text) => {
    const parts = text.split('..');
    return parts.length === 2 && parts.every(isTry);
  }, 'use first..most, e.g. 1s..30s, each up to 24h'),
);
const pointer = v.pipe(v.string(), v.regex(/^(?:\/(?:[^~/]|~[01])*)+$/, 'use a JSON Pointer, e.g. /device/hostname'));
const next = v.optional(v.union([v.literal('end'), name]));

export const TIERS = ['low', 'moderate', 'high', 'critical'] as const;
export type Tier = (typeof TIERS)[number];

/** Least tier of each kind of action step; a playbook may raise it, never lower it. */
export const TIER_FLOOR = {
  notify: 'low',
  enrich: 'low',
  open_ticket: 'low',
  webhook: 'moderate',
  contain: 'high',
} as const satisfies Record<string, Tier>;
export type ActionType = keyof typeof TIER_FLOOR;

const ActionStep = closedObject({
  id: name,
  type: v.picklist(Object.keys(TIER_FLOOR) as [ActionType, ...ActionType[]]),
  uses: v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]{0,62}\/[a-z][a-z0-9-]{0,62}$/, 'use plugin/action')),
  with: v.optional(v.pipe(v.unknown(), noKeyTaken, v.record(v.string(), v.unknown())), {}),
  timeout: v.optional(stepTimeout),
  retry: v.optional(
    closedObject({
      attempts: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(LIMITS.stepAttempts.value)),
      backoff: v.optional(backoff),
    }),
  ),
  tier: v.optional(v.picklist(TIERS)),
  next,
});

const UpdateStep = closedObject({
  id: name,
  type: v.literal('update_state'),
  /** Reference to the incident's id, e.g. `{{ inputs.finding }}`. */
  incident: v.pipe(v.string(), v.minLength(1), v.maxLength(512)),
  set: closedObject({
    state: v.picklist(['new', 'triaged', 'contained', 'resolved', 'closed']),
    note: v.optional(v.pipe(v.string(), v.maxLength(1_000))),
  }),
  next,
});

const BranchStep = closedObject({
  id: name,
  type: v.literal('branch'),
  when: BoundedRuleSchema,
  then: v.union([v.literal('end'), name]),
  else: v.union([v.literal('end'), name]),
});

export const StepSchema = v.variant('type', [ActionStep, UpdateStep, BranchStep]);

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
  inputs: v.optional(
    v.pipe(
      v.unknown(),
      noKeyTaken,
      v.record(
        v.pipe(
          v.string(),
          v.regex(/^[a-z][a-z0-9_]{0,62}$/, 'use lower-case letters, digits and underscores for the name of an input'),
        ),
        pointer,
      ),
      v.maxEntries(64),
    ),
    {},
  ),
  steps: v.pipe(v.array(StepSchema), v.minLength(1), v.maxLength(LIMITS.stepsPerPlaybook.value)),
  timeout: v.optional(runTimeout, '30m'),
});

export type Playbook = v.InferOutput<typeof PlaybookSchema>;
