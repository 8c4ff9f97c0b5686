import type { Plan } from '../../sdk/contract/plugin.ts';
import { digestOfJson } from '../base/digest.ts';
import type { ApprovalId, Digest, PrincipalId, StepRunId } from '../base/id.ts';
import type { Json, JsonObject } from '../base/json.ts';
import type { UnixMs } from '../base/time.ts';
import type { Role } from '../org/role.ts';
import type { Tier } from '../playbook/step.ts';

/**
 * An approval gate (S 6): people agree to exactly one action with exactly these parameters, this plan and this grant,
 * named by `subject`. Anything else, a changed parameter included, is another subject and needs another approval.
 */
export type Approval = {
  readonly id: ApprovalId;
  readonly step: StepRunId;
  readonly tier: Tier;
  readonly subject: Digest;
  /** Who caused the run; never counts as an approver (R2). */
  readonly requester: PrincipalId;
  /** Whose words the run has taken in besides, by events that it waited for: they do not count either. Absent: nobody's. */
  readonly senders?: readonly PrincipalId[];
  /** How many different people must approve. */
  readonly needed: number;
  readonly role: Role;
  readonly openedAt: UnixMs;
  /** Expiry denies. */
  readonly expiresAt: UnixMs;
  readonly votes: readonly Vote[];
  readonly state: 'pending' | 'approved' | 'rejected' | 'expired' | 'withdrawn';
  /** Audit record that decided it; -1 while pending. */
  readonly decidedSeq: number;
};

type Vote = {
  readonly by: PrincipalId;
  readonly decision: 'approve' | 'reject';
  readonly rationale: string;
  readonly at: UnixMs;
};

export type Ballot = {
  readonly by: PrincipalId;
  readonly roles: readonly Role[];
  readonly decision: 'approve' | 'reject';
  readonly rationale: string;
  /** What the voter was shown. */
  readonly subject: Digest;
};

export type VoteRefusal =
  | 'not-pending'
  | 'expired'
  | 'role-missing'
  | 'requester-may-not-vote'
  | 'already-voted'
  | 'subject-changed'
  | 'rationale-missing';

/**
 * Digest that binds an approval to action, parameters, plan, and the grant of the plugin: its settings may name the
 * appliance, and its rules the host and the secret, with which the action is carried out.
 */
export const approvalSubject = (uses: string, parameters: JsonObject, plan: Plan | null, grant: Digest): Digest =>
  digestOfJson('approval-subject', { uses, parameters, plan: plan as unknown as Json, grant });

/** @returns why this ballot must not count, or undefined. First match wins; the order is part of the contract. */
export function refuseBallot(approval: Approval, ballot: Ballot, now: UnixMs): VoteRefusal | undefined {
  if (approval.state === 'expired' || (approval.state === 'pending' && now >= approval.expiresAt)) return 'expired';
  if (approval.state !== 'pending') return 'not-pending';
  if (!ballot.roles.includes(approval.role)) return 'role-missing';
  if (ballot.by === approval.requester) return 'requester-may-not-vote';
  if (approval.senders?.includes(ballot.by)) return 'requester-may-not-vote';
  if (approval.votes.some((vote) => vote.by === ballot.by)) return 'already-voted';
  if (ballot.subject !== approval.subject) return 'subject-changed';
  if (ballot.rationale.trim().length === 0) return 'rationale-missing';
  return undefined;
}

/** One rejection decides; approval needs `needed` different people; silence is never a yes. */
export function tally(approval: Approval, now: UnixMs): 'pending' | 'approved' | 'rejected' | 'expired' {
  if (approval.votes.some((vote) => vote.decision === 'reject')) return 'rejected';
  const people = new Set(approval.votes.filter((vote) => vote.decision === 'approve').map((vote) => vote.by));
  if (people.size >= approval.needed) return 'approved';
  return now >= approval.expiresAt ? 'expired' : 'pending';
}
