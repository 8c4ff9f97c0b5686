import type { Plan } from '../../sdk/contract/plugin.ts';
import { approvalSubject } from '../approval/approval.ts';
import { demandFor } from '../approval/matrix.ts';
import type { ApprovalId } from '../base/id.ts';
import { type StepRunId, stepRunId } from '../base/id.ts';
import type { JsonObject } from '../base/json.ts';
import { own } from '../base/own.ts';
import { after, unixMs } from '../base/time.ts';
import type { ActionStep } from '../playbook/graph.ts';
import { bindAt, failDefined } from './bind.ts';
import { actOnce } from './dedup.ts';
import { keepDone } from './keep.ts';
import { mayRepeat } from './retry.ts';
import { idAt, keyOf } from './scope.ts';
import type { StepError } from './state.ts';
import { goOn, park, type Step, stop, type Turn } from './turn.ts';

/** An action is reached, planned, judged, held for approval, sent. */
export function reachAction(turn: Turn, step: ActionStep, items: readonly number[]): Step {
  const at = stepRunId(step.id, items);
  const action = turn.facts.action(step.plugin, step.action);
  if (!action) return failDefined(turn, step, at, `${step.plugin}/${step.action} is not installed`);
  // The type decides tier and guardrails, so it is the action's to say what it may be called (lint asks the same).
  if (!action.types.includes(step.type))
    return failDefined(turn, step, at, `${step.plugin}/${step.action} may not be used as ${step.type}`);
  const parameters = bindAt(turn, step, items, step.with);
  if (typeof parameters === 'string') return failDefined(turn, step, at, parameters);
  const fault = action.checkInput(parameters);
  if (fault) return failDefined(turn, step, at, fault);
  if (keepDone(turn, at, `${step.plugin}/${step.action}`, parameters)) return goOn(step, items, step.next);
  return begin(turn, step, at, parameters);
}

/** A step that is bound begins, or waits for one that does the same. */
export const begin = (turn: Turn, step: ActionStep, at: StepRunId, parameters: JsonObject): Step =>
  actOnce(turn, step, at, parameters, () =>
    turn.facts.action(step.plugin, step.action)?.plans
      ? askPlan(turn, at, parameters)
      : judge(turn, step, at, parameters, null),
  );

/** A plan changes nothing, so it needs no verdict, no approval and no intent, and may be asked for again. */
export function askPlan(turn: Turn, at: StepRunId, parameters: JsonObject): Step {
  if (!turn.maySend()) return park(turn, at, parameters, 'plan');
  turn.emit({ kind: 'step-ready', step: at, parameters });
  const run = turn.run();
  const { spent = 0, cutOffs = 0 } = own(run.steps, at) ?? {};
  turn.ask({
    kind: 'call',
    op: 'plan',
    step: at,
    attempt: spent + cutOffs + 1,
    parameters,
    plan: null,
    output: null,
    key: keyOf(run, at),
    recordsLeaving: false,
  });
  return undefined;
}

/** Guardrails on the action, its parameters and its plan; then the tier's demand. Deny wins, silence is deny. */
export function judge(turn: Turn, step: ActionStep, at: StepRunId, parameters: JsonObject, plan: Plan | null): Step {
  if (turn.isOverdue()) return stop('timed_out', 'run-timeout');
  const verdict = turn.facts.verdicts.get(at);
  if (!verdict) return { kind: 'verdict', step: at, parameters, plan, run: turn.run() };
  if (verdict.kind === 'deny') {
    turn.emit({ kind: 'guardrail-blocked', step: at, rule: verdict.by, text: verdict.text });
    // Attempt 0: no try is being ended; the last one, if there was one, has its own end on record.
    const error: StepError = { class: 'refused_by_policy', message: `guardrail ${verdict.by}` };
    turn.emit({ kind: 'step-failed', step: at, attempt: 0, error });
    // The whole run, whatever else it does at the time, and whatever its author says of failures (S 5.4).
    return stop('aborted', 'guardrail', { at, error });
  }
  const demand = demandFor(turn.facts.matrix, step.tier, verdict.kind === 'hold');
  if (demand.needed === 0) return send(turn, step, at, parameters, plan, verdict.by);
  const grant = turn.facts.grant(step.plugin);
  const subject = approvalSubject(`${step.plugin}/${step.action}`, parameters, plan, grant);
  const run = turn.run();
  const asked = own(run.steps, at)?.approval;
  const approval = asked ? own(run.approvals, asked) : undefined;
  if (approval?.state === 'approved' && approval.subject === subject)
    return send(turn, step, at, parameters, plan, verdict.by);
  const expires = Math.min(after(turn.facts.now, demand.expiresIn), run.deadlineAt);
  turn.emit({
    kind: 'step-held',
    step: at,
    parameters,
    approval: idAt('apr', run, at, turn.facts.now) as ApprovalId,
    subject,
    tier: step.tier,
    needed: demand.needed,
    role: demand.role,
    expiresAt: unixMs(expires),
    verdict: verdict.by,
  });
  return undefined;
}

/**
 * Point of no return: once `step-intended` is durable the effect leaves. Where a repeat is safe, that is all a restart
 * has to know. Where it is not, a person has to settle what is unknown, so the call says in addition when it really
 * leaves: one that still waited for a cell, or had only read, is then known to have done nothing.
 */
function send(
  turn: Turn,
  step: ActionStep,
  at: StepRunId,
  parameters: JsonObject,
  plan: Plan | null,
  verdict: string,
): Step {
  if (!turn.maySend()) return park(turn, at, parameters, 'execute');
  const attempt = (own(turn.run().steps, at)?.attempt ?? 0) + 1;
  const key = keyOf(turn.run(), at);
  const uses = `${step.plugin}/${step.action}`;
  const action = turn.facts.action(step.plugin, step.action);
  // An action that is not known is one that may change something.
  const effect = action?.effect ?? 'write';
  const recordsLeaving = !action || !mayRepeat(action);
  turn.emit({ kind: 'step-intended', step: at, attempt, uses, effect, parameters, key, verdict, recordsLeaving });
  turn.ask({ kind: 'call', op: 'execute', step: at, attempt, parameters, plan, output: null, key, recordsLeaving });
  return undefined;
}
