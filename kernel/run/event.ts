import type { Plan } from '../../sdk/contract/plugin.ts';
import type { ApprovalId, Digest, EventId, OrgId, PrincipalId, RunId, StepId } from '../base/id.ts';
import type { Json, JsonObject } from '../base/json.ts';
import type { UnixMs } from '../base/time.ts';
import type { Role } from '../org/role.ts';
import type { Tier } from '../playbook/step.ts';
import type { StepError, Terminal } from './state.ts';

/**
 * The stored facts of a run. Append-only, and every one has exactly one audit record (R5). Changing a member is a
 * change of format: stored runs must still fold to the same state (R3).
 */
export type RunEvent =
  | {
      readonly kind: 'run-started';
      readonly run: RunId;
      readonly org: OrgId;
      readonly playbook: { readonly name: string; readonly digest: Digest };
      readonly policy: Digest;
      readonly plugins: Readonly<Record<string, Digest>>;
      readonly trigger: string;
      readonly event: EventId;
      readonly eventSeq: number;
      readonly requester: PrincipalId;
      readonly trace: string;
      readonly inputs: JsonObject;
      readonly deadlineAt: UnixMs;
    }
  /** The step was reached, its parameters are bound, and its plan has been asked for. */
  | { readonly kind: 'step-ready'; readonly step: StepId; readonly parameters: JsonObject }
  | { readonly kind: 'step-planned'; readonly step: StepId; readonly plan: Plan }
  | {
      readonly kind: 'step-held';
      readonly step: StepId;
      readonly parameters: JsonObject;
      readonly approval: ApprovalId;
      readonly subject: Digest;
      readonly tier: Tier;
      readonly needed: number;
      readonly role: Role;
      readonly expiresAt: UnixMs;
      /** Guardrail rule that let it come this far. */
      readonly verdict: string;
    }
  | {
      readonly kind: 'approval-voted';
      readonly approval: ApprovalId;
      readonly by: PrincipalId;
      readonly decision: 'approve' | 'reject';
      readonly rationale: string;
    }
  | {
      readonly kind: 'approval-decided';
      readonly approval: ApprovalId;
      readonly state: 'approved' | 'rejected' | 'expired' | 'withdrawn';
    }
  /** Durable before the effect leaves. `key` is the idempotency key: the same on every attempt of the step. */
  | {
      readonly kind: 'step-intended';
      readonly step: StepId;
      readonly attempt: number;
      readonly uses: string;
      /** What the action's manifest declares. */
      readonly effect: 'none' | 'read' | 'write';
      readonly parameters: JsonObject;
      readonly key: string;
      readonly verdict: string;
      /** Nothing that changes something outside leaves before `step-leaving`. Not in records from before there was one. */
      readonly recordsLeaving?: boolean;
    }
  /** Durable before the first request that may change something, of an action whose repeat nothing makes safe. */
  | { readonly kind: 'step-leaving'; readonly step: StepId; readonly attempt: number }
  | { readonly kind: 'step-succeeded'; readonly step: StepId; readonly attempt: number; readonly output: Json }
  | { readonly kind: 'step-failed'; readonly step: StepId; readonly attempt: number; readonly error: StepError }
  /**
   * Another try is due; `attempt` is its number. Follows the end of the last one, which counts against the retry budget
   * unless it was cut off by an end of the kernel.
   */
  | {
      readonly kind: 'step-retry';
      readonly step: StepId;
      readonly attempt: number;
      readonly retryAt: UnixMs;
      /** Not in records from before plans were tried again: those are of `execute`. */
      readonly op?: 'plan' | 'execute';
      readonly cutOff?: boolean;
    }
  | { readonly kind: 'step-indeterminate'; readonly step: StepId; readonly attempt: number; readonly reason: string }
  | {
      readonly kind: 'step-settled';
      readonly step: StepId;
      readonly by: PrincipalId;
      readonly outcome: 'succeeded' | 'failed';
      readonly note: string;
    }
  | { readonly kind: 'guardrail-blocked'; readonly step: StepId; readonly rule: string; readonly text: string }
  | { readonly kind: 'branch-taken'; readonly step: StepId; readonly matched: boolean; readonly to: StepId | null }
  | {
      readonly kind: 'incident-updated';
      readonly step: StepId;
      readonly incident: string;
      readonly state: string;
      readonly note: string | null;
    }
  | { readonly kind: 'steps-skipped'; readonly steps: readonly StepId[]; readonly reason: string }
  | { readonly kind: 'run-cancel'; readonly by: PrincipalId; readonly reason: string }
  | { readonly kind: 'run-ended'; readonly state: Terminal; readonly reason: string };

/** One turn as stored: `seq` is the audit number of the first event; the others follow it one by one. */
export type StoredTurn = {
  readonly v: 1;
  readonly at: UnixMs;
  readonly seq: number;
  readonly events: readonly RunEvent[];
};
