import { after } from '../base/time.ts';
import type { ActionStep } from '../playbook/graph.ts';
import { judge, reach } from './advance.ts';
import type { Outcome, PlanResult } from './decision.ts';
import { endRun } from './end.ts';
import { backoff, isTransient, jitterOf, mayRepeat, type RetryPolicy, retryPolicy } from './retry.ts';
import type { StepError, StepRun } from './state.ts';
import type { Step, Turn } from './turn.ts';

/** The plan of a step arrived: it is judged before anyone is asked to approve it. */
export function decidePlanned(turn: Turn, step: ActionStep, run: StepRun, result: PlanResult): Step {
  if (result.kind === 'planned') {
    turn.emit({ kind: 'step-planned', step: step.id, plan: result.plan });
    return judge(turn, step, run.parameters, result.plan);
  }
  turn.emit({ kind: 'step-failed', step: step.id, attempt: 0, error: result.error });
  return endRun(turn, 'failed', 'plan-failed');
}

/** A call of `execute` ended. */
export function decideOutcome(turn: Turn, step: ActionStep, attempt: number, outcome: Outcome): Step {
  switch (outcome.kind) {
    case 'succeeded':
      turn.emit({ kind: 'step-succeeded', step: step.id, attempt, output: outcome.output });
      return reach(turn, step.next);
    case 'failed':
      return retryOrFail(turn, step, attempt, outcome.error);
    case 'indeterminate':
      turn.emit({ kind: 'step-indeterminate', step: step.id, attempt, reason: outcome.reason });
      return settleByRule(turn, step, attempt);
  }
}

/**
 * A call was cut off by a restart of the kernel. That says nothing of the target, which the budget of attempts is there
 * to spare: where a repeat is safe it is made, however many there were. The run's deadline bounds it (R8).
 */
export function decideCutOff(turn: Turn, step: ActionStep, attempt: number): Step {
  turn.emit({ kind: 'step-indeterminate', step: step.id, attempt, reason: 'restart' });
  const action = turn.facts.action(step.plugin, step.action);
  return action && mayRepeat(action) ? scheduleRetry(turn, step, attempt, retryPolicy(step, action)) : undefined;
}

function retryOrFail(turn: Turn, step: ActionStep, attempt: number, error: StepError): Step {
  const action = turn.facts.action(step.plugin, step.action);
  const policy = action && retryPolicy(step, action);
  turn.emit({ kind: 'step-failed', step: step.id, attempt, error });
  if (policy && isTransient(error.class) && attempt < policy.attempts)
    return scheduleRetry(turn, step, attempt, policy);
  return error.class === 'refused_by_policy'
    ? endRun(turn, 'aborted', 'refused-by-policy')
    : endRun(turn, 'failed', 'step-failed');
}

/**
 * The rule for an unknown outcome: the same key again where a repeat is safe and the budget allows it; otherwise the
 * step stays indeterminate and a person settles it. The run's deadline bounds the wait (R8).
 */
function settleByRule(turn: Turn, step: ActionStep, attempt: number): Step {
  const action = turn.facts.action(step.plugin, step.action);
  const policy = action && retryPolicy(step, action);
  if (action && policy && mayRepeat(action) && attempt < policy.attempts)
    return scheduleRetry(turn, step, attempt, policy);
  return undefined;
}

function scheduleRetry(turn: Turn, step: ActionStep, ended: number, policy: RetryPolicy): Step {
  const run = turn.run();
  const spread = jitterOf(`${run.id}/${step.id}/${ended}`);
  const retryAt = after(turn.facts.now, backoff(policy, ended, spread));
  turn.emit({ kind: 'step-retry', step: step.id, attempt: ended + 1, retryAt });
  return undefined;
}
