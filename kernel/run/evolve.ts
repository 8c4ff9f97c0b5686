import { invariant, unreachable } from '../base/assert.ts';
import type { StepId } from '../base/id.ts';
import { own } from '../base/own.ts';
import type { UnixMs } from '../base/time.ts';
import type { RunEvent, StoredTurn } from './event.ts';
import type { Attempt, Run, StepCommon, StepRun, StepState } from './state.ts';

/**
 * (run, event) -> run. Total over the events of a run; the live path and recovery both fold with this and with nothing
 * else, so a stored run is the run (R3).
 */
export function evolve(run: Run | null, event: RunEvent, seq: number, at: UnixMs): Run {
  if (event.kind === 'run-started') {
    invariant(run === null, 'a run starts once');
    return {
      id: event.run,
      org: event.org,
      version: 0,
      state: 'running',
      playbook: event.playbook,
      policy: event.policy,
      plugins: event.plugins,
      trigger: event.trigger,
      event: event.event,
      requester: event.requester,
      trace: event.trace,
      inputs: event.inputs,
      startedAt: at,
      startedSeq: seq,
      deadlineAt: event.deadlineAt,
      current: null,
      steps: {},
      approvals: {},
      ended: null,
    };
  }
  invariant(run !== null, 'a run begins with run-started');
  switch (event.kind) {
    case 'step-ready':
      return onStep(run, event.step, seq, at, (step) => ({
        ...step,
        state: 'ready',
        waitsFor: 'plan',
        parameters: event.parameters,
      }));
    case 'step-planned':
      return onStep(run, event.step, seq, at, (step) => ({
        ...step,
        state: 'ready',
        waitsFor: 'plan',
        plan: event.plan,
        spent: 0,
      }));
    case 'step-held': {
      const { approval: id, step, tier, subject, needed, role, expiresAt } = event;
      const approval = {
        id,
        step,
        tier,
        subject,
        requester: run.requester,
        needed,
        role,
        openedAt: at,
        expiresAt,
        votes: [],
        state: 'pending',
        decidedSeq: -1,
      } as const;
      const held = onStep(run, step, seq, at, (old) => ({
        ...old,
        state: 'held',
        parameters: event.parameters,
        approval: id,
      }));
      return { ...held, state: 'waiting', approvals: { ...held.approvals, [id]: approval } };
    }
    case 'approval-voted': {
      const approval = own(run.approvals, event.approval);
      invariant(approval, 'a vote names an open approval');
      const vote = { by: event.by, decision: event.decision, rationale: event.rationale, at };
      return {
        ...run,
        approvals: { ...run.approvals, [approval.id]: { ...approval, votes: [...approval.votes, vote] } },
      };
    }
    case 'approval-decided': {
      const approval = own(run.approvals, event.approval);
      invariant(approval, 'a decision names an open approval');
      const decided = { ...approval, state: event.state, decidedSeq: seq };
      return { ...run, state: 'running', approvals: { ...run.approvals, [approval.id]: decided } };
    }
    case 'step-intended': {
      const attempt: Attempt = {
        number: event.attempt,
        effect: event.effect,
        intentSeq: seq,
        intentAt: at,
        end: null,
        endSeq: null,
        error: null,
      };
      const next = onStep(run, event.step, seq, at, (step) => ({
        ...step,
        state: 'intended',
        // A record from before departures were recorded says nothing of one.
        mayHaveActed: event.effect === 'write' && event.recordsLeaving !== true,
        attempt: event.attempt,
        parameters: event.parameters,
        attempts: [...step.attempts, attempt],
      }));
      return { ...next, state: 'running' };
    }
    case 'step-leaving':
      return onStep(run, event.step, seq, at, (step) => ({ ...step, state: 'intended', mayHaveActed: true }));
    case 'step-succeeded':
      return onStep(run, event.step, seq, at, (step) => ({
        ...step,
        state: 'succeeded',
        output: event.output,
        attempts: endAttempt(step.attempts, 'succeeded', seq, null),
      }));
    case 'step-failed':
      return onStep(run, event.step, seq, at, (step) => ({
        ...step,
        state: 'failed',
        error: event.error,
        attempts: endAttempt(step.attempts, 'failed', seq, event.error),
      }));
    case 'step-retry': {
      const next = onStep(run, event.step, seq, at, (step) => ({
        ...step,
        state: 'ready',
        waitsFor: 'retry',
        op: event.op ?? 'execute',
        retryAt: event.retryAt,
        spent: step.spent + (event.cutOff ? 0 : 1),
        cutOffs: step.cutOffs + (event.cutOff ? 1 : 0),
      }));
      return { ...next, state: 'waiting' };
    }
    case 'step-indeterminate': {
      const next = onStep(run, event.step, seq, at, (step) => ({
        ...step,
        state: 'indeterminate',
        reason: event.reason,
        attempts: endAttempt(step.attempts, 'indeterminate', seq, null),
      }));
      return { ...next, state: 'waiting' };
    }
    case 'step-settled': {
      const { outcome } = event;
      const settled = onStep(run, event.step, seq, at, (step) => {
        const attempts = step.attempts.map((one) => (one.end === 'indeterminate' ? { ...one, end: outcome } : one));
        const error = { class: 'upstream_error', message: 'settled as failed by an operator' } as const;
        return outcome === 'succeeded'
          ? { ...step, attempts, state: 'succeeded', output: null }
          : { ...step, attempts, state: 'failed', error };
      });
      return run.ended ? { ...settled, current: null } : { ...settled, state: 'running' };
    }
    case 'guardrail-blocked':
      return { ...run, state: 'running' };
    case 'branch-taken':
      return onStep(run, event.step, seq, at, (step) => ({ ...step, state: 'succeeded', output: event.matched }));
    case 'incident-updated':
      return onStep(run, event.step, seq, at, (step) => ({
        ...step,
        state: 'succeeded',
        output: { incident: event.incident, state: event.state },
      }));
    case 'steps-skipped':
      return event.steps.reduce(
        (folded, id) => onStep(folded, id, seq, at, (step) => ({ ...step, state: 'skipped', reason: event.reason })),
        run,
      );
    case 'run-cancel':
      return run;
    case 'run-ended':
      return {
        ...run,
        state: event.state,
        current: null,
        steps: mapSteps(run.steps, settleLast),
        ended: { at, reason: event.reason, seq },
      };
    default:
      return unreachable(event);
  }
}

/** Folds one stored turn; a turn is what moves the version. */
export function evolveTurn(run: Run | null, turn: StoredTurn): Run {
  let folded = run;
  turn.events.forEach((event, index) => {
    folded = evolve(folded, event, turn.seq + index, turn.at);
  });
  invariant(folded, 'a turn has an event');
  return { ...folded, version: (run?.version ?? 0) + 1 };
}

/** The whole run from its turns; null when there are none. */
export const replay = (turns: readonly StoredTurn[]): Run | null => turns.reduce<Run | null>(evolveTurn, null);

/** A step that waited to be tried again when the run ended is what its last try was: unknown, or failed. */
function settleLast(step: StepRun): StepRun {
  const last = step.attempts.at(-1);
  if ((step.state !== 'ready' && step.state !== 'held') || !last) return step;
  const kept = { ...commonOf(step.id, step), seq: step.seq, at: step.at };
  if (last.end === 'indeterminate') return { ...kept, state: 'indeterminate', reason: 'run-ended-before-a-retry' };
  return { ...kept, state: 'failed', error: last.error ?? { class: 'unavailable', message: 'not tried again' } };
}

const mapSteps = (steps: Run['steps'], change: (step: StepRun) => StepRun): Run['steps'] =>
  Object.fromEntries(Object.values(steps).map((step) => [step.id, change(step)]));

/** What a step takes along from one state to the next; of a step that was not reached yet, what it begins with. */
function commonOf(id: StepId, step: StepRun | undefined): StepCommon {
  const { attempt = 0, parameters = {}, plan = null, approval = null, attempts = [] } = step ?? {};
  const { spent = 0, cutOffs = 0 } = step ?? {};
  return { id, attempt, parameters, plan, approval, attempts, spent, cutOffs };
}

function onStep(
  run: Run,
  id: StepId,
  seq: number,
  at: UnixMs,
  change: (step: StepCommon) => StepCommon & StepState,
): Run {
  const after: StepRun = { ...change(commonOf(id, own(run.steps, id))), seq, at };
  return { ...run, current: id, steps: { ...run.steps, [id]: after } };
}

/** Closes the attempt that is open, if one is; a step that failed before its first intent has none. */
function endAttempt(
  attempts: readonly Attempt[],
  end: Exclude<Attempt['end'], null>,
  endSeq: number,
  error: Attempt['error'],
): readonly Attempt[] {
  return attempts.map((attempt) => (attempt.end === null ? { ...attempt, end, endSeq, error } : attempt));
}
