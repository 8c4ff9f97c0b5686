import type { Plan } from '../../sdk/contract/plugin.ts';
import { approvalSubject } from '../approval/approval.ts';
import { demandFor } from '../approval/matrix.ts';
import { digestOf } from '../base/digest.ts';
import type { ApprovalId, StepId } from '../base/id.ts';
import type { JsonObject } from '../base/json.ts';
import { isObject } from '../base/json.ts';
import { own } from '../base/own.ts';
import { after, type UnixMs, unixMs } from '../base/time.ts';
import type { ActionStep, BranchStep, UpdateStep } from '../playbook/graph.ts';
import { type BindFault, bind, type Scope } from '../playbook/reference.ts';
import { endRun } from './end.ts';
import { mayRepeat } from './retry.ts';
import type { Run } from './state.ts';
import type { Step, Turn } from './turn.ts';

/**
 * Forward motion: a step is reached, judged, held for approval or sent. Every path from `reach` to a `call` effect of
 * an action goes through `judge` and `intend`; there is no other (R1).
 */
export function reach(turn: Turn, id: StepId | null): Step {
  if (id === null) return endRun(turn, 'completed', 'completed');
  if (isOverdue(turn)) return endRun(turn, 'timed_out', 'run-timeout');
  const step = turn.facts.graph.steps.get(id);
  if (!step) return failStep(turn, id, 'the pinned playbook has no such step');
  switch (step.kind) {
    case 'update':
      return reachUpdate(turn, step);
    case 'branch':
      return reachBranch(turn, step);
    case 'action':
      return reachAction(turn, step);
  }
}

function reachUpdate(turn: Turn, step: UpdateStep): Step {
  const bound = bind({ incident: step.incident, note: step.set.note ?? '' }, scopeOf(turn.run()));
  if (!bound.ok) return failStep(turn, step.id, bindMessage(bound.error));
  const values = isObject(bound.value) ? bound.value : undefined;
  if (!values || typeof values.incident !== 'string' || !/^[\x21-\x7e]{1,256}$/.test(values.incident))
    return failStep(turn, step.id, 'the incident id must be 1-256 printable characters without spaces');
  const note = typeof values.note === 'string' && values.note !== '' ? values.note.slice(0, 1_000) : null;
  turn.emit({ kind: 'incident-updated', step: step.id, incident: values.incident, state: step.set.state, note });
  return reach(turn, step.next);
}

function reachBranch(turn: Turn, step: BranchStep): Step {
  const answer = turn.facts.branches.get(step.id);
  if (answer === undefined) return { kind: 'branch', step: step.id, run: turn.run() };
  // A predicate that could not be judged is no reason to go either way.
  if (answer === 'fault') return failStep(turn, step.id, 'the predicate could not be judged on this run');
  const to = answer === 'true' ? step.whenTrue : step.whenFalse;
  turn.emit({ kind: 'branch-taken', step: step.id, matched: answer === 'true', to });
  return reach(turn, to);
}

function reachAction(turn: Turn, step: ActionStep): Step {
  const action = turn.facts.action(step.plugin, step.action);
  if (!action) return failStep(turn, step.id, `${step.plugin}/${step.action} is not installed`);
  // The type decides tier and guardrails, so it is the action's to say what it may be called (lint asks the same).
  if (!action.types.includes(step.type))
    return failStep(turn, step.id, `${step.plugin}/${step.action} may not be used as ${step.type}`);
  const bound = bind(step.with, scopeOf(turn.run()));
  if (!bound.ok) return failStep(turn, step.id, bindMessage(bound.error));
  const parameters = bound.value as JsonObject;
  const fault = action.checkInput(parameters);
  if (fault) return failStep(turn, step.id, fault);
  if (!action.plans) return judge(turn, step, parameters, null);
  return askPlan(turn, step, parameters);
}

/** A plan changes nothing, so it needs no verdict, no approval and no intent, and may be asked for again. */
export function askPlan(turn: Turn, step: ActionStep, parameters: JsonObject): Step {
  turn.emit({ kind: 'step-ready', step: step.id, parameters });
  const run = turn.run();
  const { spent = 0, cutOffs = 0 } = own(run.steps, step.id) ?? {};
  turn.ask({
    kind: 'call',
    op: 'plan',
    step: step.id,
    attempt: spent + cutOffs + 1,
    parameters,
    plan: null,
    key: keyOf(run, step.id),
    recordsLeaving: false,
  });
  return undefined;
}

/** Guardrails on the action, its parameters and its plan; then the tier's demand. Deny wins, silence is deny. */
export function judge(turn: Turn, step: ActionStep, parameters: JsonObject, plan: Plan | null): Step {
  if (isOverdue(turn)) return endRun(turn, 'timed_out', 'run-timeout');
  const verdict = turn.facts.verdicts.get(step.id);
  if (!verdict) return { kind: 'verdict', step: step.id, parameters, plan, run: turn.run() };
  if (verdict.kind === 'deny') {
    turn.emit({ kind: 'guardrail-blocked', step: step.id, rule: verdict.by, text: verdict.text });
    // Attempt 0: no try is being ended; the last one, if there was one, has its own end on record.
    turn.emit({
      kind: 'step-failed',
      step: step.id,
      attempt: 0,
      error: { class: 'refused_by_policy', message: `guardrail ${verdict.by}` },
    });
    return endRun(turn, 'aborted', 'guardrail');
  }
  const demand = demandFor(turn.facts.matrix, step.tier, verdict.kind === 'hold');
  if (demand.needed === 0) return intend(turn, step, parameters, plan, verdict.by);
  const grant = turn.facts.grant(step.plugin);
  const subject = approvalSubject(`${step.plugin}/${step.action}`, parameters, plan, grant);
  const run = turn.run();
  const asked = own(run.steps, step.id)?.approval;
  const approval = asked ? own(run.approvals, asked) : undefined;
  if (approval?.state === 'approved' && approval.subject === subject)
    return intend(turn, step, parameters, plan, verdict.by);
  const expires = Math.min(after(turn.facts.now, demand.expiresIn), run.deadlineAt);
  turn.emit({
    kind: 'step-held',
    step: step.id,
    parameters,
    approval: approvalIdOf(run, step.id, turn.facts.now),
    subject,
    tier: step.tier,
    needed: demand.needed,
    role: demand.role,
    expiresAt: unixMs(expires),
    verdict: verdict.by,
  });
  return undefined;
}

/** The timer may come later than the instant it is for; nothing sets out in between. */
const isOverdue = (turn: Turn): boolean => turn.facts.now >= turn.run().deadlineAt;

/**
 * Point of no return: once this event is durable the effect leaves. Where a repeat is safe, that is all a restart has to
 * know. Where it is not, a person has to settle what is unknown, so the call says in addition when it really leaves: one
 * that still waited for a cell, or had only read, is then known to have done nothing.
 */
function intend(turn: Turn, step: ActionStep, parameters: JsonObject, plan: Plan | null, verdict: string): Step {
  const attempt = (own(turn.run().steps, step.id)?.attempt ?? 0) + 1;
  const key = keyOf(turn.run(), step.id);
  const uses = `${step.plugin}/${step.action}`;
  const action = turn.facts.action(step.plugin, step.action);
  // An action that is not known is one that may change something.
  const effect = action?.effect ?? 'write';
  const recordsLeaving = !action || !mayRepeat(action);
  turn.emit({ kind: 'step-intended', step: step.id, attempt, uses, effect, parameters, key, verdict, recordsLeaving });
  turn.ask({ kind: 'call', op: 'execute', step: step.id, attempt, parameters, plan, key, recordsLeaving });
  return undefined;
}

const bindMessage = (fault: BindFault): string =>
  fault.kind === 'missing' ? `{{ ${fault.reference} }} has no value in this run` : 'the bound parameters are too large';

/** A step that cannot even be tried: its definition and this run do not fit together. */
function failStep(turn: Turn, id: StepId, message: string): Step {
  turn.emit({ kind: 'step-failed', step: id, attempt: 0, error: { class: 'invalid_input', message } });
  return endRun(turn, 'failed', 'step-failed');
}

/**
 * Idempotency key: the same for every attempt of a step, different for every step of every run of every org.
 * Derived, not drawn, so that it survives any crash.
 */
const keyOf = (run: Pick<Run, 'org' | 'id'>, step: StepId): string =>
  `ilk-${digestOf(`interlock/idempotency/v1\0${run.org}\0${run.id}\0${step}\u00000`).slice(7, 47)}`;

/** Derived like the key: a decision draws nothing at random, so it can be made again. Sorts by the time of asking. */
const approvalIdOf = (run: Pick<Run, 'org' | 'id'>, step: StepId, now: UnixMs): ApprovalId => {
  const name = digestOf(`interlock/approval/v1\0${run.org}\0${run.id}\0${step}\0${now}`);
  return `apr_${now.toString(16).padStart(12, '0')}${name.slice(7, 27)}` as ApprovalId;
};

/** What references may see: the run's inputs, and the outputs of steps that succeeded. */
export function scopeOf(run: Run): Scope {
  const done = Object.values(run.steps).filter((step) => step.state === 'succeeded');
  return { inputs: run.inputs, steps: Object.fromEntries(done.map((step) => [step.id, step.output])) };
}
