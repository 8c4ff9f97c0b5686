import type { Operation, Plan } from '../../sdk/contract/plugin.ts';
import type { Ballot, VoteRefusal } from '../approval/approval.ts';
import type { ApprovalMatrix } from '../approval/matrix.ts';
import type { AuditDraft } from '../audit/record.ts';
import type { ApprovalId, Digest, EventId, OrgId, PrincipalId, RunId, StepRunId } from '../base/id.ts';
import type { Json, JsonObject } from '../base/json.ts';
import type { UnixMs } from '../base/time.ts';
import type { Choice } from '../playbook/choose.ts';
import type { Graph } from '../playbook/graph.ts';
import type { ActionType } from '../playbook/step.ts';
import type { Claim } from './claim.ts';
import type { RunEvent } from './event.ts';
import type { Earlier } from './keep.ts';
import type { Again, Parent, Run, StepError } from './state.ts';

/** Everything that can happen to a run. */
export type Input =
  | {
      readonly kind: 'start';
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
      /** Versions of the playbooks that its steps may start, at any depth. */
      readonly playbooks?: Readonly<Record<string, Digest>>;
      readonly parent?: Parent;
      readonly startedBy?: Parent;
      readonly senders?: readonly PrincipalId[];
      /** Its deadline at the latest, whatever its playbook says. */
      readonly until?: UnixMs;
      /** It waits for `release`. */
      readonly queued?: boolean;
      /** Version of this kernel. */
      readonly kernel?: string;
      /** The incident that the run belongs to, if any. */
      readonly incident?: string;
      /** Of a run that somebody asked for: the requester. */
      readonly again?: Again;
      /** The ended run of which what is done is not done again. */
      readonly keeps?: RunId;
    }
  /** A queued run's turn has come. */
  | { readonly kind: 'release' }
  /** Things may be sent again. */
  | { readonly kind: 'resume' }
  /** The event that a step waits for. */
  | {
      readonly kind: 'arrived';
      readonly step: StepRunId;
      readonly event: EventId;
      readonly by: PrincipalId;
      readonly taken: JsonObject;
    }
  /** The run that a detached step started is on record. */
  | { readonly kind: 'child-started'; readonly step: StepRunId; readonly child: RunId }
  /** The run that a step started has ended, or could not begin. */
  | {
      readonly kind: 'child-ended';
      readonly step: StepRunId;
      readonly child: RunId;
      readonly completed: boolean;
      /** Whose words the run has taken in. */
      readonly senders?: readonly PrincipalId[];
      readonly reason: string;
      readonly output: JsonObject;
    }
  | { readonly kind: 'planned'; readonly step: StepRunId; readonly result: PlanResult }
  | { readonly kind: 'outcome'; readonly step: StepRunId; readonly attempt: number; readonly result: Outcome }
  | { readonly kind: 'checked'; readonly step: StepRunId; readonly attempt: number; readonly result: CheckResult }
  | { readonly kind: 'undone'; readonly step: StepRunId; readonly attempt: number; readonly result: Outcome }
  /** A call that records its leaving is about to send the first request that may change something. */
  | { readonly kind: 'leaving'; readonly step: StepRunId; readonly attempt: number }
  | { readonly kind: 'vote'; readonly approval: ApprovalId; readonly ballot: Ballot }
  | { readonly kind: 'timer' }
  /** `by` is null where the kernel itself stops it. */
  | { readonly kind: 'cancel'; readonly by: PrincipalId | null; readonly reason: string }
  /** Nothing more of it is to be sent, until somebody says that its pause is over. */
  | { readonly kind: 'pause'; readonly by: PrincipalId; readonly reason: string }
  | { readonly kind: 'end-pause'; readonly by: PrincipalId }
  /** It was the turn of this call, and its run was paused: nothing of it has left. */
  | { readonly kind: 'not-sent'; readonly step: StepRunId; readonly attempt: number; readonly op: Operation }
  /** An analyst has looked at how it ended. */
  | { readonly kind: 'close'; readonly by: PrincipalId; readonly note: string }
  | {
      readonly kind: 'settle';
      readonly step: StepRunId;
      readonly by: PrincipalId;
      readonly outcome: 'succeeded' | 'failed';
      readonly note: string;
    }
  /** The kernel restarted and found this call without an answer, or the stop switch cut it off. */
  | {
      readonly kind: 'recovered';
      readonly step: StepRunId;
      readonly attempt: number;
      readonly op: Operation;
      /** Whose stop cut it off; absent: it was a restart. */
      readonly stop?: StopOf;
    };

/** Whose switch it is: the org's own, or that of the whole machine. */
export type StopOf = 'org' | 'machine';

export type PlanResult =
  | { readonly kind: 'planned'; readonly plan: Plan }
  | { readonly kind: 'failed'; readonly error: StepError; readonly retryAfterMs?: number };

/** Whether an unknown try happened, as the action itself has found out. */
export type CheckResult =
  | { readonly kind: 'done'; readonly output: Json }
  | { readonly kind: 'not-done' }
  | { readonly kind: 'failed'; readonly error: StepError };

/**
 * A step has three ends; `indeterminate` means that the outside may have changed and nobody knows. `left`: requests of a
 * write that may change something have left, and each was answered, or one was not. Absent: none has. `retryAfterMs`: how
 * long the target, or the open circuit before it, asks to be left alone.
 */
export type Outcome =
  | { readonly kind: 'succeeded'; readonly output: Json; readonly left?: 'answered' | 'uncertain' }
  | {
      readonly kind: 'failed';
      readonly error: StepError;
      readonly left?: 'answered' | 'uncertain';
      /** The target, or an open circuit, asks not to be tried again before. */
      readonly retryAfterMs?: number;
    }
  | { readonly kind: 'indeterminate'; readonly reason: string };

/** What is asked of the outside, once the turn is durable. */
export type Effect =
  | {
      readonly kind: 'call';
      readonly op: Operation;
      readonly step: StepRunId;
      readonly attempt: number;
      readonly parameters: JsonObject;
      readonly plan: Plan | null;
      /** Of `execute`, for `rollback`; null otherwise. */
      readonly output: Json;
      readonly key: string;
      /** Nothing that may change something leaves before the input `leaving` was accepted. */
      readonly recordsLeaving: boolean;
    }
  /** Stop the call of this step that is under way, if any. */
  | { readonly kind: 'abort'; readonly step: StepRunId }
  /** Its pause is over: the runs that it held are told. */
  | { readonly kind: 'resume-runs' }
  /** Start the run of a `playbook` step; once, however often it is asked for. */
  | {
      readonly kind: 'start-run';
      readonly step: StepRunId;
      readonly child: RunId;
      readonly playbook: { readonly name: string; readonly digest: Digest };
      readonly inputs: JsonObject;
      readonly keeps?: RunId;
      readonly detached?: true;
    }
  | { readonly kind: 'stop-run'; readonly child: RunId };

/** What is known of an action, from the manifest of the pinned plugin. */
export type ActionFacts = {
  readonly effect: 'none' | 'read' | 'write';
  readonly idempotent: 'key' | 'check' | 'no';
  readonly plans: boolean;
  readonly rollsBack: boolean;
  /** Step types that it may be used as. */
  readonly types: readonly ActionType[];
  /** @returns what is wrong with the parameters by the action's own schema, or undefined. Pure. */
  readonly checkInput: (parameters: JsonObject) => string | undefined;
};

export type Verdict =
  | { readonly kind: 'allow'; readonly by: string }
  | { readonly kind: 'hold'; readonly by: string }
  | { readonly kind: 'deny'; readonly by: string; readonly text: string };

/** Everything a decision may rest on. No clock, ids or I/O in decide: they are here. */
export type Facts = {
  readonly now: UnixMs;
  /** Audit number that the first event of this turn will get. */
  readonly seq: number;
  readonly graph: Graph;
  readonly matrix: ApprovalMatrix;
  /** Undefined when the plugin or action is not installed any more. */
  readonly action: (plugin: string, action: string) => ActionFacts | undefined;
  /** Digest of what the org grants the plugin at present: settings and rules, or that there is no grant. */
  readonly grant: (plugin: string) => Digest;
  readonly verdicts: ReadonlyMap<StepRunId, Verdict>;
  /** Place of the first path that holds, as many as there are where none does; a predicate may be beyond judgement. */
  readonly branches: ReadonlyMap<StepRunId, Choice>;
  /** What the ended runs that this one keeps say of a step; undefined where it keeps none, or they never came to it. */
  readonly earlier: (step: StepRunId) => Earlier | undefined;
  /** The stop switch is on: nothing is sent. */
  readonly stopped: boolean;
  /** Who has last claimed what a step with `dedup` does once; undefined: nobody, or nothing came of it. */
  readonly claim: (step: StepRunId, key: Digest) => Claim | undefined;
  /** A run that this one is a part of is paused: nothing of this one is sent either. Its own pause is in the run. */
  readonly paused: boolean;
};

/** A judgement that decide lacks: the caller gets it and decides again from the start. */
export type Need =
  | { readonly kind: 'branch'; readonly step: StepRunId; readonly run: Run }
  | {
      readonly kind: 'verdict';
      readonly step: StepRunId;
      readonly parameters: JsonObject;
      readonly plan: Plan | null;
      readonly run: Run;
    };

export type Refusal =
  | { readonly kind: 'stale' }
  | { readonly kind: 'ended' }
  | { readonly kind: 'unknown-approval' }
  | { readonly kind: 'vote'; readonly why: VoteRefusal }
  | { readonly kind: 'not-indeterminate' }
  /** It is paused already, or is not. */
  | { readonly kind: 'unchanged' }
  /** It is to be sent after the resume. */
  | { readonly kind: 'paused' }
  | { readonly kind: 'nothing-to-close' };

export type Decision =
  | {
      readonly kind: 'turn';
      readonly run: Run;
      readonly events: readonly RunEvent[];
      /** The record of each of the events. */
      readonly audit: readonly AuditDraft[];
      readonly effects: readonly Effect[];
    }
  | { readonly kind: 'needs'; readonly need: Need }
  | { readonly kind: 'refused'; readonly refusal: Refusal };
