import * as v from 'valibot';
import { STOPPED_BY, SUPPRESSED, TRIGGER_OUTCOMES } from './api-trigger.ts';
import { Anything, Count, Digest, EventId, Fields, Finding, Instant, Name, RunId, StepRunName } from './api-word.ts';

/** What triggers would say: to an event that is only shown to them, and, changed, to events that have come. */
const TRUTHS = ['true', 'false', 'undecided'] as const;
const Truth = v.picklist(TRUTHS);
type Truth = (typeof TRUTHS)[number];

/** One condition with what it saw. */
const ConditionReading = v.object({
  truth: Truth,
  fact: v.string(),
  /** JSON Pointer into the fact. */
  path: v.string(),
  operator: v.string(),
  /** From the rule. A list is cut after 16 values. */
  expected: Anything,
  reason: v.picklist(['true', 'false', 'missing', 'wrong_type']),
  /** What stands there, as JSON text, cut after 256 characters and then `…`. Null: nothing does. */
  seen: v.nullable(v.string()),
});

/** A rule as it was read: the tree that the playbook has, each part with what it came to. */
export type RuleReading =
  | v.InferOutput<typeof ConditionReading>
  | { truth: Truth; all: RuleReading[] }
  | { truth: Truth; any: RuleReading[] }
  | { truth: Truth; not: RuleReading };
const Part: v.GenericSchema<RuleReading> = v.lazy(() => RuleReading);
export const RuleReading: v.GenericSchema<RuleReading> = v.union([
  ConditionReading,
  v.object({ truth: Truth, all: v.array(Part) }),
  v.object({ truth: Truth, any: v.array(Part) }),
  v.object({ truth: Truth, not: Part }),
]);

export const ExplainedPlaybook = v.object({
  playbook: Name,
  digest: Digest,
  triggers: v.array(
    v.object({
      trigger: Name,
      /** What would come out now, by what windows and limits say as of this answer. */
      outcome: v.picklist(TRIGGER_OUTCOMES),
      /** Of `suppressed`; otherwise null. */
      reason: v.nullable(v.picklist(SUPPRESSED)),
      /** Of a cooldown, a rate and a burst: when that is over, if nothing more comes. Older servers do not say. */
      until: v.optional(v.nullable(Instant)),
      /** Of `stopped`: whose stop it is. Older servers do not say. */
      stop: v.optional(v.nullable(v.picklist(STOPPED_BY))),
      /** Fields that the trigger needs and the event lacks. Looked at only where the rule is true. */
      lacks: v.array(v.string()),
      /** The run that would absorb it, or that stands for the one which would not be started. */
      run: v.nullable(RunId),
      /** Null where it could not be judged. */
      rule: v.nullable(RuleReading),
    }),
  ),
  /** Steps at which runs wait for an event with the key of this one. None where one trigger was asked about. */
  waits: v.array(
    v.object({
      step: Name,
      /** The version that the runs keep to. */
      digest: Digest,
      /** Pointers, each with the value that the event must have there, and has. */
      match: Fields,
      /** Whether it would wake them, as of this answer. */
      wakes: v.boolean(),
      /** What it must meet besides, and what that saw; null: nothing. */
      where: v.nullable(RuleReading),
      /** Those first that have waited longest. */
      waiting: v.array(v.object({ run: RunId, step: StepRunName, until: Instant })),
    }),
  ),
  /** How many more wait than are told; at most 32 are. */
  untold: Count,
});
export type ExplainedPlaybook = v.InferOutput<typeof ExplainedPlaybook>;

/** Events for which a trigger would do something else than it did. */
const differences = {
  /** It fires now, and did not: a run is started for the event, or takes it in. */
  gained: Count,
  /** It fired, and does not now. */
  lost: Count,
  /** It fired, and does so now. */
  same: Count,
};
/** Runs that it started, also those that had to wait; matches that a run took in; matches that were held back. */
const Fired = v.object({ runs: Count, absorbed: Count, suppressed: Count });
const Example = v.object({
  event: EventId,
  receivedAt: Instant,
  trigger: Name,
  /** What came out; null where the record tells nothing of it. */
  recorded: v.nullable(v.string()),
  changed: v.nullable(v.string()),
  /** The conditions that decide now. What the event holds there is not shown. */
  why: v.array(Finding),
});

export const Replay = v.object({
  playbook: Name,
  /** Of the text that was sent. */
  digest: Digest,
  /** The version that new runs use. What is compared is the record, whichever version was active then. */
  active: v.nullable(Digest),
  events: Count,
  /** When the first and the last of them came. */
  from: v.nullable(Instant),
  to: v.nullable(Instant),
  triggers: v.array(v.object({ trigger: Name, recorded: Fired, changed: Fired, ...differences })),
  /** The first of each kind. */
  gained: v.array(Example),
  lost: v.array(Example),
  /** Send it as `cursor`, with the same text, for the events behind these. Null: these were the last. */
  next: v.nullable(v.string()),
});
export type Replay = v.InferOutput<typeof Replay>;
