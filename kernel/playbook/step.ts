import * as v from 'valibot';
import { ERROR_CLASSES, type ErrorClass } from '../../sdk/contract/error.ts';
import { INCIDENT_STATES, SEVERITIES } from '../../sdk/contract/incident-word.ts';
import { noKeyTaken } from '../../sdk/contract/name.ts';
import { STEP_TYPES, type StepType } from '../../sdk/contract/plugin.ts';
import { closedObject } from '../../sdk/contract/wanted.ts';
import { LIMITS } from '../base/limits.ts';
import { BoundedRuleSchema, ruleOver } from '../rule/schema.ts';
import { backoff, name, oneReference, pointer, target, template, tryLength, waitLength } from './word.ts';

/**
 * The steps of a playbook document. `parallel`, `foreach` and `repeat` hold steps of their own: a block, which begins with its
 * first step and ends where a step of it has no next one. Nothing points out of a block or into one.
 */
export const TIERS = ['low', 'moderate', 'high', 'critical'] as const;
export type Tier = (typeof TIERS)[number];

/** Least tier of each kind of action step; a playbook may raise it, never lower it. */
export const TIER_FLOOR = {
  notify: 'low',
  enrich: 'low',
  open_ticket: 'low',
  webhook: 'moderate',
  contain: 'high',
} as const satisfies Record<StepType, Tier>;
export type ActionType = StepType;

/** What becomes of a run when a step of it fails for good, beside the id of a step to go on with. */
const FAILURE_WAYS = ['continue', 'manual'] as const;
/** Words that stand where the id of a step could stand. */
export const RESERVED_IDS: readonly string[] = ['end', ...FAILURE_WAYS];

const next = v.optional(target);
const onFailure = v.optional(v.union([v.picklist(FAILURE_WAYS), target]));
/** Errors that may be tried again. A refusal by policy never is. */
const RETRIABLE = Object.keys(ERROR_CLASSES).filter((one) => one !== 'refused_by_policy') as [
  ErrorClass,
  ...ErrorClass[],
];
const parameters = v.optional(v.pipe(v.unknown(), noKeyTaken, v.record(v.string(), v.unknown())), {});

const ActionStep = closedObject({
  id: name,
  type: v.picklist(STEP_TYPES),
  uses: v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]{0,62}\/[a-z][a-z0-9-]{0,62}$/, 'use plugin/action')),
  with: parameters,
  timeout: v.optional(tryLength),
  retry: v.optional(
    closedObject({
      attempts: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(LIMITS.stepAttempts.value)),
      backoff: v.optional(backoff),
      /** Classes of errors that are tried again; without it those that are transient. */
      on: v.optional(v.pipe(v.array(v.picklist(RETRIABLE)), v.minLength(1), v.maxLength(RETRIABLE.length))),
    }),
  ),
  tier: v.optional(v.picklist(TIERS)),
  /** Undone, by the action's own `rollback`, when the run does not complete. */
  rollback: v.optional(v.literal(true)),
  /** Done once for what the key names, within the window, over all runs of the playbook. */
  dedup: v.optional(
    closedObject({ key: v.pipe(v.array(template(512)), v.minLength(1), v.maxLength(8)), window: waitLength }),
  ),
  onFailure,
  next,
});

const UpdateStep = closedObject({
  id: name,
  type: v.literal('update_state'),
  /** Reference to the incident's id, e.g. `{{ inputs.finding }}`. */
  incident: template(512),
  set: closedObject({
    state: v.picklist(INCIDENT_STATES),
    severity: v.optional(v.picklist(SEVERITIES)),
    note: v.optional(v.pipe(v.string(), v.maxLength(1_000))),
  }),
  next,
});

/** What a branch must say where its facts are these: judged by lint, so a predicate is tested before it is stored. */
const cases = v.optional(
  v.pipe(
    v.array(closedObject({ given: v.pipe(v.unknown(), noKeyTaken, v.record(v.string(), v.unknown())), then: target })),
    v.minLength(1),
    v.maxLength(32),
  ),
);
const TwoWays = closedObject({
  id: name,
  type: v.literal('branch'),
  when: BoundedRuleSchema,
  then: target,
  else: target,
  cases,
});
const ManyWays = closedObject({
  id: name,
  type: v.literal('branch'),
  /** The first whose rule holds is taken. */
  paths: v.pipe(v.array(closedObject({ when: BoundedRuleSchema, then: target })), v.minLength(1), v.maxLength(16)),
  else: target,
  cases,
});

const WaitStep = closedObject({
  id: name,
  type: v.literal('wait'),
  /** How long. */
  for: v.optional(waitLength),
  /** Until when: an RFC 3339 timestamp. */
  until: v.optional(template(512)),
  /** For an event of which these fields are these values. */
  event: v.optional(
    closedObject({
      match: v.pipe(v.unknown(), noKeyTaken, v.record(pointer, template(512)), v.minEntries(1), v.maxEntries(4)),
      where: v.optional(ruleOver(['event', 'envelope'])),
      /** What the output takes from the event, beside its id. */
      take: v.optional(
        v.pipe(
          v.unknown(),
          noKeyTaken,
          v.record(v.pipe(v.string(), v.regex(/^[a-z][a-z0-9_]{0,62}$/)), pointer),
          v.maxEntries(32),
        ),
      ),
    }),
  ),
  /** For an event: how long at most. Without it until the run's own deadline. */
  timeout: v.optional(waitLength),
  onFailure,
  next,
});

const ApprovalStep = closedObject({
  id: name,
  type: v.literal('approval'),
  /** What people are asked, with references. They see it with every reference filled. */
  ask: template(1_000),
  /** Which row of the approval matrix says who and how many. At least one person is asked. */
  tier: v.optional(v.picklist(TIERS)),
  expires: v.optional(waitLength),
  onFailure,
  next,
});

const SubPlaybookStep = closedObject({
  id: name,
  type: v.literal('playbook'),
  /** A playbook of the org. The version that is active when the run starts is pinned with it. */
  uses: name,
  /** Its inputs, by name. */
  with: parameters,
  /** It does not wait for the run that it starts. */
  detached: v.optional(v.boolean()),
  onFailure,
  next,
});

/** Where it is reached, its lane fails, or the run. */
const FailStep = closedObject({
  id: name,
  type: v.literal('fail'),
  /** Why, with references. */
  message: template(1_000),
});

/** How many lanes must succeed, and what becomes of the others once that is settled. */
const join = v.optional(
  v.union([v.picklist(['all', 'any']), closedObject({ quorum: v.pipe(v.number(), v.integer(), v.minValue(1)) })]),
);
const rest = v.optional(v.picklist(['stop', 'finish']));
const Block: v.GenericSchema<unknown, PlaybookStep[]> = v.pipe(
  v.array(v.lazy(() => StepSchema)),
  v.minLength(1),
  v.maxLength(LIMITS.stepsPerPlaybook.value),
);

const parallel = { id: name, type: v.literal('parallel'), join, rest, onFailure, next };
const ParallelStep = closedObject({
  ...parallel,
  lanes: v.pipe(
    v.unknown(),
    noKeyTaken,
    v.record(name, Block),
    v.minEntries(2),
    v.maxEntries(LIMITS.lanesPerParallel.value),
  ),
});

const foreach = {
  id: name,
  type: v.literal('foreach'),
  /** The list. */
  over: oneReference,
  /** More items than this fail the step; none is left out in silence. */
  limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(LIMITS.foreachItems.value))),
  /** Items under way at a time. */
  concurrency: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(LIMITS.foreachConcurrency.value))),
  /** What the output lists for each item: a reference as seen from its last step. */
  collect: v.optional(oneReference),
  join,
  rest,
  onFailure,
  next,
};
const ForeachStep = closedObject({ ...foreach, steps: Block });

const repeat = {
  id: name,
  type: v.literal('repeat'),
  /** Asked at the end of each round, as seen from its last step. */
  until: BoundedRuleSchema,
  /** Rounds at most. When the last one is over and the rule does not hold, the step fails. */
  times: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(LIMITS.repeatRounds.value))),
  /** From the end of a round to the next. */
  pause: v.optional(waitLength),
  /** What the output takes from the last round: a reference as seen from its last step. */
  collect: v.optional(oneReference),
  onFailure,
  next,
};
const RepeatStep = closedObject({ ...repeat, steps: Block });

type Leaf =
  | v.InferOutput<typeof ActionStep>
  | v.InferOutput<typeof UpdateStep>
  | v.InferOutput<typeof TwoWays>
  | v.InferOutput<typeof ManyWays>
  | v.InferOutput<typeof WaitStep>
  | v.InferOutput<typeof ApprovalStep>
  | v.InferOutput<typeof SubPlaybookStep>
  | v.InferOutput<typeof FailStep>;
type Written<Entries extends v.ObjectEntries> = v.InferOutput<v.StrictObjectSchema<Entries, undefined>>;
export type PlaybookStep =
  | Leaf
  | (Written<typeof parallel> & { lanes: Record<string, PlaybookStep[]> })
  | (Written<typeof foreach> & { steps: PlaybookStep[] })
  | (Written<typeof repeat> & { steps: PlaybookStep[] });

const AnyStep = v.variant('type', [
  ActionStep,
  UpdateStep,
  TwoWays,
  WaitStep,
  ApprovalStep,
  SubPlaybookStep,
  FailStep,
  ParallelStep,
  ForeachStep,
  RepeatStep,
]);

const EveryStep = v.union([AnyStep, ManyWays]);

/** A branch with `paths` is of the one form, any other of the other. Without a value (JSON Schema) it is both. */
export const StepSchema: v.GenericSchema<unknown, PlaybookStep> = v.lazy((input) =>
  input === undefined
    ? EveryStep
    : typeof input === 'object' && input !== null && 'paths' in input
      ? ManyWays
      : AnyStep,
);
