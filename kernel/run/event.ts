import type { Plan } from '../../sdk/contract/plugin.ts';
import type { ApprovalId, Digest, EventId, OrgId, PrincipalId, RunId, StepId, StepRunId } from '../base/id.ts';
import type { Json, JsonObject } from '../base/json.ts';
import type { UnixMs } from '../base/time.ts';
import type { Role } from '../org/role.ts';
import type { Tier } from '../playbook/step.ts';
import type { Again, Failure, Open, Parent, StepError, Terminal, TryOp } from './state.ts';

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
      /** The incident that the run belongs to. Absent: none, or a record from before runs had one. */
      readonly incident?: string;
      readonly deadlineAt: UnixMs;
      /** Not in records from before there were sub-runs and queues. */
      readonly playbooks?: Readonly<Record<string, Digest>>;
      readonly parent?: Parent;
      /** The step that started it, which does not wait for it. */
      readonly startedBy?: Parent;
      /** Of the run that started it. */
      readonly senders?: readonly PrincipalId[];
      /** It does nothing before `run-released`. */
      readonly queued?: true;
      /** Version of the kernel. Not in records from before it was kept. */
      readonly kernel?: string;
      /** Of a run that somebody asked for: the requester. */
      readonly again?: Again;
      /** The ended run of which what is done is not done again. */
      readonly keeps?: RunId;
    }
  | { readonly kind: 'run-released' }
  /** The step was reached, its parameters are bound, and its plan has been asked for. */
  /** What the step does once is its to do; `until` is when that is to be forgotten at the latest. */
  | { readonly kind: 'step-claimed'; readonly step: StepRunId; readonly key: Digest; readonly until: UnixMs }
  /** The run `behind` is about to do the same: it is looked at again. */
  | {
      readonly kind: 'step-deferred';
      readonly step: StepRunId;
      readonly parameters: JsonObject;
      readonly behind: RunId;
      readonly retryAt: UnixMs;
    }
  | { readonly kind: 'step-ready'; readonly step: StepRunId; readonly parameters: JsonObject }
  /** Nothing may be sent at present: what was about to be asked for waits until that is over. */
  | {
      readonly kind: 'step-parked';
      readonly step: StepRunId;
      readonly parameters: JsonObject;
      readonly op: TryOp;
      /** It is a pause that keeps it. Absent: a stop, whether there is a pause or not. */
      readonly pause?: true;
    }
  /** A step that calls no action is under way. */
  | {
      readonly kind: 'step-opened';
      readonly step: StepRunId;
      readonly parameters: JsonObject;
      readonly open:
        | Exclude<Open, { waitsFor: 'lanes' }>
        | { readonly waitsFor: 'lanes'; readonly lanes: number; readonly most: number };
    }
  | { readonly kind: 'lane-started'; readonly step: StepRunId; readonly lane: number }
  | {
      readonly kind: 'lane-ended';
      readonly step: StepRunId;
      readonly lane: number;
      readonly outcome: 'succeeded' | 'failed' | 'stopped';
      /** What the step collects of this lane. */
      readonly value?: Json;
      /** When the next lane may begin, of a round that was not the last. */
      readonly notBefore?: UnixMs;
    }
  | { readonly kind: 'step-planned'; readonly step: StepRunId; readonly plan: Plan }
  | {
      readonly kind: 'step-held';
      readonly step: StepRunId;
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
      readonly step: StepRunId;
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
  | { readonly kind: 'step-leaving'; readonly step: StepRunId; readonly attempt: number }
  | {
      readonly kind: 'step-succeeded';
      readonly step: StepRunId;
      readonly attempt: number;
      readonly output: Json;
      /** Who sent what the output was taken from, where an event or a sub-run gave it. */
      readonly senders?: readonly PrincipalId[];
      /** The event that woke it, where it waited for one. Not in records from before it was kept. */
      readonly event?: EventId;
    }
  /** An ended run (`from`) has done the same, so it is not done again. */
  | {
      readonly kind: 'step-kept';
      readonly step: StepRunId;
      readonly parameters: JsonObject;
      readonly from: RunId;
      readonly output: Json;
      /** It has changed something outside, by an action of its own. */
      readonly changed: boolean;
      /** Of what another run has done for another event: whose words that may hold. */
      readonly senders?: readonly PrincipalId[];
      /** The run that was started for it. */
      readonly child?: RunId;
    }
  | {
      readonly kind: 'step-failed';
      readonly step: StepRunId;
      readonly attempt: number;
      readonly error: StepError;
      /** Who sent what a sub-run took in before it failed. */
      readonly senders?: readonly PrincipalId[];
    }
  /**
   * Another try is due; `attempt` is its number. Follows the end of the last one, which counts against the retry budget
   * unless it was cut off by an end of the kernel.
   */
  | {
      readonly kind: 'step-retry';
      readonly step: StepRunId;
      readonly attempt: number;
      readonly retryAt: UnixMs;
      /** Not in records from before plans were tried again: those are of `execute`. */
      readonly op?: TryOp;
      readonly cutOff?: boolean;
    }
  /** The action is asked whether an unknown try happened. */
  | { readonly kind: 'step-checking'; readonly step: StepRunId; readonly attempt: number }
  | {
      readonly kind: 'step-checked';
      readonly step: StepRunId;
      readonly attempt: number;
      readonly outcome: 'succeeded' | 'failed';
      readonly output: Json;
    }
  /** It could not say; a person will have to. */
  | {
      readonly kind: 'step-check-failed';
      readonly step: StepRunId;
      readonly attempt: number;
      readonly error: StepError;
    }
  | { readonly kind: 'step-indeterminate'; readonly step: StepRunId; readonly attempt: number; readonly reason: string }
  | {
      readonly kind: 'step-settled';
      readonly step: StepRunId;
      readonly by: PrincipalId;
      readonly outcome: 'succeeded' | 'failed';
      readonly note: string;
    }
  /** What an action could not do was done, or given up, by a person. */
  | {
      readonly kind: 'step-by-hand';
      readonly step: StepRunId;
      readonly by: PrincipalId;
      readonly outcome: 'succeeded' | 'failed';
      readonly note: string;
    }
  | { readonly kind: 'guardrail-blocked'; readonly step: StepRunId; readonly rule: string; readonly text: string }
  | {
      readonly kind: 'branch-taken';
      readonly step: StepRunId;
      /** Whether the first path was taken. */
      readonly matched: boolean;
      /** Place of the path, from 0; as many as there are: none. Not in records from before there were more than one. */
      readonly path?: number;
      readonly to: StepId | null;
    }
  | {
      readonly kind: 'incident-updated';
      readonly step: StepRunId;
      readonly incident: string;
      readonly state: string;
      readonly severity?: string;
      readonly note: string | null;
    }
  /** They will not go on. One that was tried is what its last try was; any other is skipped. */
  | { readonly kind: 'steps-skipped'; readonly steps: readonly StepRunId[]; readonly reason: string }
  /** `by` is null where the kernel itself stopped it: its parent has ended. */
  | { readonly kind: 'run-cancel'; readonly by: PrincipalId | null; readonly reason: string }
  /** Nothing more of it, and of the runs that it starts, is sent; what is under way ends. */
  | { readonly kind: 'run-paused'; readonly by: PrincipalId; readonly reason: string }
  | { readonly kind: 'run-resumed'; readonly by: PrincipalId }
  /** What was carried out is undone now, last first; then the run ends like this. */
  | {
      readonly kind: 'run-undoing';
      readonly state: Terminal;
      readonly reason: string;
      readonly failure?: Failure;
      readonly deadlineAt: UnixMs;
    }
  /** As of `step-intended`, for the action's rollback. */
  | {
      readonly kind: 'undo-intended';
      readonly step: StepRunId;
      readonly attempt: number;
      readonly uses: string;
      readonly key: string;
      readonly recordsLeaving: boolean;
    }
  | {
      readonly kind: 'undo-tried';
      readonly step: StepRunId;
      readonly attempt: number;
      readonly end: 'failed' | 'indeterminate';
      readonly error: StepError;
    }
  | {
      readonly kind: 'undo-retry';
      readonly step: StepRunId;
      readonly attempt: number;
      readonly retryAt: UnixMs;
      readonly cutOff: boolean;
    }
  | { readonly kind: 'undo-parked'; readonly step: StepRunId }
  | { readonly kind: 'step-rolled-back'; readonly step: StepRunId; readonly attempt: number; readonly output: Json }
  /** It stays as it was done, and somebody has to look. */
  | { readonly kind: 'undo-failed'; readonly step: StepRunId; readonly error: StepError }
  | {
      readonly kind: 'run-ended';
      readonly state: Terminal;
      readonly reason: string;
      readonly failure?: Failure;
      /** What the playbook's `outputs` name, of a run that completed. */
      readonly output?: JsonObject;
    }
  | { readonly kind: 'run-closed'; readonly by: PrincipalId; readonly note: string };

/** One turn as stored: `seq` is the audit number of the first event; the others follow it one by one. */
export type StoredTurn = {
  readonly v: 1;
  readonly at: UnixMs;
  readonly seq: number;
  readonly events: readonly RunEvent[];
};
