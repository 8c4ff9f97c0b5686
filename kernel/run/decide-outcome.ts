import { after } from '../base/time.ts';
import type { ActionStep } from '../playbook/graph.ts';
import { judge, reach } from './advance.ts';
import type { Outcome, PlanResult } from './decision.ts';
import { endRun } from './end.ts';
import {
  backoff,
  isRefusal,
  isTransient,
  jitterOf,
  mayRepeat,
  planRetryPolicy,
  type RetryPolicy,
  retryPolicy,
} from './retry.ts';
import type { StepError, StepRun } from './state.ts';
import type { Step, Turn } from './turn.ts';

/** The plan of a step arrived: it is judged before anyone is asked to approve it. */
export function decidePlanned(turn: Turn, step: ActionStep, run: StepRun, result: PlanResult): Step {
  if (result.kind === 'failed') return retryOrFail(turn, step, run, 'plan', result.error);
  turn.emit({ kind: 'step-planned', step: step.id, plan: result.plan });
  return judge(turn, step, run.parameters, result.plan);
}

/** A call of `execute` ended. */
export function decideOutcome(turn: Turn, step: ActionStep, run: StepRun, answered: Outcome): Step {
  const { attempt } = run;
  const action = turn.facts.action(step.plugin, step.action);
  const outcome = action && mayRepeat(action) ? answered : asOnce(answered);
  switch (outcome.kind) {
    case 'succeeded':
      turn.emit({ kind: 'step-succeeded', step: step.id, attempt, output: outcome.output });
      return reach(turn, step.next);
    case 'failed':
      return retryOrFail(turn, step, run, 'execute', outcome.error);
    case 'indeterminate':
      turn.emit({ kind: 'step-indeterminate', step: step.id, attempt, reason: outcome.reason });
      return settleByRule(turn, step, run);
  }
}

/**
 * The end of what may not be repeated, once a request of it has left. A gateway may give up on what is done all the same,
 * and a plugin may fail after what it did: only an answer that refuses is a failure, and only what was answered can be a
 * success. All else is for a person to settle, and so nothing is sent again.
 */
function asOnce(outcome: Outcome): Outcome {
  if (outcome.kind === 'succeeded' && outcome.left === 'uncertain')
    return { kind: 'indeterminate', reason: 'unknown-after-no-answer' };
  if (outcome.kind === 'failed' && outcome.left && !isRefusal(outcome.error.class))
    return { kind: 'indeterminate', reason: `unknown-after-${outcome.error.class}` };
  return outcome;
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
  if (policy && isSafe) return scheduleRetry(turn, step, run, op, policy, true);
  // Unknown: a person settles it.
  if (isUnknown) return undefined;
  if (op === 'plan') turn.emit({ kind: 'step-failed', step: step.id, attempt: 0, error: stopped('restart') });
  return endRun(turn, 'failed', op === 'plan' ? 'plan-failed' : 'step-failed');
}

/** A try ends without an answer: unknown where something may have changed, failed where nothing can have. */
export function endTry(turn: Turn, run: Extract<StepRun, { state: 'intended' }>, reason: string): void {
  const { id: step, attempt } = run;
  if (run.mayHaveActed) turn.emit({ kind: 'step-indeterminate', step, attempt, reason });
  else turn.emit({ kind: 'step-failed', step, attempt, error: stopped(reason) });
}

const stopped = (reason: string): StepError => ({
  class: 'unavailable',
  message: `stopped before it changed anything: ${reason}`,
});

function retryOrFail(turn: Turn, step: ActionStep, run: StepRun, op: 'plan' | 'execute', error: StepError): Step {
  const policy = policyOf(turn, step, op);
  // Attempt 0: a plan is no try of the action.
  turn.emit({ kind: 'step-failed', step: step.id, attempt: op === 'plan' ? 0 : run.attempt, error });
  if (policy && isTransient(error.class) && run.spent + 1 < policy.attempts)
    return scheduleRetry(turn, step, run, op, policy, false);
  if (error.class === 'refused_by_policy') return endRun(turn, 'aborted', 'refused-by-policy');
  return endRun(turn, 'failed', op === 'plan' ? 'plan-failed' : 'step-failed');
}

/**
 * The rule for an unknown outcome: the same key again where a repeat is safe and the budget allows it; otherwise the
 * step stays indeterminate and a person settles it. The run's deadline bounds the wait (R8).
 */
function settleByRule(turn: Turn, step: ActionStep, run: StepRun): Step {
  const action = turn.facts.action(step.plugin, step.action);
  const policy = policyOf(turn, step, 'execute');
  if (action && policy && mayRepeat(action) && run.spent + 1 < policy.attempts)
    return scheduleRetry(turn, step, run, 'execute', policy, false);
  return undefined;
}

/** Undefined when the action is not installed any more: then nothing is tried again. */
function policyOf(turn: Turn, step: ActionStep, op: 'plan' | 'execute'): RetryPolicy | undefined {
  const action = turn.facts.action(step.plugin, step.action);
  return action && (op === 'plan' ? planRetryPolicy(step) : retryPolicy(step, action));
}

/** @param run the step as it was while the try was under way. */
function scheduleRetry(
  turn: Turn,
  step: ActionStep,
  run: StepRun,
  op: 'plan' | 'execute',
  policy: RetryPolicy,
  cutOff: boolean,
): Step {
  const { now, graph } = turn.facts;
  const ended = run.spent + run.cutOffs + 1;
  const spread = jitterOf(`${turn.run().id}/${step.id}/${op}/${ended}`);
  const wait = cutOff
    ? backoff({ ...policy, most: graph.timeout }, run.cutOffs + 1, spread)
    : backoff(policy, run.spent + 1, spread);
  const retryAt = after(now, wait);
  const attempt = op === 'plan' ? ended + 1 : run.attempt + 1;
  turn.emit({ kind: 'step-retry', step: step.id, attempt, retryAt, op, cutOff });
  return undefined;
}
