import { partsOfStepRun } from '../../kernel/base/id.ts';
import { openExport } from '../../kernel/flow/export.ts';
import type { Kernel } from '../../kernel/flow/kernel.ts';
import { closureOf } from '../../kernel/run/open-work.ts';
import type { Run } from '../../kernel/run/state.ts';
import { createVerifier } from '../../sdk/verify/verifier.ts';
import { BEHAVIOURS } from './orgs.ts';
import type { World } from './world.ts';

/** Troubles have ceased, and all time has passed. */
export function checkEnd(world: World, kernel: Kernel | undefined, checkSenders: () => void): void {
  const { fail, trace, watch, disk, deeds, orgs } = world;
  if (!kernel) {
    fail('R8', 'no kernel is up');
    return;
  }
  if (kernel.stats().inFlight > 0) fail('R8', `${kernel.stats().inFlight} calls are still under way`);
  for (const run of watch.runs()) {
    const name = trace.name(run.id);
    if (!run.ended) fail('R8', `${name} has not ended: it is ${run.state}`);
    const stored = kernel.query.run(run.org, run.id);
    if (JSON.stringify(stored) !== watch.textAt(run.id, run.version))
      fail('R3', `${name} is another run when it is read`);
  }
  checkSenders();
  for (const run of watch.runs()) checkUndone(world, run);
  for (const run of watch.runs()) checkParent(world, run);
  for (const run of watch.runs()) checkDetached(world, run);
  for (const { org, message, done, wasDenied } of deeds.values()) {
    const run = watch.run(message.run);
    const step = run?.steps[message.step as never];
    const what = `${trace.name(message.run)} ${message.step} was done`;
    if (!run || run.org !== org) fail('R7', `${what} for another org`);
    else if (done > 0 && !wasDenied && !isTold(message.op, step?.state) && !watch.isSettled(run.id, message.step)) {
      // A plugin may read the answer to the first of several requests, say that it failed, and send no other: its word is
      // taken. So this is asked of actions of one request alone; kernel/flow/outcome.test.ts has the case of more.
      const posts = BEHAVIOURS[message.action].sends.filter((sent) => sent === 'POST').length;
      const isAlone = message.op === 'rollback' || posts === 1;
      if (isAlone && closureOf(run) === 'closed' && !run.closed)
        fail('R8', `${what}, and the run is closed with the step ${step?.state}`);
    }
  }
  for (const { id, secret } of orgs) {
    const { head, lines } = openExport({ store: { ...disk } as never, clock: world.clock as never })(id);
    const verifier = createVerifier({ scope: 'org', log: head.log, org: id });
    for (const line of lines) verifier.push(line);
    const { verdict, findings } = verifier.end(head);
    if (verdict !== 'valid') fail('R5', `the log of ${id} is ${verdict}: ${findings[0]?.code} ${findings[0]?.text}`);
    const leak = disk.rows().find(({ value }) => value.includes(secret));
    if (leak) fail('secret', `the secret of ${id} is on the disk in ${leak.key.split('/')[1]}`);
  }
}

/** The run says of the step that it was done, or undone. */
const isTold = (op: string, state: string | undefined): boolean =>
  state === 'rolled_back' || (state === 'succeeded' && op === 'execute');

/** What was undone was undone last first; what could not be undone is for somebody to look at. */
function checkUndone({ fail, trace, deeds, watch }: World, run: Run): void {
  const undone = [...deeds.values()].filter(({ message }) => message.run === run.id && message.op === 'rollback');
  const whenDone = undone.map(({ message }) => watch.succeededAt(run.id, message.step));
  if (whenDone.some((seq, i) => i > 0 && seq > (whenDone[i - 1] ?? 0)))
    fail('undo', `${trace.name(run.id)} undoes ${undone.map(({ message }) => message.step).join(', ')} in this order`);
  const left = Object.values(run.steps).find(({ undo }) => undo && undo.state !== 'done');
  if (left && closureOf(run) === 'closed' && !run.closed)
    fail('undo', `${trace.name(run.id)} is closed, and ${left.id} is not undone: ${left.undo?.state}`);
}

/** Longer than any kernel is away, in elapsed time. */
const LATE_MS = 600_000;

/** A detached step that has succeeded has started one run, and one that has not has started no more. */
function checkDetached({ fail, trace, watch }: World, run: Run): void {
  const begun = Map.groupBy(
    watch.runs().filter(({ startedBy }) => startedBy?.run === run.id),
    ({ startedBy }) => startedBy?.step,
  );
  for (const step of Object.values(run.steps)) {
    const known = watch.graphOf(run).steps.get(partsOfStepRun(step.id).step);
    const own = begun.get(step.id) ?? [];
    const name = `${trace.name(run.id)} ${step.id}`;
    if (own.length > 1) fail('detached', `${name} has started ${own.length} runs`);
    if (own.some(({ id }) => id !== step.child)) fail('detached', `${name} has started a run that it does not know`);
    const hasStarted = step.state === 'succeeded' && !step.kept && !watch.isSettled(run.id, step.id);
    if (known?.kind === 'playbook' && known.detached && hasStarted && own.length === 0)
      fail('detached', `${name} has succeeded, and the run that it started is not there`);
  }
}

/** The end of a run that is a step of another reaches that step, unless the other has ended before. */
function checkParent({ fail, trace, watch }: World, child: Run): void {
  const parent = child.parent && watch.run(child.parent.run);
  const step = child.parent && parent?.steps[child.parent.step];
  if (!child.parent || !parent || !step) return;
  const isDone = step.state === 'succeeded' || step.state === 'rolled_back';
  if (child.state !== 'completed' && isDone && !watch.isSettled(parent.id, step.id))
    fail('sub', `${trace.name(child.id)} is ${child.state}, and the step that started it has succeeded`);
  const heardAt = watch.answeredAt(parent.id, step.id) ?? watch.endedAt(parent.id);
  if (watch.endedAt(child.id) + LATE_MS < heardAt && child.ended?.reason !== 'cancelled')
    fail('sub', `${trace.name(child.id)} ended long before ${trace.name(parent.id)}, which never heard of it`);
}
