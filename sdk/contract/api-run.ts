import * as v from 'valibot';
import {
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
} from './api-word.ts';
import { PlanSchema, STEP_TYPES } from './plugin.ts';

/** Runs and approvals, as the API shows them, and what people may say to them. `seq` is a place in the audit log. */
export const RUN_STATES = [
  'pending',
  'running',
  'waiting',
  'undoing',
  'completed',
  'failed',
  'cancelled',
  'timed_out',
  'aborted',
] as const;
export const APPROVAL_STATES = ['pending', 'approved', 'rejected', 'expired', 'withdrawn'] as const;
/** Step types that call no action. */
const CONTROL_TYPES = ['update_state', 'branch', 'wait', 'approval', 'playbook', 'parallel', 'foreach'] as const;
const TIERS = ['low', 'moderate', 'high', 'critical'] as const;
const ROLES = ['source', 'author', 'approver', 'operator', 'auditor', 'admin'] as const;

export const Role = v.picklist(ROLES);
const Decision = v.picklist(['approve', 'reject']);

const summary = {
  run: RunId,
  org: Name,
  playbook: Name,
  digest: Digest,
  state: v.picklist(RUN_STATES),
  /** Something was carried out, and the run did not complete. */
  partial: v.boolean(),
  closure: v.picklist(['open', 'closed', 'needs_review']),
  trigger: Name,
  event: EventId,
  requester: Principal,
  startedAt: Instant,
  endedAt: v.nullable(Instant),
  /** Why it ended. */
  reason: v.nullable(v.string()),
};
export const RunSummary = v.object(summary);
export type RunSummary = v.InferOutput<typeof RunSummary>;

export const StepError = v.object({ class: v.string(), message: v.string() });

export const Attempt = v.object({
  number: v.pipe(v.number(), v.integer(), v.minValue(1)),
  /** What the action declares: `write` may have changed something outside. */
  effect: v.picklist(['none', 'read', 'write']),
  /** On record before anything left. */
  intentSeq: Seq,
  intentAt: Instant,
  /** Null while it is under way. `indeterminate`: nobody knows whether it happened. */
  end: v.nullable(v.picklist(['succeeded', 'failed', 'indeterminate'])),
  endSeq: v.nullable(Seq),
  error: v.nullable(StepError),
});

export const Step = v.object({
  step: StepRunName,
  /** Null only when the pinned version cannot be read any more. */
  type: v.nullable(v.picklist([...STEP_TYPES, ...CONTROL_TYPES])),
  /** plugin/action; null for a step without one. */
  uses: v.nullable(v.string()),
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
  /** Of the latest change; null while the step has not been reached. */
  seq: v.nullable(Seq),
  at: v.nullable(Instant),
  /**
   * While `ready`: the plan it has asked for, the time of its next attempt, or the end of a stop. While `open`: its
   * lanes, a time, an event, a run that it started, or a person who does by hand what failed. While `indeterminate`: the
   * action, which is being asked.
   */
  waitsFor: v.nullable(v.picklist(['plan', 'retry', 'release', 'lanes', 'time', 'event', 'run', 'person', 'check'])),
  retryAt: v.nullable(Instant),
  /** When the wait for a time, or for an event, is over. */
  until: v.nullable(Instant),
  /** How many lanes are in which state, while it waits for them. */
  lanes: v.nullable(v.record(v.string(), v.pipe(v.number(), v.integer()))),
  /** The run that it started. */
  child: v.nullable(RunId),
  parameters: Fields,
  plan: v.nullable(PlanSchema),
  approval: v.nullable(ApprovalId),
  attempts: v.array(Attempt),
  output: Anything,
  error: v.nullable(StepError),
  /** Why it was skipped, or why nobody knows. */
  reason: v.nullable(v.string()),
  /** Of a step that was, or is to be, undone because its run did not complete. */
  undo: v.nullable(
    v.object({
      state: v.picklist(['intended', 'retry', 'parked', 'done', 'failed']),
      attempts: v.array(Attempt),
      error: v.nullable(StepError),
    }),
  ),
});
export type Step = v.InferOutput<typeof Step>;

export const Vote = v.object({ by: Principal, decision: Decision, rationale: v.string(), at: Instant });

const approval = {
  approval: ApprovalId,
  step: StepRunName,
  state: v.picklist(APPROVAL_STATES),
  /** Digest of action, parameters and plan: what exactly is agreed to. */
  subject: Digest,
  tier: v.picklist(TIERS),
  /** Holders of this role may vote, except the requester; each once. */
  role: Role,
  needed: v.pipe(v.number(), v.integer(), v.minValue(1)),
  openedAt: Instant,
  /** Expiry denies. */
  expiresAt: Instant,
  votes: v.array(Vote),
  /** Null while pending. */
  decidedSeq: v.nullable(Seq),
};
export const RunApproval = v.object(approval);

export const Run = v.object({
  ...summary,
  /** What the run was started with, and keeps. */
  pins: v.object({
    playbook: Digest,
    policy: Digest,
    plugins: v.record(v.string(), Digest),
    playbooks: v.record(v.string(), Digest),
  }),
  /** The run and the step that started it; null for a run that an event started. */
  parent: v.nullable(v.object({ run: RunId, step: StepRunName })),
  /** W3C trace id. */
  trace: v.string(),
  inputs: Fields,
  /** The run ends here at the latest. */
  deadlineAt: Instant,
  startedSeq: Seq,
  endedSeq: v.nullable(Seq),
  /** Events that it took in beside the one that started it, where its trigger says `coalesce`; null: none. */
  absorbed: v.nullable(v.object({ events: Seq, last: EventId, at: Instant })),
  /** How it will end, while it undoes what it did. */
  undoing: v.nullable(v.object({ state: v.picklist(RUN_STATES), reason: v.string() })),
  /** What its playbook names as outputs, of a run that completed. */
  output: v.nullable(Fields),
  /** Who has looked at how it ended, where that was needed. */
  closed: v.nullable(v.object({ by: Principal, at: Instant, note: v.string(), seq: Seq })),
  /** Every step of the pinned playbook, in its order; inside of a foreach one for each item that was reached. */
  steps: v.array(Step),
  approvals: v.array(RunApproval),
});
export type Run = v.InferOutput<typeof Run>;

export const STANDINGS = ['moving', 'person', 'late', 'stuck'] as const;

/**
 * What a run waits for: the answer to a call of an action, a run that it started, a time, an event, its turn or the end
 * of a stop, or a person.
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
});
export type OpenRun = v.InferOutput<typeof OpenRun>;

export const ApprovalSummary = v.object({
  ...approval,
  org: Name,
  run: RunId,
  /** plugin/action. */
  uses: v.string(),
  requester: Principal,
});
export type ApprovalSummary = v.InferOutput<typeof ApprovalSummary>;

/** Everything that a person needs to decide, on one page. */
export const Approval = v.object({
  ...ApprovalSummary.entries,
  playbook: v.object({ name: Name, digest: Digest }),
  parameters: Fields,
  /** What the action would touch, and whether that can be undone. Null: the action does not plan. */
  plan: v.nullable(PlanSchema),
  /** Who may not vote any more, or never might: the requester, and whoever has voted. */
  excluded: v.array(Principal),
  incident: v.object({ event: EventId, title: v.nullable(v.string()), message: v.nullable(v.string()) }),
});
export type Approval = v.InferOutput<typeof Approval>;

export const VoteForm = v.strictObject({
  decision: Decision,
  rationale: Sentence,
  /** The subject of the approval as it was shown. */
  subject: Digest,
});
export const CancelForm = v.strictObject({ reason: Sentence });
export const CloseForm = v.strictObject({ note: Sentence });
export const SettleForm = v.strictObject({
  step: StepRunName,
  /** What became of the attempt, as a person has found out. */
  outcome: v.picklist(['succeeded', 'failed']),
  note: Sentence,
});
