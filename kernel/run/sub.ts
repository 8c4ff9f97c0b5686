import { partsOfStepRun, type StepRunId, stepRunId } from '../base/id.ts';
import type { JsonObject } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';
import { own } from '../base/own.ts';
import type { SubPlaybookStep } from '../playbook/graph.ts';
import { bindAt, failDefined } from './bind.ts';
import type { Input } from './decision.ts';
import { childToKeep, keepDone, usesOfSub } from './keep.ts';
import { childIdOf } from './scope.ts';
import type { Run } from './state.ts';
import { fail, goOn, park, type Step, type Turn } from './turn.ts';

/** A step that starts a run of another playbook, of the version that was pinned when the outermost run began. */
export function reachSubPlaybook(turn: Turn, step: SubPlaybookStep, items: readonly number[]): Step {
  const at = stepRunId(step.id, items);
  const run = turn.run();
  const digest = own(run.playbooks, step.playbook);
  if (!digest) return failDefined(turn, step, at, `the playbook ${step.playbook} was not active when the run began`);
  if (depthOf(run) >= LIMITS.subRunDepth.value)
    return failDefined(turn, step, at, `runs that start runs are at most ${LIMITS.subRunDepth.value} deep`);
  const inputs = bindAt(turn, step, items, step.with);
  if (typeof inputs === 'string') return failDefined(turn, step, at, inputs);
  if (keepDone(turn, at, usesOfSub(step), inputs)) return goOn(step, items, step.next);
  return turn.maySend() ? startChild(turn, step, at, inputs) : park(turn, at, inputs, 'execute');
}

export function startChild(turn: Turn, step: SubPlaybookStep, at: StepRunId, inputs: JsonObject): Step {
  const child = childIdOf(turn.run(), at, turn.facts.now);
  const keeps = childToKeep(turn, at, step);
  const open = {
    waitsFor: 'run',
    child,
    ...(keeps !== undefined && { keeps }),
    ...(step.detached && ({ detached: true } as const)),
  } as const;
  turn.emit({ kind: 'step-opened', step: at, parameters: inputs, open });
  const effect = startRunOf(turn.run(), step, at);
  if (effect) turn.ask(effect);
  return undefined;
}

/** The effect that starts the child of an open step; the same each time, so it may be asked for again after a crash. */
export function startRunOf(run: Run, { playbook: name }: Pick<SubPlaybookStep, 'playbook'>, at: StepRunId) {
  const step = own(run.steps, at);
  const digest = own(run.playbooks, name);
  if (step?.state !== 'open' || step.waitsFor !== 'run' || !digest) return undefined;
  const { child, parameters: inputs, keeps, detached } = step;
  const of = { child, playbook: { name, digest }, inputs, ...(keeps !== undefined && { keeps }) };
  return { kind: 'start-run', step: at, ...of, ...(detached && { detached }) } as const;
}

/** How many runs have started one another by their steps, waited for or not, down to this one. */
export const depthOf = ({ parent, startedBy }: Pick<Run, 'parent' | 'startedBy'>): number =>
  (parent ?? startedBy)?.depth ?? 0;

/** The run of a detached step is on record: that is all that the step is for. */
export function leaveChild(
  turn: Turn,
  step: SubPlaybookStep,
  { step: at, child }: Extract<Input, { kind: 'child-started' }>,
): Step {
  turn.emit({ kind: 'step-succeeded', step: at, attempt: 0, output: { run: child } });
  return goOn(step, partsOfStepRun(at).items, step.next);
}

export function endChild(
  turn: Turn,
  step: SubPlaybookStep,
  { step: at, completed, reason, output, senders }: Extract<Input, { kind: 'child-ended' }>,
): Step {
  if (completed) {
    turn.emit({ kind: 'step-succeeded', step: at, attempt: 0, output, ...(senders && { senders }) });
    return goOn(step, partsOfStepRun(at).items, step.next);
  }
  const error = { class: 'upstream_error', message: `the run that it started ended: ${reason}` } as const;
  // Whoever told it something may have made it fail, and so has had a say all the same (R2).
  turn.emit({ kind: 'step-failed', step: at, attempt: 0, error, ...(senders && { senders }) });
  return fail(step, at, error, 'sub-run-failed');
}
