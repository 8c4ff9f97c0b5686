import { approvalSubject } from '../../kernel/approval/approval.ts';
import { demandFor } from '../../kernel/approval/matrix.ts';
import { digestOfJson } from '../../kernel/base/digest.ts';
import { partsOfStepRun, type StepRunId } from '../../kernel/base/id.ts';
import type { Json, JsonObject } from '../../kernel/base/json.ts';
import type { PolicySet } from '../../kernel/flow/registry.ts';
import { judgeAction } from '../../kernel/guardrail/verdict.ts';
import type { Run, StepRun } from '../../kernel/run/state.ts';
import type { Message } from './cells.ts';
import { honoursKey, MANIFEST } from './orgs.ts';
import type { Bare } from './world.ts';

/**
 * R1, at the moment when a request is handed to the network: what is on the disk allows exactly this. Everything is judged
 * anew, from the stored events and the pinned policies, by what the request itself says it is.
 *
 * @param key the idempotency key of the request; null when it changes nothing.
 */
export async function checkLeaving(world: Bare, message: Message, key: string | null): Promise<void> {
  const { watch, trace, disk } = world;
  const { attempt, op, action, parameters, plan } = message;
  const fail = (text: string) =>
    world.fail('R1', `${trace.name(message.run)} ${message.step} ${op} #${attempt}: ${text}`);
  const run = watch.run(message.run);
  if (!run) return fail('a request leaves for a run that is not on the disk');
  const step = watch.graphOf(run).steps.get(partsOfStepRun(message.step as StepRunId).step);
  const state = run.steps[message.step as StepRunId];
  const declared = MANIFEST.actions[action];
  if (step?.kind !== 'action' || !declared) return fail('a request leaves for a step that calls nothing');
  if (op === 'plan') {
    if (key !== null) return fail('a plan changes something');
    if (state?.state !== 'ready' && !run.ended) return fail(`a plan is asked for that is ${state?.state}`);
    return;
  }
  if (op === 'check') {
    if (key !== null) return fail('a check changes something');
    if (state?.state !== 'indeterminate' && !run.ended) return fail(`a check is asked for that is ${state?.state}`);
    return;
  }
  if (op === 'rollback') return checkUndoing(run, state, message, fail);
  // What stops a call may be on its way to it, and until it has arrived more may leave: the record must say then that
  // nobody knows what was done.
  const isBeingStopped = watch.isAhead(run.id) && (key === null || state?.state === 'indeterminate');
  if (isBeingStopped || (run.ended && key === null)) return;
  if (state?.state !== 'intended' || state.attempt !== attempt)
    return fail(
      `what leaves is not intended on the disk: the step is ${state?.state} #${state?.attempt}, the run ${run.state}`,
    );
  if (key !== null && !honoursKey(action) && !state.mayHaveActed)
    return fail('it leaves before its leaving is on the disk');
  if (JSON.stringify(state.parameters) !== JSON.stringify(parameters)) return fail('it leaves with other parameters');

  const policy = JSON.parse(disk.get(`${run.org}/policy/${run.policy.slice(7)}`) ?? 'null') as PolicySet;
  const { plugin, type, tier } = step;
  const grant = world.egressOf(run.org).grants.find((one) => one.plugin === plugin);
  const subject = approvalSubject(
    `${plugin}/${action}`,
    parameters as JsonObject,
    plan,
    digestOfJson('egress-grant', (grant ?? null) as unknown as Json),
  );
  const approval = state.approval ? run.approvals[state.approval] : undefined;
  const verdict = await judgeAction(policy.guardrails, {
    org: run.org,
    action: { plugin, name: action, type, tier, effect: declared.effect, granted: grant !== undefined },
    params: parameters as JsonObject,
    plan,
    run: { playbook: run.playbook.name, trigger: run.trigger, requester: run.requester },
  });
  if (verdict.kind === 'deny') return fail(`the guardrail ${verdict.by} denies what leaves`);
  const { needed } = demandFor(policy.matrix, tier, verdict.kind === 'hold');
  if (needed === 0) return;
  if (approval?.state !== 'approved') return fail(`it leaves with an approval that is ${approval?.state}`);
  if (approval.subject !== subject) return fail('it leaves with an approval of something else');
  if (new Set(approval.votes.map(({ by }) => by)).size < needed)
    return fail(`it leaves with ${approval.votes.length} votes`);
}

/** Undoing rests on the verdict and the approval of what it undoes, so it must be exactly that which was done. */
function checkUndoing(
  run: Run,
  state: StepRun | undefined,
  { attempt, action, parameters, plan }: Message,
  fail: (text: string) => void,
): void {
  const undo = state?.undo;
  if (run.ended || !run.undo) fail(`something is undone, and the run is ${run.state}`);
  else if (state?.state !== 'succeeded' || undo?.state !== 'intended' || undo.attempts.length !== attempt)
    fail(`undoing it is not intended on the disk: the step is ${state?.state}, its undoing ${undo?.state}`);
  else if (!honoursKey(action) && !undo.mayHaveActed) fail('undoing it leaves before its leaving is on the disk');
  else if (JSON.stringify([state.parameters, state.plan]) !== JSON.stringify([parameters, plan]))
    fail('what is undone is not what was done');
}
