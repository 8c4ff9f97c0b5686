import * as v from 'valibot';
import {
  Actor,
  Anything,
  ApprovalId,
  Digest,
  EventId,
  Fields,
  Instant,
  Name,
  Principal,
  RunId,
  Sentence,
  Seq,
  StepRunName,
  says,
} from './api-word.ts';
import { PlanSchema, STEP_TYPES } from './plugin.ts';

/** Runs and approvals, as the API shows them, and what people may say to them. `seq` is a place in the audit log. */
export const RUN_ENDS = ['completed', 'failed', 'cancelled', 'timed_out', 'aborted'] as const;
export const RUN_STATES = ['pending', 'running', 'waiting', 'undoing', ...RUN_ENDS] as const;
export const APPROVAL_STATES = ['pending', 'approved', 'rejected', 'expired', 'withdrawn'] as const;
/** Step types that call no action. */
const CONTROL_TYPES = [
  'update_state',
  'branch',
  'wait',
  'approval',
  'playbook',
  'parallel',
  'foreach',
  'repeat',
  'fail',
] as const;
export const CLOSURES = ['open', 'closed', 'needs_review'] as const;
const TIERS = ['low', 'moderate', 'high', 'critical'] as const;
const ROLES = ['source', 'author', 'approver', 'operator', 'auditor', 'admin'] as const;

export const Role = v.picklist(ROLES);
const Decision = v.picklist(['approve', 'reject']);

/** Of a run that is a part of another, `run` may be one above it. */
const Paused = v.object({
  run: says(RunId, 'Whose pause it is: the run itself, or one that it is a part of. Its resume ends it.'),
  by: Principal,
  at: Instant,
  reason: v.string(),
});
/** Older servers do not say. */
const paused = says(
  v.optional(v.nullable(Paused)),
  'A person has it send nothing more: what is under way ends, and what would be sent waits for the resume, or for its ' +
    'deadline. Of a run that has ended: it ended like that. Null: it is not paused.',
);

const summary = {
  run: RunId,
  org: Name,
  playbook: says(Name, 'Name of the playbook.'),
  digest: says(Digest, 'The version of the playbook that the run keeps to its end.'),
  state: v.picklist(RUN_STATES),
  partial: says(v.boolean(), 'Something was carried out, and the run did not complete.'),
  /** Older servers do not say. */
  undone: says(
    v.optional(v.boolean()),
    'All that was carried out was undone after. False where it is not known, as of runs that it started, and in a list of ' +
      'runs that ended before this was kept.',
  ),
  closure: says(
    v.picklist(CLOSURES),
    '`needs_review`: it ended with something unknown, or in part; a person has to look.',
  ),
  trigger: says(Name, 'The trigger of the playbook that started it.'),
  event: says(EventId, 'The event that started it.'),
  requester: says(
    Principal,
    'Who sent the event, or asked for it to run again; may not vote on what the run asks for.',
  ),
  startedAt: says(Instant, 'When it was made. One that is `pending` waits for its turn and has not begun.'),
  endedAt: says(v.nullable(Instant), 'Null while it is under way.'),
  reason: says(v.nullable(v.string()), 'Why it ended.'),
  /** Older servers do not say. */
  failure: says(
    v.optional(v.nullable(v.object({ step: StepRunName, class: v.string(), message: v.string() }))),
    'The failure of a step that ended it, with the beginning of what the step says of it. Null where none did, and for ' +
      'runs that ended before this was kept.',
  ),
  paused,
};
export const RunSummary = v.object(summary);
export type RunSummary = v.InferOutput<typeof RunSummary>;

export const StepError = v.object({
  class: says(v.string(), 'From the table of error classes.'),
  message: v.string(),
});

export const Attempt = v.object({
  number: says(v.pipe(v.number(), v.integer(), v.minValue(1)), 'From 1.'),
  effect: says(
    v.picklist(['none', 'read', 'write']),
    'What the action declares: `write` may have changed something outside.',
  ),
  intentSeq: says(Seq, 'The audit record that was on disk before anything left.'),
  intentAt: Instant,
  end: says(
    v.nullable(v.picklist(['succeeded', 'failed', 'indeterminate'])),
    'Null while it is under way. `indeterminate`: nobody knows whether it happened.',
  ),
  endSeq: says(v.nullable(Seq), 'The audit record of its end.'),
  endAt: v.nullable(Instant),
  endBy: says(v.nullable(Actor), 'Who recorded its end.'),
  error: v.nullable(StepError),
});

/** Older servers do not say. */
const Verdict = v.optional(
  says(
    v.nullable(v.object({ kind: v.picklist(['allow', 'hold', 'deny']), by: v.string(), text: v.string() })),
    'What the guardrails said of the action last: `by` is the id of the rule that decided, `default` where none allowed it, ' +
      '`fault` where they could not be judged; `text` its title, or why it was refused. Null: they were not asked.',
  ),
);

export const Step = v.object({
  step: says(
    StepRunName,
    'Id of the step in the playbook; inside of a foreach with the place of its item, and of a repeat with its round, as in `id[3]`.',
  ),
  type: says(
    v.nullable(v.picklist([...STEP_TYPES, ...CONTROL_TYPES])),
    'Null only when the pinned version cannot be read any more.',
  ),
  uses: says(
    v.nullable(v.string()),
    'plugin/action, or the name of a playbook; null for a step without one. What is behind it is in the pins.',
  ),
  tier: v.nullable(v.picklist(TIERS)),
  state: v.picklist([
    'pending',
    'ready',
    'held',
    'intended',
    'open',
    'succeeded',
    'failed',
    'indeterminate',
    'skipped',
    'rolled_back',
  ]),
  seq: says(v.nullable(Seq), 'The audit record of the latest change; null while the step has not been reached.'),
  at: says(v.nullable(Instant), 'When the latest change was.'),
  by: says(v.nullable(Actor), 'Who made the latest change.'),
  waitsFor: says(
    v.nullable(v.picklist(['plan', 'retry', 'claim', 'release', 'lanes', 'time', 'event', 'run', 'person', 'check'])),
    'While `ready`: the plan it has asked for, the time of its next attempt, a run that is about to do what is done once (`behind`), or the end of a stop or of a pause. While `open`: its ' +
      'lanes, a time, an event, a run that it started, or a person who does by hand what failed. While ' +
      '`indeterminate`: the action, which is being asked.',
  ),
  retryAt: v.nullable(Instant),
  until: says(
    v.nullable(Instant),
    'When the wait for a time, or for an event, is over, or the next round of a repeat begins.',
  ),
  lanes: says(
    v.nullable(v.record(v.string(), v.pipe(v.number(), v.integer()))),
    'How many lanes are in which state, while it waits for them.',
  ),
  child: says(v.nullable(RunId), 'The run that it started, or was about to, of a step that starts a playbook.'),
  parameters: says(Fields, 'Bound when the step was reached; they never change after.'),
  plan: says(v.nullable(PlanSchema), 'What the action said that it would touch.'),
  verdict: Verdict,
  approval: v.nullable(ApprovalId),
  attempts: v.array(Attempt),
  event: says(v.nullable(EventId), 'The event that woke it, of a step that waited for one; null before it was kept.'),
  kept: says(v.nullable(RunId), 'The run that has done the same, of a step that therefore did not act; else null.'),
  behind: says(v.nullable(RunId), 'Of a step that waits for a `claim`: the run that is about to do the same.'),
  output: says(Anything, 'Of a step that succeeded; else null.'),
  error: v.nullable(StepError),
  note: says(v.nullable(v.string()), 'What a person said who settled it, or did it by hand.'),
  reason: says(v.nullable(v.string()), 'Why it was skipped, or why nobody knows.'),
  undo: says(
    v.nullable(
      v.object({
        state: v.picklist(['intended', 'retry', 'parked', 'done', 'failed']),
        attempts: v.array(Attempt),
        error: v.nullable(StepError),
      }),
    ),
    'Of a step that was, or is to be, undone because its run did not complete.',
  ),
});
export type Step = v.InferOutput<typeof Step>;

export const Vote = v.object({ by: Principal, decision: Decision, rationale: v.string(), at: Instant });

const approval = {
  approval: ApprovalId,
  step: StepRunName,
  state: v.picklist(APPROVAL_STATES),
  subject: says(Digest, 'Of action, parameters, plan and grant: what exactly is agreed to.'),
  tier: v.picklist(TIERS),
  role: says(Role, 'Holders of this role may vote, except the requester; each once.'),
  needed: says(v.pipe(v.number(), v.integer(), v.minValue(1)), 'Votes that it takes. One rejection decides.'),
  openedAt: Instant,
  expiresAt: says(Instant, 'Expiry denies.'),
  votes: v.array(Vote),
  decidedSeq: says(v.nullable(Seq), 'The audit record of the decision; null while pending.'),
};
export const RunApproval = v.object(approval);

export const Run = v.object({
  ...summary,
  pins: says(
    v.object({
      playbook: says(Digest, 'The version of the playbook.'),
      policy: says(Digest, 'Guardrails and approval matrix.'),
      plugins: says(v.record(v.string(), Digest), 'Module and manifest of each plugin, by name.'),
      playbooks: says(v.record(v.string(), Digest), 'Versions of the playbooks that its steps may start, by name.'),
      kernel: says(v.nullable(v.string()), 'Version of the kernel that started it; null where that was not kept yet.'),
    }),
    'What the run was started with, and keeps.',
  ),
  parent: says(
    v.nullable(v.object({ run: RunId, step: StepRunName })),
    'The run and the step that it is a part of; null for a run that an event started, and for one that is on its own.',
  ),
  startedBy: says(
    v.nullable(v.object({ run: RunId, step: StepRunName })),
    'The run and the detached step that started it; null: none did. It is on its own and a part of no run.',
  ),
  again: says(
    v.nullable(v.object({ run: RunId, by: Principal, reason: v.string() })),
    'The ended run that this one runs again, who asked for that, and why; null: an event or a run started it.',
  ),
  ranAgainAs: says(
    v.nullable(RunId),
    'The last run that somebody asked for in the place of this one; null: nobody did.',
  ),
  answers: says(
    v.nullable(RunId),
    'The run whose end has started this one, where its trigger is `on: run`; else null.',
  ),
  answeredBy: says(
    v.array(RunId),
    'The runs that its end has started, of other playbooks. They begin a moment after it has ended.',
  ),
  keeps: says(v.nullable(RunId), 'The ended run of which what is done is not done again; null: there is none.'),
  trace: says(v.string(), 'W3C trace id.'),
  inputs: Fields,
  deadlineAt: says(Instant, 'The run ends here at the latest.'),
  startedSeq: says(Seq, 'The audit record of its start.'),
  endedSeq: says(v.nullable(Seq), 'The audit record of its end.'),
  endedBy: says(v.nullable(Actor), 'Who ended it: a person who cancelled it, or the kernel.'),
  absorbed: says(
    v.nullable(v.object({ events: Seq, last: EventId, at: Instant })),
    'Events that it took in beside the one that started it, where its trigger says `coalesce`; null: none.',
  ),
  undoing: says(
    v.nullable(v.object({ state: v.picklist(RUN_STATES), reason: v.string() })),
    'How it will end, while it undoes what it did.',
  ),
  output: says(v.nullable(Fields), 'What its playbook names as outputs, of a run that completed.'),
  cancel: says(
    v.nullable(v.object({ by: Actor, at: Instant, reason: v.string() })),
    'Who asked for it to end, and why; null: nobody did.',
  ),
  closed: says(
    v.nullable(v.object({ by: Principal, at: Instant, note: v.string(), seq: Seq })),
    'Who has looked at how it ended, where that was needed.',
  ),
  steps: says(
    v.array(Step),
    'Every step of the pinned playbook, in its order; inside of a foreach one for each item that was reached.',
  ),
  approvals: v.array(RunApproval),
});
export type Run = v.InferOutput<typeof Run>;
/** After a pause or a resume. `changed` says whether the request did it; false: it was so already. */
export const RunPaused = v.object({ ...Run.entries, changed: v.boolean() });

export const STANDINGS = ['moving', 'person', 'late', 'stuck'] as const;

/**
 * What a run waits for: the answer to a call of an action, a run that it started, a time, an event, its turn or the end
 * of a stop or of a pause, or a person.
 */
export const Wait = v.object({
  what: v.picklist([
    'plan',
    'action',
    'check',
    'rollback',
    'run',
    'retry',
    'time',
    'event',
    'release',
    'approval',
    'settlement',
  ]),
  /** Null: the run as a whole waits. */
  step: v.nullable(StepRunName),
  since: Instant,
  /** The timeout of the call, the time of the next try, the expiry, or the run's own deadline. */
  until: Instant,
  /** Of an approval: its id, and who may vote. */
  approval: v.nullable(ApprovalId),
  role: v.nullable(Role),
  /** The run that it started. */
  child: v.nullable(RunId),
});

/** A run that has not ended, and how it stands. */
export const OpenRun = v.object({
  run: RunId,
  org: Name,
  playbook: Name,
  state: v.picklist(RUN_STATES),
  startedAt: Instant,
  /** Null when the run cannot be read. */
  deadlineAt: v.nullable(Instant),
  waits: v.array(Wait),
  /** `stuck`: nothing that is on its way will move it. `late`: what it waits for should have come. `person`: people only. */
  standing: v.picklist(STANDINGS),
  /** Of a run that is late or stuck. */
  why: v.nullable(v.picklist(['overdue', 'no-answer', 'no-wait', 'no-timer', 'wait-lost', 'unreadable'])),
  paused,
});
export type OpenRun = v.InferOutput<typeof OpenRun>;

export const ApprovalSummary = v.object({
  ...approval,
  org: Name,
  run: RunId,
  uses: says(v.string(), 'plugin/action.'),
  requester: says(Principal, 'Who caused the run; may not vote.'),
});
export type ApprovalSummary = v.InferOutput<typeof ApprovalSummary>;

/** Everything that a person needs to decide, on one page. */
export const Approval = v.object({
  ...ApprovalSummary.entries,
  playbook: v.object({ name: Name, digest: Digest }),
  parameters: Fields,
  plan: says(
    v.nullable(PlanSchema),
    'What the action would touch, and whether that can be undone. Null: the action does not plan.',
  ),
  verdict: Verdict,
  /** Older servers do not say. */
  grantChangedSince: says(
    v.optional(v.nullable(ApprovalId)),
    'The approval that was given for this step before: the grant of the plugin has changed since, so people are asked again. ' +
      'Null: there is none.',
  ),
  excluded: says(
    v.array(Principal),
    'Who may not vote any more, or never might: the requester, who sent what the run took in, and whoever has voted.',
  ),
  incident: v.object({ event: EventId, title: v.nullable(v.string()), message: v.nullable(v.string()) }),
});
export type Approval = v.InferOutput<typeof Approval>;

export const VoteForm = v.strictObject({
  decision: Decision,
  rationale: Sentence,
  /** The subject of the approval as it was shown. */
  subject: Digest,
});
export const AgainForm = v.strictObject({
  reason: Sentence,
  /** What the run has done is not done again. */
  keep: v.optional(v.boolean()),
});
export const PauseForm = v.strictObject({ reason: Sentence });
export const CancelForm = v.strictObject({ reason: Sentence });
export const CloseForm = v.strictObject({ note: Sentence });
export const SettleForm = v.strictObject({
  step: StepRunName,
  /** What became of the attempt, as a person has found out. */
  outcome: v.picklist(['succeeded', 'failed']),
  note: Sentence,
});
