import { partsOfStepRun } from '../base/id.ts';
import { after, durationMs } from '../base/time.ts';
import type { ActionStep } from '../playbook/graph.ts';
import { judge } from './action.ts';
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
import type { StepError, StepRun } from './state.ts';
import { endTry, stopped } from './stop.ts';
import { fail, goOn, type Step, stop, type Turn } from './turn.ts';

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
 * A call was cut off by an end of the kernel. That says nothing of the target, which the retry budget is there to spare:
 * where a repeat is safe it is made, however many there were. But it may be this very call that ends the kernel, so the
 * wait doubles without a cap of its own: the run's deadline (R8) leaves room for about a dozen, and a run that only
 * happened to be under way waits for about as long as the trouble lasted.
 */
export function decideCutOff(turn: Turn, step: ActionStep, run: StepRun): Step {
  const op = run.state === 'intended' ? 'execute' : 'plan';
  const policy = policyOf(turn, step, op);
  const isUnknown = run.state === 'intended' && run.mayHaveActed;
  const action = turn.facts.action(step.plugin, step.action);
  if (run.state === 'intended') endTry(turn, run, 'restart');
  const isSafe = !isUnknown || (action && mayRepeat(action));
  if (policy && isSafe) return scheduleRetry(turn, run, op, policy, true, 0);
  if (isUnknown) return askCheck(turn, step, run);
  const error = stopped('restart');
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
  if (error.class === 'refused_by_policy') return stop('aborted', 'refused-by-policy');
  return fail(step, run.id, error, op === 'plan' ? 'plan-failed' : 'step-failed');
}

/**
 * The rule for an unknown outcome: the same key again where a repeat is safe and the budget allows it; where the action
 * can find out, it is asked; otherwise the step stays indeterminate and a person settles it. The run's deadline bounds
 * the wait (R8).
 */
function settleByRule(turn: Turn, step: ActionStep, run: StepRun): Step {
  const action = turn.facts.action(step.plugin, step.action);
  const policy = policyOf(turn, step, 'execute');
  if (action && policy && mayRepeat(action) && run.spent + 1 < policy.attempts)
    return scheduleRetry(turn, run, 'execute', policy, false, 0);
  return askCheck(turn, step, run);
}

/** Asks the action whether its last try happened, where it offers to say. It changes nothing, like a plan. */
function askCheck(turn: Turn, step: ActionStep, run: StepRun): Step {
  const action = turn.facts.action(step.plugin, step.action);
  if (action?.idempotent !== 'check' || turn.facts.stopped) return undefined;
  const { id, attempt, parameters, plan } = run;
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

/** The action says whether an unknown try happened. What did not happen may be tried again, within the budget. */
export function decideChecked(turn: Turn, step: ActionStep, run: StepRun, result: CheckResult): Step {
  const { id, attempt } = run;
  if (result.kind === 'failed') {
    // Nobody but a person can say: asking again and again would hold the run up just as well, and say less.
    turn.emit({ kind: 'step-check-failed', step: id, attempt, error: result.error });
    return undefined;
  }
  if (result.kind === 'done') {
    turn.emit({ kind: 'step-checked', step: id, attempt, outcome: 'succeeded', output: result.output });
    return goOn(step, partsOfStepRun(id).items, step.next);
  }
  turn.emit({ kind: 'step-checked', step: id, attempt, outcome: 'failed', output: null });
  const policy = policyOf(turn, step, 'execute');
  if (policy && run.spent + 1 < policy.attempts) return scheduleRetry(turn, run, 'execute', policy, false, 0);
  return fail(step, id, { class: 'upstream_error', message: 'it did not happen' }, 'step-failed');
}

/** Undefined when the action is not installed any more: then nothing is tried again. */
function policyOf(turn: Turn, step: ActionStep, op: 'plan' | 'execute'): RetryPolicy | undefined {
  const action = turn.facts.action(step.plugin, step.action);
  return action && (op === 'plan' ? planRetryPolicy(step) : retryPolicy(step, action));
}

/** @param run the step as it was while the try was under way. @param notBeforeMs what the target asked for. */
function scheduleRetry(
  turn: Turn,
  run: StepRun,
  op: 'plan' | 'execute',
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
