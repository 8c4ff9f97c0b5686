import type { RUN_ENDS } from '../../sdk/contract/api-run.ts';
import type { ErrorClass } from '../../sdk/contract/error.ts';
import type { Plan } from '../../sdk/contract/plugin.ts';
import type { Approval } from '../approval/approval.ts';
import type { ApprovalId, Digest, EventId, OrgId, PrincipalId, RunId, StepRunId } from '../base/id.ts';
import type { Json, JsonObject } from '../base/json.ts';
import type { UnixMs } from '../base/time.ts';

/**
 * A run as the fold of its events (evolve.ts). Each state holds only what it may use. `seq` fields are audit sequence
 * numbers: the record that says how the run got there.
 */
export type Terminal = (typeof RUN_ENDS)[number];
/** `pending`: it waits for its turn. `undoing`: what it did is being undone, and `undo` says how it will end. */
export type RunState = 'pending' | 'running' | 'waiting' | 'undoing' | Terminal;

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
  /** Versions of the playbooks that its steps may start, at any depth. */
  readonly playbooks: Readonly<Record<string, Digest>>;
  readonly trigger: string;
  readonly event: EventId;
  readonly requester: PrincipalId;
  /** Who else sent what the run took in, by events that it or a run of its waited for, or in the run that it is again. Absent: nobody. */
  readonly senders?: readonly PrincipalId[];
  /** The ended run that its requester has run again. */
  readonly again?: Again;
  /** The ended run of which what is done is not done again. */
  readonly keeps?: RunId;
  /** The step that started it, for a run that is a step of another. */
  readonly parent: Parent | null;
  /** The detached step that started it: it is a part of no run, and knows where it comes from. Absent: none did. */
  readonly startedBy?: Parent;
  /** W3C trace id, 32 hex digits. */
  readonly trace: string;
  readonly inputs: JsonObject;
  /** The incident that it belongs to. */
  readonly incident?: string;
  readonly startedAt: UnixMs;
  readonly startedSeq: number;
  /** The run's timeout as an instant: every wait ends here at the latest (R8). */
  readonly deadlineAt: UnixMs;
  readonly steps: Readonly<Record<StepRunId, StepRun>>;
  readonly approvals: Readonly<Record<ApprovalId, Approval>>;
  /** How it will end, from the moment at which it begins to undo what it did. */
  readonly undo: Ending | null;
  /** Absent: it is not paused. After its end: it ended under it, and what it had started is held until the resume. */
  readonly paused?: Pause;
  readonly ended: (Ending & { readonly at: UnixMs; readonly seq: number; readonly output: JsonObject | null }) | null;
  /** An analyst has looked at how it ended (S 13.3). */
  readonly closed: {
    readonly by: PrincipalId;
    readonly at: UnixMs;
    readonly note: string;
    readonly seq: number;
  } | null;
};

export type Parent = { readonly run: RunId; readonly step: StepRunId; readonly depth: number };
/** A run that has ended, and why a person has it run again. */
export type Again = { readonly run: RunId; readonly reason: string };
/** Who has it send nothing more until the resume, since when, and why. */
export type Pause = { readonly by: PrincipalId; readonly at: UnixMs; readonly reason: string };
/** `failure`: of the step that ended it, where one did; absent also in records from before it was kept. */
export type Ending = { readonly state: Terminal; readonly reason: string; readonly failure?: Failure };
/** What a step that failed says of it: the beginning, as it fits beside the state of a run. */
export type Failure = StepError & { readonly step: StepRunId };

/** One execution of one step. `parameters` are bound once, at the first attempt, and never change after. */
export type StepRun = StepCommon & StepState & { readonly seq: number; readonly at: UnixMs };

/** What every state of a step has. */
export type StepCommon = {
  readonly id: StepRunId;
  readonly attempt: number;
  readonly parameters: JsonObject;
  readonly plan: Plan | null;
  readonly approval: ApprovalId | null;
  readonly attempts: readonly Attempt[];
  /** Tries that failed by themselves and were followed by another: the plan's until there is one, then the action's. */
  readonly spent: number;
  /** Tries that an end of the kernel cut off and that were followed by another. They count against no retry budget. */
  readonly cutOffs: number;
  /** Undoing it, from its first try on. */
  readonly undo: Undo | null;
  /** The run that it started, whatever became of either since. Absent: none. */
  readonly child?: RunId;
};

/** Of a step that succeeded and whose run did not complete. `parked`: nothing may be sent at present. */
export type Undo = {
  readonly state: 'intended' | 'retry' | 'parked' | 'done' | 'failed';
  /** As of a try of the action. */
  readonly mayHaveActed: boolean;
  readonly retryAt: UnixMs | null;
  readonly attempts: readonly Attempt[];
  readonly cutOffs: number;
  readonly error: StepError | null;
};

/** What a step may be about to ask of its action. */
export type TryOp = 'plan' | 'execute' | 'check';

/** What only one state has; it is left behind with that state. */
export type StepState =
  | { readonly state: 'ready'; readonly waitsFor: 'plan' }
  | { readonly state: 'ready'; readonly waitsFor: 'retry'; readonly op: TryOp; readonly retryAt: UnixMs }
  /** Nothing may be sent at present (the stop switch, or a pause); it goes on when that is over. */
  | { readonly state: 'ready'; readonly waitsFor: 'release'; readonly op: TryOp; readonly pause?: true }
  /** Another step, `behind` which it is, is about to do what is done once; it is looked at again then. */
  | {
      readonly state: 'ready';
      readonly waitsFor: 'claim';
      readonly behind: RunId;
      readonly since: UnixMs;
      readonly retryAt: UnixMs;
    }
  | { readonly state: 'held' }
  /** `mayHaveActed`: what this try changes outside may have left. Once false, it has not, and asks before it does. */
  | { readonly state: 'intended'; readonly mayHaveActed: boolean }
  | ({ readonly state: 'open' } & Open)
  /** `event`: the one that woke it, where it waited for one. `kept`: it was not carried out here, an ended run has done it. */
  | { readonly state: 'succeeded'; readonly output: Json; readonly event?: EventId; readonly kept?: Kept }
  | { readonly state: 'failed'; readonly error: StepError }
  /** `checking`: the action is being asked whether it happened. */
  | { readonly state: 'indeterminate'; readonly reason: string; readonly checking: boolean }
  | { readonly state: 'skipped'; readonly reason: string }
  | { readonly state: 'rolled_back'; readonly output: Json };

/** What a step under way waits for that is no call of an action. */
export type Open =
  /** `most` lanes at a time; none begins before `notBefore`. */
  | {
      readonly waitsFor: 'lanes';
      readonly notBefore?: UnixMs;
      readonly most: number;
      readonly lanes: readonly LaneState[];
      readonly values: readonly Json[];
    }
  | { readonly waitsFor: 'time'; readonly until: UnixMs }
  /** `key` names what must arrive: playbook, step, fields and values. */
  | { readonly waitsFor: 'event'; readonly key: Digest; readonly until: UnixMs }
  /** `keeps`: of what that one is to keep. `detached`: it waits only until that one is on record. */
  | { readonly waitsFor: 'run'; readonly child: RunId; readonly keeps?: RunId; readonly detached?: true }
  /** A person does by hand what failed, and says what came of it. */
  | { readonly waitsFor: 'person'; readonly error: StepError };

export type LaneState = 'waiting' | 'open' | 'succeeded' | 'failed' | 'stopped';

/** The run that did it, and whether that has changed something outside. */
export type Kept = { readonly run: RunId; readonly changed: boolean };

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
