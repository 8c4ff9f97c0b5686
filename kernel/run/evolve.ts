import { invariant, unreachable } from '../base/assert.ts';
import type { StepRunId } from '../base/id.ts';
import { own } from '../base/own.ts';
import type { UnixMs } from '../base/time.ts';
import type { RunEvent, StoredTurn } from './event.ts';
import { evolveFork } from './evolve-fork.ts';
import { evolveUndo } from './evolve-undo.ts';
import { endAttempt, onStep, openAttempt, ownCopy, settleLast, withApproval } from './fold.ts';
import type { Run, RunState, StepRun } from './state.ts';

/**
 * (run, event) -> run. Total over the events of a run; the live path and recovery both fold with this and with nothing
 * else, so a stored run is the run (R3).
 * @param run the fold's own (`ownCopy`): what it holds is written to.
 */
export function evolve(run: Run | null, event: RunEvent, seq: number, at: UnixMs): Run {
  if (event.kind === 'run-started') {
    invariant(run === null, 'a run starts once');
    return {
      id: event.run,
      org: event.org,
      version: 0,
      state: event.queued ? 'pending' : 'running',
      playbook: event.playbook,
      policy: event.policy,
      plugins: event.plugins,
      playbooks: event.playbooks ?? {},
      trigger: event.trigger,
      event: event.event,
      requester: event.requester,
      ...(event.senders && { senders: event.senders }),
      ...(event.again && { again: event.again }),
      ...(event.keeps && { keeps: event.keeps }),
      parent: event.parent ?? null,
      ...(event.startedBy && { startedBy: event.startedBy }),
      trace: event.trace,
      inputs: event.inputs,
      ...(event.incident !== undefined && { incident: event.incident }),
      startedAt: at,
      startedSeq: seq,
      deadlineAt: event.deadlineAt,
      steps: {},
      approvals: {},
      undo: null,
      ended: null,
      closed: null,
    };
  }
  invariant(run !== null, 'a run begins with run-started');
  switch (event.kind) {
    case 'run-released':
      return { ...run, state: 'running' };
    case 'step-ready':
      return onStep(run, event.step, seq, at, (step) => ({
        ...step,
        state: 'ready',
        waitsFor: 'plan',
        parameters: event.parameters,
      }));
    case 'step-parked':
      return onStep(run, event.step, seq, at, (step) => ({
        ...step,
        state: 'ready',
        waitsFor: 'release',
        op: event.op,
        ...(event.pause && { pause: event.pause }),
        parameters: event.parameters,
      }));
    case 'step-deferred':
      return onStep(run, event.step, seq, at, (step, old) => ({
        ...step,
        state: 'ready',
        waitsFor: 'claim',
        behind: event.behind,
        since: old?.state === 'ready' && old.waitsFor === 'claim' ? old.since : at,
        retryAt: event.retryAt,
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
    case 'step-opened':
    case 'lane-started':
    case 'lane-ended':
      return evolveFork(run, event, seq, at);
    case 'step-held': {
      const { approval: id, step, tier, subject, needed, role, expiresAt } = event;
      const approval = {
        id,
        step,
        tier,
        subject,
        requester: run.requester,
        ...(run.senders && { senders: run.senders }),
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
      return withApproval(held, approval);
    }
    case 'approval-voted': {
      const approval = own(run.approvals, event.approval);
      invariant(approval, 'a vote names an open approval');
      const vote = { by: event.by, decision: event.decision, rationale: event.rationale, at };
      return withApproval(run, { ...approval, votes: [...approval.votes, vote] });
    }
    case 'approval-decided': {
      const approval = own(run.approvals, event.approval);
      invariant(approval, 'a decision names an open approval');
      return withApproval(run, { ...approval, state: event.state, decidedSeq: seq });
    }
    case 'step-intended':
      return onStep(run, event.step, seq, at, (step) => ({
        ...step,
        state: 'intended',
        // A record from before departures were recorded says nothing of one.
        mayHaveActed: event.effect === 'write' && event.recordsLeaving !== true,
        attempt: event.attempt,
        parameters: event.parameters,
        attempts: [...step.attempts, openAttempt(event.attempt, event.effect, seq, at)],
      }));
    case 'step-leaving':
      // Of an undo, the step has succeeded and stays so.
      if (own(run.steps, event.step)?.undo) return evolveUndo(run, event, seq, at);
      return onStep(run, event.step, seq, at, (step) => ({ ...step, state: 'intended', mayHaveActed: true }));
    case 'step-succeeded':
      return onStep(withSenders(run, event.senders), event.step, seq, at, (step) => ({
        ...step,
        state: 'succeeded',
        output: event.output,
        ...(event.event !== undefined && { event: event.event }),
        attempts: endAttempt(step.attempts, 'succeeded', seq, null),
      }));
    case 'step-kept': {
      const { parameters, output, from, changed, child } = event;
      return onStep(withSenders(run, event.senders), event.step, seq, at, (step) => ({
        ...step,
        state: 'succeeded',
        parameters,
        output,
        kept: { run: from, changed },
        ...(child !== undefined && { child }),
      }));
    }
    case 'step-failed':
      return onStep(withSenders(run, event.senders), event.step, seq, at, (step) => ({
        ...step,
        state: 'failed',
        error: event.error,
        attempts: endAttempt(step.attempts, 'failed', seq, event.error),
      }));
    case 'step-retry':
      return onStep(run, event.step, seq, at, (step) => ({
        ...step,
        state: 'ready',
        waitsFor: 'retry',
        op: event.op ?? 'execute',
        retryAt: event.retryAt,
        spent: step.spent + (event.cutOff ? 0 : 1),
        cutOffs: step.cutOffs + (event.cutOff ? 1 : 0),
      }));
    case 'step-indeterminate':
      return onStep(run, event.step, seq, at, (step) => ({
        ...step,
        state: 'indeterminate',
        reason: event.reason,
        checking: false,
        attempts: endAttempt(step.attempts, 'indeterminate', seq, null),
      }));
    case 'step-checking':
    case 'step-check-failed':
      return onStep(run, event.step, seq, at, (step, old) => ({
        ...step,
        state: 'indeterminate',
        reason: old?.state === 'indeterminate' ? old.reason : 'unknown-after-a-try',
        checking: event.kind === 'step-checking',
      }));
    case 'step-checked':
    case 'step-settled':
    case 'step-by-hand':
      return onStep(run, event.step, seq, at, (step) => {
        const { outcome } = event;
        const attempts = step.attempts.map((one) => (one.end === 'indeterminate' ? { ...one, end: outcome } : one));
        if (outcome === 'succeeded')
          return { ...step, attempts, state: 'succeeded', output: event.kind === 'step-checked' ? event.output : null };
        const message = event.kind === 'step-checked' ? 'it did not happen' : 'settled as failed by an operator';
        return { ...step, attempts, state: 'failed', error: { class: 'upstream_error', message } };
      });
    case 'guardrail-blocked':
    case 'step-claimed':
      return run;
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
        (folded, id) =>
          onStep(folded, id, seq, at, (step, old) =>
            step.attempts.length > 0 && old ? settleLast(old) : { ...step, state: 'skipped', reason: event.reason },
          ),
        run,
      );
    case 'run-cancel':
      return run;
    case 'run-paused':
      return { ...run, paused: { by: event.by, at, reason: event.reason } };
    case 'run-resumed': {
      const { paused: _, ...resumed } = run;
      return resumed;
    }
    case 'run-undoing': {
      const { state, reason, failure, deadlineAt } = event;
      return { ...run, undo: { state, reason, ...(failure && { failure }) }, deadlineAt };
    }
    case 'undo-intended':
    case 'undo-tried':
    case 'undo-retry':
    case 'undo-parked':
    case 'undo-failed':
    case 'step-rolled-back':
      return evolveUndo(run, event, seq, at);
    case 'run-ended': {
      const { state, reason, failure, output = null } = event;
      const ended = { at, state, reason, ...(failure && { failure }), seq, output };
      return { ...run, steps: mapSteps(run.steps, settleLast), ended };
    }
    case 'run-closed':
      return { ...run, closed: { by: event.by, at, note: event.note, seq } };
    default:
      return unreachable(event);
  }
}

function foldTurn(own: Run | null, turn: StoredTurn): Run {
  let folded = own;
  turn.events.forEach((event, index) => {
    folded = evolve(folded, event, turn.seq + index, turn.at);
  });
  invariant(folded, 'a turn has an event');
  return folded;
}

/** Folds one stored turn; a turn is what moves the version. */
export const evolveTurn = (run: Run | null, turn: StoredTurn): Run =>
  afterTurn(foldTurn(run && ownCopy(run), turn), run);

/** What a turn as a whole makes of a run: its version, and the state that follows from its steps. */
export const afterTurn = (folded: Run, before: Run | null): Run => ({
  ...folded,
  state: stateOf(folded),
  version: (before?.version ?? 0) + 1,
});

/**
 * The whole run from its turns; null when there are none. What follows from the steps is looked at once, at the end: of
 * what a turn makes of the state, the next asks only whether the run still waits for its turn, which is in the events.
 */
export function replay(turns: Iterable<StoredTurn>): Run | null {
  let run: Run | null = null;
  let version = 0;
  for (const turn of turns) {
    run = foldTurn(run, turn);
    version++;
  }
  return run && { ...run, state: stateOf(run), version };
}

const withSenders = (run: Run, senders: Run['senders']): Run =>
  senders ? { ...run, senders: [...new Set([...(run.senders ?? []), ...senders])].sort() } : run;

function stateOf(run: Run): RunState {
  if (run.ended) return run.ended.state;
  if (run.undo) return 'undoing';
  const steps = Object.values(run.steps);
  if (steps.length === 0 || steps.some(isUnderWay)) return run.state === 'pending' ? 'pending' : 'running';
  return steps.some(isWaiting) ? 'waiting' : 'running';
}
/** Somebody other than people and time owes an answer. */
const isUnderWay = (step: StepRun): boolean =>
  step.state === 'intended' ||
  (step.state === 'ready' && step.waitsFor === 'plan') ||
  (step.state === 'indeterminate' && step.checking) ||
  (step.state === 'open' && step.waitsFor === 'run');
const isWaiting = ({ state }: StepRun): boolean =>
  state === 'ready' || state === 'held' || state === 'indeterminate' || state === 'open';

const mapSteps = (steps: Run['steps'], change: (step: StepRun) => StepRun): Run['steps'] =>
  Object.fromEntries(Object.values(steps).map((step) => [step.id, change(step)])) as Readonly<
    Record<StepRunId, StepRun>
  >;
