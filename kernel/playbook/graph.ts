import type { ErrorClass } from '../../sdk/contract/error.ts';
import type { Rule } from '../../sdk/contract/rule.ts';
import type { StepId } from '../base/id.ts';
import type { JsonObject } from '../base/json.ts';
import type { DurationMs } from '../base/time.ts';
import type { ActionType, Tier } from './step.ts';

/**
 * The executable form of a playbook: a table of steps with their successors. Made anew from the document whenever a
 * run needs it (compile.ts); the digest of the document names it.
 */
export type Graph = {
  readonly entry: StepId;
  /** All steps, those of blocks too, in the order of the document. */
  readonly steps: ReadonlyMap<StepId, Step>;
  readonly timeout: DurationMs;
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
  /** A step of it has `dedup`. */
  readonly claims: boolean;
  /** Text that names the incident of a run, with references to inputs. */
  readonly incident?: string;
};

export type Step =
  | ActionStep
  | UpdateStep
  | BranchStep
  | WaitStep
  | ApprovalStep
  | SubPlaybookStep
  | FailStep
  | ForkStep;

/** Steps that hold blocks. */
export type ForkStep = ParallelStep | ForeachStep | RepeatStep;

type Common = {
  readonly id: StepId;
  /** The lane that holds it: of `parallel` its place in `lanes`, of any other always 0. Null outside of both. */
  readonly within: { readonly fork: StepId; readonly lane: number } | null;
  /** The `foreach` and `repeat` steps around it, outermost first. */
  readonly each: readonly StepId[];
};
/** Null: its block ends here. */
type Next = { readonly next: StepId | null };

export type OnFailure =
  | { readonly kind: 'fail' }
  /** Goes on as if it had succeeded, without an output. */
  | { readonly kind: 'continue' }
  /** A person does by hand what it was to do, and says so. */
  | { readonly kind: 'manual' }
  | { readonly kind: 'goto'; readonly to: StepId | null };
type Fallible = { readonly onFailure: OnFailure };

export type RetryRule = {
  readonly attempts: number;
  readonly first: DurationMs;
  readonly most: DurationMs;
  /** Undefined: every transient class. */
  readonly on: readonly ErrorClass[] | undefined;
};

export type ActionStep = Common &
  Next &
  Fallible & {
    readonly kind: 'action';
    readonly type: ActionType;
    readonly plugin: string;
    readonly action: string;
    readonly with: JsonObject;
    readonly tier: Tier;
    /** Of one call. Null: what the org's policy gives its type. */
    readonly timeout: DurationMs | null;
    /** Undefined: the default for the action's effect applies (run/retry.ts). */
    readonly retry: RetryRule | undefined;
    /** Undone by the action's own `rollback` when the run does not complete. */
    readonly rollback: boolean;
    /** Acts once for the same key within the window, over all runs of the playbook. */
    readonly dedup?: { readonly key: readonly string[]; readonly window: DurationMs };
  };
export type UpdateStep = Common &
  Next & {
    readonly kind: 'update';
    readonly incident: string;
    readonly set: {
      readonly state: string;
      readonly severity?: string | undefined;
      readonly note?: string | undefined;
    };
  };
/** The first path whose rule holds is taken. */
export type BranchStep = Common & {
  readonly kind: 'branch';
  readonly paths: readonly { readonly when: Rule; readonly to: StepId | null }[];
  readonly otherwise: StepId | null;
};
export type WaitStep = Common &
  Next &
  Fallible & {
    readonly kind: 'wait';
    readonly wait:
      | { readonly kind: 'for'; readonly length: DurationMs }
      | { readonly kind: 'until'; readonly instant: string }
      | {
          readonly kind: 'event';
          /** JSON Pointer into the event to the text that gives its value. */
          readonly match: Readonly<Record<string, string>>;
          readonly where: Rule | undefined;
          readonly take: Readonly<Record<string, string>>;
          /** Undefined: the run's own deadline. */
          readonly timeout: DurationMs | undefined;
        };
  };
export type ApprovalStep = Common &
  Next &
  Fallible & {
    readonly kind: 'approval';
    readonly ask: string;
    readonly tier: Tier;
    readonly expires: DurationMs | undefined;
  };
export type SubPlaybookStep = Common &
  Next &
  Fallible & {
    readonly kind: 'playbook';
    readonly playbook: string;
    readonly with: JsonObject;
    /** Done once the run that it starts is on record: that one is on its own. */
    readonly detached: boolean;
  };

/** Its block fails here: the author's own word. */
export type FailStep = Common & { readonly kind: 'fail'; readonly message: string };

/** How many lanes must succeed; `all` is every one. */
export type Join = { readonly need: number | 'all'; readonly rest: 'stop' | 'finish' };
export type ParallelStep = Common &
  Next &
  Fallible & {
    readonly kind: 'parallel';
    readonly lanes: readonly { readonly name: string; readonly entry: StepId }[];
    readonly join: Join;
  };
export type ForeachStep = Common &
  Next &
  Fallible & {
    readonly kind: 'foreach';
    readonly over: string;
    readonly limit: number;
    readonly concurrency: number;
    readonly collect: string | undefined;
    readonly entry: StepId;
    readonly join: Join;
  };
/** One round after the other, each a lane, until the rule holds at the end of one. */
export type RepeatStep = Common &
  Next &
  Fallible & {
    readonly kind: 'repeat';
    readonly until: Rule;
    /** Rounds at most. */
    readonly times: number;
    /** From the end of a round to the next. */
    readonly pause: DurationMs;
    readonly collect: string | undefined;
    readonly entry: StepId;
  };

/** What becomes of a run when the step has failed for good; what says nothing of it fails its block. */
export const wayOnFailure = (step: Step): OnFailure => ('onFailure' in step ? step.onFailure : { kind: 'fail' });

/** Where a step may lead to within its block. */
export function successors(step: Step): readonly (StepId | null)[] {
  if (step.kind === 'fail') return [];
  if (step.kind === 'branch') return [...step.paths.map(({ to }) => to), step.otherwise];
  const way = wayOnFailure(step);
  return way.kind === 'goto' ? [step.next, way.to] : [step.next];
}

/** First steps of the blocks that it holds. */
export function entriesOf(step: Step): readonly StepId[] {
  if (step.kind === 'parallel') return step.lanes.map(({ entry }) => entry);
  return step.kind === 'foreach' || step.kind === 'repeat' ? [step.entry] : [];
}

/** The plugins that the steps use, and the playbooks. */
export function usesOf(graph: Graph): { readonly plugins: readonly string[]; readonly playbooks: readonly string[] } {
  const steps = [...graph.steps.values()];
  return {
    plugins: [...new Set(steps.flatMap((step) => (step.kind === 'action' ? [step.plugin] : [])))],
    playbooks: [...new Set(steps.flatMap((step) => (step.kind === 'playbook' ? [step.playbook] : [])))],
  };
}
