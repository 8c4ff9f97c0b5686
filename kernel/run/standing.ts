import { unreachable } from '../base/assert.ts';
import { type ApprovalId, type Digest, partsOfStepRun, type RunId, type StepId, type StepRunId } from '../base/id.ts';
import { own } from '../base/own.ts';
import { after, type DurationMs, durationMs, type UnixMs } from '../base/time.ts';
import type { Role } from '../org/role.ts';
import { nextLane } from './fork.ts';
import { nextDue } from './open-work.ts';
import type { Run, StepRun } from './state.ts';

/**
 * What an open run waits for, on whom, since when and until when; and whether that is really on its way. Derived from
 * the run like its open work, so that it cannot disagree with it.
 */
export type Wait = {
  /** Null: the run as a whole waits. */
  readonly step: StepRunId | null;
  readonly since: UnixMs;
  /** When it gives up: the timeout of the call, the time of the next try, the expiry, the run's own deadline. */
  readonly until: UnixMs;
} & (
  | { readonly what: CallWait | 'retry' | 'time' | 'release' | 'settlement' }
  | { readonly what: 'event'; readonly key: Digest }
  | { readonly what: 'run'; readonly child: RunId }
  | { readonly what: 'approval'; readonly approval: ApprovalId; readonly role: Role }
);
/** The answer to a call of an action. */
type CallWait = 'plan' | 'action' | 'check' | 'rollback';
const CALLS = ['plan', 'action', 'check', 'rollback'] as const satisfies CallWait[];
export const WAITS = [
  ...CALLS,
  ...(['run', 'retry', 'time', 'event', 'release', 'approval', 'settlement'] as const),
] as const satisfies Wait['what'][];

/** @param timeoutOf of a step's call; undefined when the pinned playbook has no such step. */
export function waitsOf(run: Run, timeoutOf: (step: StepId) => DurationMs | undefined): readonly Wait[] {
  if (run.ended) return [];
  const { deadlineAt, startedAt } = run;
  if (run.state === 'pending') return [{ step: null, since: startedAt, until: deadlineAt, what: 'release' }];
  return Object.values(run.steps).flatMap((step) => {
    const timeout = timeoutOf(partsOfStepRun(step.id).step);
    const answerBy = timeout === undefined ? deadlineAt : earlier(after(step.at, timeout), deadlineAt);
    // Once it undoes what it did, it waits for nothing else.
    return (run.undo ? undoWait(run, step, answerBy) : waitOf(run, step, answerBy)) ?? [];
  });
}

function waitOf(run: Run, step: StepRun, answerBy: UnixMs): Wait | undefined {
  const { deadlineAt } = run;
  const common = { step: step.id, since: step.at, until: deadlineAt };
  switch (step.state) {
    case 'ready':
      if (step.waitsFor === 'plan') return { ...common, what: 'plan', until: answerBy };
      if (step.waitsFor === 'release') return { ...common, what: 'release' };
      return { ...common, what: 'retry', until: earlier(step.retryAt, deadlineAt) };
    case 'intended':
      return { ...common, what: 'action', until: answerBy };
    case 'indeterminate':
      return step.checking ? { ...common, what: 'check', until: answerBy } : { ...common, what: 'settlement' };
    case 'open':
      return openWait(run, step, common);
    case 'held': {
      const approval = step.approval === null ? undefined : own(run.approvals, step.approval);
      if (approval?.state !== 'pending') return undefined;
      const { id, role, expiresAt } = approval;
      return { ...common, what: 'approval', until: earlier(expiresAt, deadlineAt), approval: id, role };
    }
    case 'succeeded':
    case 'failed':
    case 'skipped':
    case 'rolled_back':
      return undefined;
    default:
      return unreachable(step);
  }
}

type Common = Pick<Wait, 'step' | 'since' | 'until'>;

function openWait(run: Run, step: Extract<StepRun, { state: 'open' }>, common: Common): Wait | undefined {
  switch (step.waitsFor) {
    case 'lanes': {
      // Its steps have waits of their own; the next of its lanes is due at once, or after a pause.
      const next = nextLane(run, step);
      return next && { ...common, what: 'time', until: earlier(next.from, run.deadlineAt) };
    }
    case 'time':
      return { ...common, what: 'time', until: earlier(step.until, run.deadlineAt) };
    case 'event':
      return { ...common, what: 'event', key: step.key, until: earlier(step.until, run.deadlineAt) };
    case 'run':
      return { ...common, what: 'run', child: step.child };
    case 'person':
      return { ...common, what: 'settlement' };
    default:
      return unreachable(step);
  }
}

function undoWait({ deadlineAt }: Run, { id, at, undo }: StepRun, answerBy: UnixMs): Wait | undefined {
  const common = { step: id, since: at, until: deadlineAt };
  switch (undo?.state) {
    case 'intended':
      return { ...common, what: 'rollback', until: answerBy };
    case 'retry':
      return { ...common, what: 'retry', until: earlier(undo.retryAt ?? deadlineAt, deadlineAt) };
    case 'parked':
      return { ...common, what: 'release' };
    case 'done':
    case 'failed':
    case undefined:
      return undefined;
    default:
      return unreachable(undo?.state as never);
  }
}

const earlier = (a: UnixMs, b: UnixMs): UnixMs => (a < b ? a : b);

/**
 * How a run stands. `stuck`: nothing that is on its way will move it, at best its own deadline; a defect, since R8 says
 * that there is none. `late`: what it waits for should have come by now. `person`: all it waits for is people.
 */
export type Standing =
  | { readonly kind: 'moving' | 'person' }
  | { readonly kind: 'late'; readonly why: 'overdue' | 'no-answer' }
  | { readonly kind: 'stuck'; readonly why: 'no-wait' | 'no-timer' | 'wait-lost' | 'unreadable' };

/** What is found outside of the run's own state. */
export type Evidence = {
  readonly now: UnixMs;
  /**
   * The call is carried out, or queued for it, in this process; the event is looked for; the run that it waits for goes
   * on; it stands in the line in which it waits for its turn.
   */
  readonly isUnderWay: (wait: Wait) => boolean;
  /** It sends nothing until somebody resumes it, or a run that it is a part of. */
  readonly isPaused: boolean;
  /** The row that will wake the run at its next due time is there. */
  readonly hasTimer: boolean;
};

/** A turn may be on its way to the disk, a sweep on its way through many rows, an answer on its way to its run. */
const GRACE = durationMs(10_000);

export function standingOf(
  run: Run,
  waits: readonly Wait[],
  { now, isUnderWay, isPaused, hasTimer }: Evidence,
): Standing {
  if (waits.length === 0) return { kind: 'stuck', why: 'no-wait' };
  if (!hasTimer) return { kind: 'stuck', why: 'no-timer' };
  const isPast = (instant: UnixMs) => now > after(instant, GRACE);
  const isAsked = (wait: Wait) => isCall(wait) || wait.step === null || wait.what === 'event' || wait.what === 'run';
  if (waits.some((wait) => isAsked(wait) && isPast(wait.since) && !isUnderWay(wait)))
    return { kind: 'stuck', why: 'wait-lost' };
  const due = nextDue(run);
  if (due !== null && isPast(due)) return { kind: 'late', why: 'overdue' };
  if (waits.some((wait) => isCall(wait) && isPast(wait.until))) return { kind: 'late', why: 'no-answer' };
  const isPersons = ({ what, step }: Wait) =>
    what === 'approval' || what === 'settlement' || (isPaused && what === 'release' && step !== null);
  return { kind: waits.every(isPersons) ? 'person' : 'moving' };
}

const isCall = ({ what }: Wait): boolean => CALLS.some((call) => call === what);
