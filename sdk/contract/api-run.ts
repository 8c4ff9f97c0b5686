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
} from './api-word.ts';
import { PlanSchema } from './plugin.ts';

/** Runs and approvals, as the API shows them, and what people may say to them. `seq` is a place in the audit log. */
export const RUN_STATES = ['running', 'waiting', 'completed', 'failed', 'cancelled', 'timed_out', 'aborted'] as const;
export const APPROVAL_STATES = ['pending', 'approved', 'rejected', 'expired', 'withdrawn'] as const;
const TIERS = ['low', 'moderate', 'high', 'critical'] as const;
const ROLES = ['source', 'author', 'approver', 'operator', 'auditor', 'admin'] as const;

export const Role = v.picklist(ROLES);
const Decision = v.picklist(['approve', 'reject']);
const StepName = Name;

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
  step: StepName,
  /** Null only when the pinned version cannot be read any more. */
  type: v.nullable(v.picklist(['notify', 'enrich', 'open_ticket', 'webhook', 'contain', 'update_state', 'branch'])),
  /** plugin/action; null for a step without one. */
  uses: v.nullable(v.string()),
  tier: v.nullable(v.picklist(TIERS)),
  state: v.picklist(['pending', 'ready', 'held', 'intended', 'succeeded', 'failed', 'indeterminate', 'skipped']),
  /** Of the latest change; null while the step has not been reached. */
  seq: v.nullable(Seq),
  at: v.nullable(Instant),
  /** While `ready`: the plan it has asked for, or the time of its next attempt. */
  waitsFor: v.nullable(v.picklist(['plan', 'retry'])),
  retryAt: v.nullable(Instant),
  parameters: Fields,
  plan: v.nullable(PlanSchema),
  approval: v.nullable(ApprovalId),
  attempts: v.array(Attempt),
  output: Anything,
  error: v.nullable(StepError),
  /** Why it was skipped, or why nobody knows. */
  reason: v.nullable(v.string()),
});
export type Step = v.InferOutput<typeof Step>;

export const Vote = v.object({ by: Principal, decision: Decision, rationale: v.string(), at: Instant });

const approval = {
  approval: ApprovalId,
  step: StepName,
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
  pins: v.object({ playbook: Digest, policy: Digest, plugins: v.record(v.string(), Digest) }),
  /** W3C trace id. */
  trace: v.string(),
  inputs: Fields,
  /** The run ends here at the latest. */
  deadlineAt: Instant,
  startedSeq: Seq,
  endedSeq: v.nullable(Seq),
  /** Every step of the pinned playbook, in its order. */
  steps: v.array(Step),
  approvals: v.array(RunApproval),
});
export type Run = v.InferOutput<typeof Run>;

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
export const SettleForm = v.strictObject({
  step: StepName,
  /** What became of the attempt, as a person has found out. */
  outcome: v.picklist(['succeeded', 'failed']),
  note: Sentence,
});
