import type { ErrorClass } from '../../sdk/contract/error.ts';
import type { Plan } from '../../sdk/contract/plugin.ts';
import type { Approval } from '../approval/approval.ts';
import type { ApprovalId, Digest, EventId, OrgId, PrincipalId, RunId, StepId } from '../base/id.ts';
import type { Json, JsonObject } from '../base/json.ts';
import type { UnixMs } from '../base/time.ts';

/**
 * A run as the fold of its events (evolve.ts). Each state holds only what it may use. `seq` fields are audit sequence
 * numbers: the record that says how the run got there.
 */
export type Terminal = 'completed' | 'failed' | 'cancelled' | 'timed_out' | 'aborted';
export type RunState = 'running' | 'waiting' | Terminal;

export type Run = {
  readonly id: RunId;
  readonly org: OrgId;
  /** Turns so far; the expected version of the next turn is this number. */
  readonly version: number;
  readonly state: RunState;
  /** Everything pinned at the start (S 13.4): a later version changes nothing here. */
  readonly playbook: { readonly name: string; readonly digest: Digest };
  readonly policy: Digest;
  readonly plugins: Readonly<Record<string, Digest>>;
  readonly trigger: string;
  readonly event: EventId;
  readonly requester: PrincipalId;
  /** W3C trace id, 32 hex digits. */
  readonly trace: string;
  readonly inputs: JsonObject;
  readonly startedAt: UnixMs;
  readonly startedSeq: number;
  /** The run's timeout as an instant: every wait ends here at the latest (R8). */
  readonly deadlineAt: UnixMs;
  readonly current: StepId | null;
  readonly steps: Readonly<Record<StepId, StepRun>>;
  readonly approvals: Readonly<Record<ApprovalId, Approval>>;
  readonly ended: { readonly at: UnixMs; readonly reason: string; readonly seq: number } | null;
};

/** One execution of one step. `parameters` are bound once, at the first attempt, and never change after. */
export type StepRun = StepCommon & StepState & { readonly seq: number; readonly at: UnixMs };

/** What every state of a step has. */
export type StepCommon = {
  readonly id: StepId;
  readonly attempt: number;
  readonly parameters: JsonObject;
  readonly plan: Plan | null;
  readonly approval: ApprovalId | null;
  readonly attempts: readonly Attempt[];
  /** Tries that failed by themselves and were followed by another: the plan's until there is one, then the action's. */
  readonly spent: number;
  /** Tries that an end of the kernel cut off and that were followed by another. They count against no retry budget. */
  readonly cutOffs: number;
};

/** What only one state has; it is left behind with that state. */
export type StepState =
  | { readonly state: 'ready'; readonly waitsFor: 'plan' }
  | { readonly state: 'ready'; readonly waitsFor: 'retry'; readonly op: 'plan' | 'execute'; readonly retryAt: UnixMs }
  | { readonly state: 'held' }
  /** `mayHaveActed`: what this try changes outside may have left. Once false, it has not, and asks before it does. */
  | { readonly state: 'intended'; readonly mayHaveActed: boolean }
  | { readonly state: 'succeeded'; readonly output: Json }
  | { readonly state: 'failed'; readonly error: StepError }
  | { readonly state: 'indeterminate'; readonly reason: string }
  | { readonly state: 'skipped'; readonly reason: string };

export type StepError = { readonly class: ErrorClass; readonly message: string };

/** What became of each try: the intent's record and how it ended. */
export type Attempt = {
  readonly number: number;
  readonly effect: 'none' | 'read' | 'write';
  readonly intentSeq: number;
  readonly intentAt: UnixMs;
  readonly end: 'succeeded' | 'failed' | 'indeterminate' | null;
  readonly endSeq: number | null;
  readonly error: StepError | null;
};

export const isEnded = (run: Run): boolean => run.ended !== null;
