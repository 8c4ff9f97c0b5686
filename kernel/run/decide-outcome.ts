import { partsOfStepRun } from '../base/id.ts';
import { after, durationMs } from '../base/time.ts';
import type { ActionStep } from '../playbook/graph.ts';
import { askPlan, judge } from './action.ts';
import { type CutOffBy, cutOffReason } from './cut-off.ts';
import type { CheckResult, Outcome, PlanResult } from './decision.ts';
import {
  asOnce,
  backoff,
  isRetriable,
  jitterOf,
  mayRepeat,
  planRetryPolicy,
  type RetryPolicy,
  retryPolicy,
} from './retry.ts';
import { keyOf } from './scope.ts';
import type { StepError, StepRun, TryOp } from './state.ts';
import { endTry, stopped } from './stop.ts';
import { fail, goOn, park, type Step, stop, type Turn } from './turn.ts';

/** The plan of a step arrived: it is judged before anyone is asked to approve it. */
export function decidePlanned(turn: Turn, step: ActionStep, run: StepRun, result: PlanResult): Step {
  if (result.kind === 'failed') return retryOrFail(turn, step, run, 'plan', result.error, 0);
  turn.emit({ kind: 'step-planned', step: run.id, plan: result.plan });
  return judge(turn, step, run.id, run.parameters, result.plan);
}

/** A call of `execute` ended. */
export function decideOutcome(turn: Turn, step: ActionStep, run: StepRun, answered: Outcome): Step {
  const { id, attempt } = run;
  const action = turn.facts.action(step.plugin, step.action);
  const outcome = action && mayRepeat(action) ? answered : asOnce(answered);
  switch (outcome.kind) {
    case 'succeeded':
      turn.emit({ kind: 'step-succeeded', step: id, attempt, output: outcome.output });
      return goOn(step, partsOfStepRun(id).items, step.next);
    case 'failed':
      return retryOrFail(turn, step, run, 'execute', outcome.error, outcome.retryAfterMs ?? 0);
    case 'indeterminate':
      turn.emit({ kind: 'step-indeterminate', step: id, attempt, reason: outcome.reason });
      return settleByRule(turn, step, run);
  }
}

/**
 * A call was cut off by an end of the kernel or by a stop. That says nothing of the target, which the retry budget is there to spare:
 * where a repeat is safe it is made, however many there were. But it may be this very call that ends the kernel, so the
 * wait doubles without a cap of its own: the run's deadline (R8) leaves room for about a dozen, and a run that only
 * happened to be under way waits for about as long as the trouble lasted.
 */
export function decideCutOff(turn: Turn, step: ActionStep, run: StepRun, by: CutOffBy): Step {
  const why = cutOffReason(by);
  const op = run.state === 'intended' ? 'execute' : 'plan';
  const policy = policyOf(turn, step, op);
  const isUnknown = run.state === 'intended' && run.mayHaveActed;
  const action = turn.facts.action(step.plugin, step.action);
  if (run.state === 'intended') endTry(turn, run, why);
  const isSafe = !isUnknown || (action && mayRepeat(action));
  if (policy && isSafe) return scheduleRetry(turn, run, op, policy, true, 0);
  if (isUnknown) return policy && checks(turn, step) ? scheduleRetry(turn, run, 'check', policy, true, 0) : undefined;
  const error = stopped(why);
  if (op === 'plan') turn.emit({ kind: 'step-failed', step: run.id, attempt: 0, error });
  return fail(step, run.id, error, op === 'plan' ? 'plan-failed' : 'step-failed');
}

function retryOrFail(
  turn: Turn,
  step: ActionStep,
  run: StepRun,
  op: 'plan' | 'execute',
  error: StepError,
  notBeforeMs: number,
): Step {
  const policy = policyOf(turn, step, op);
  // Attempt 0: a plan is no try of the action.
  turn.emit({ kind: 'step-failed', step: run.id, attempt: op === 'plan' ? 0 : run.attempt, error });
  if (policy && isRetriable(policy, error.class) && run.spent + 1 < policy.attempts)
    return scheduleRetry(turn, run, op, policy, false, notBeforeMs);
  if (error.class === 'refused_by_policy') return stop('aborted', 'refused-by-policy', { at: run.id, error });
  return fail(step, run.id, error, op === 'plan' ? 'plan-failed' : 'step-failed');
}

/**
 * The rule for an unknown outcome: the same key again where a repeat is safe and the budget allows it; where the action
 * can find out, it is asked before anything is repeated; otherwise the step stays indeterminate and a person settles it.
 * The run's deadline bounds the wait (R8).
 */
function settleByRule(turn: Turn, step: ActionStep, run: StepRun): Step {
  const action = turn.facts.action(step.plugin, step.action);
  const policy = policyOf(turn, step, 'execute');
  if (!action || !policy) return undefined;
  if (mayRepeat(action) && run.spent + 1 < policy.attempts)
    return scheduleRetry(turn, run, 'execute', policy, false, 0);
  // Not at once: an effect may take its time to be seen.
  return checks(turn, step) ? scheduleRetry(turn, run, 'check', policy, false, 0) : undefined;
}

const checks = (turn: Turn, { plugin, action }: ActionStep): boolean =>
  turn.facts.action(plugin, action)?.idempotent === 'check';

/** Asks the action whether its last try happened. It changes nothing, like a plan. */
function askCheck(turn: Turn, run: StepRun): Step {
  const { id, attempt, parameters, plan } = run;
  if (!turn.maySend()) return park(turn, id, parameters, 'check');
  turn.emit({ kind: 'step-checking', step: id, attempt });
  const key = keyOf(turn.run(), id);
  turn.ask({
    kind: 'call',
    op: 'check',
    step: id,
    attempt,
    parameters,
    plan,
    output: null,
    key,
    recordsLeaving: false,
  });
  return undefined;
}

/** The action says whether an unknown try happened. What did not happen is tried again at once, within the budget. */
export function decideChecked(turn: Turn, step: ActionStep, run: StepRun, result: CheckResult): Step {
  const { id, attempt } = run;
  const policy = policyOf(turn, step, 'execute');
  const mayTryMore = policy !== undefined && run.spent < policy.attempts;
  if (result.kind === 'failed') {
    turn.emit({ kind: 'step-check-failed', step: id, attempt, error: result.error });
    if (!mayTryMore || !isRetriable(policy, result.error.class)) return undefined;
    return scheduleRetry(turn, run, 'check', policy, false, 0);
  }
  if (result.kind === 'done') {
    turn.emit({ kind: 'step-checked', step: id, attempt, outcome: 'succeeded', output: result.output });
    return goOn(step, partsOfStepRun(id).items, step.next);
  }
  turn.emit({ kind: 'step-checked', step: id, attempt, outcome: 'failed', output: null });
  if (mayTryMore) return judge(turn, step, id, run.parameters, run.plan);
  return fail(step, id, { class: 'upstream_error', message: 'it did not happen' }, 'step-failed');
}

/** A try that was due, or that had to wait for the end of a stop or of a pause. */
export function tryAgain(
  turn: Turn,
  step: ActionStep,
  run: Exclude<Extract<StepRun, { state: 'ready' }>, { waitsFor: 'claim' }>,
): Step {
  return tryNow(turn, step, run, run.waitsFor === 'plan' ? 'plan' : run.op);
}

export function tryNow(turn: Turn, step: ActionStep, run: StepRun, op: TryOp): Step {
  const { id, parameters, plan } = run;
  if (op === 'plan') return askPlan(turn, id, parameters);
  return op === 'check' ? askCheck(turn, run) : judge(turn, step, id, parameters, plan);
}

/** Undefined when the action is not installed any more: then nothing is tried again. */
function policyOf(turn: Turn, step: ActionStep, op: TryOp): RetryPolicy | undefined {
  const action = turn.facts.action(step.plugin, step.action);
  return action && (op === 'plan' ? planRetryPolicy(step) : retryPolicy(step, action));
}

/** @param run the step as it was while the try was under way. @param notBeforeMs what the target asked for. */
function scheduleRetry(
  turn: Turn,
  run: StepRun,
  op: TryOp,
  policy: RetryPolicy,
  cutOff: boolean,
  notBeforeMs: number,
): Step {
  const { now, graph } = turn.facts;
  const ended = run.spent + run.cutOffs + 1;
  const spread = jitterOf(`${turn.run().id}/${run.id}/${op}/${ended}`);
  const wait = cutOff
    ? backoff({ ...policy, most: graph.timeout }, run.cutOffs + 1, spread)
    : backoff(policy, run.spent + 1, spread);
  const retryAt = after(now, durationMs(Math.max(wait, notBeforeMs)));
  const attempt = op === 'plan' ? ended + 1 : run.attempt + 1;
  turn.emit({ kind: 'step-retry', step: run.id, attempt, retryAt, op, cutOff });
  return undefined;
}
