import { isDeepStrictEqual } from 'node:util';
import { partsOfStepRun, type StepRunId } from '../../kernel/base/id.ts';
import { own } from '../../kernel/base/own.ts';
import type { ActionStep } from '../../kernel/playbook/graph.ts';
import type { Run, StepRun } from '../../kernel/run/state.ts';
import type { World } from './world.ts';

/**
 * Steps that are done once: none acts while another of the same key may still act, is unknown, or has acted within the
 * window; and what is kept was done by one of the same key.
 */
const FAILED: readonly string[] = ['failed', 'skipped'];
export const ONCE_KEY = '{{ inputs.finding }}';

export function openClaimRules({ fail, trace, time, watch }: World): void {
  const onceOf = (run: Run, id: StepRunId): ActionStep | undefined => {
    const step = watch.graphOf(run).steps.get(partsOfStepRun(id).step);
    return step?.kind === 'action' && step.dedup ? step : undefined;
  };
  const isSame = (a: ActionStep, b: ActionStep | undefined) =>
    b !== undefined &&
    a.id === b.id &&
    a.plugin === b.plugin &&
    a.action === b.action &&
    isDeepStrictEqual(a.dedup, b.dedup);

  /** Other step runs of the same key. */
  const othersOf = (run: Run, id: StepRunId, step: ActionStep): { readonly run: Run; readonly state: StepRun }[] =>
    watch
      .runs()
      .filter((one) => one.org === run.org && one.playbook.name === run.playbook.name)
      .filter(({ inputs }) => inputs.finding === run.inputs.finding)
      .flatMap((one) => Object.values(one.steps).map((state) => ({ run: one, state })))
      .filter((one) => (one.run.id !== run.id || one.state.id !== id) && isSame(step, onceOf(one.run, one.state.id)));

  /** Nothing leaves later, whatever the run waits for then. */
  const deadlines = new Map<string, number>();
  const claimed = new Set<string>();
  watch.listen((run, event, _, at) => {
    if (event.kind === 'step-claimed') claimed.add(`${run.id} ${event.step}`);
    if (event.kind === 'run-started') deadlines.set(run.id, event.deadlineAt);
    if (event.kind !== 'step-intended' && event.kind !== 'step-kept' && event.kind !== 'step-claimed') return;
    const step = onceOf(run, event.step);
    if (!step) return;
    const name = `${trace.name(run.id)} ${event.step}`;
    const windowMs = step.dedup?.window ?? 0;
    const isLately = (state: StepRun, elapsedAt: number) =>
      state.state === 'succeeded' &&
      !state.kept &&
      state.undo === null &&
      at - state.at < windowMs &&
      time.elapsed() - elapsedAt < windowMs;
    if (event.kind === 'step-kept') {
      const isDone = (one: { readonly run: Run; readonly state: StepRun }) =>
        one.run.id === event.from && one.state.state === 'succeeded';
      // Or it goes on from what a run before it has done at this place.
      const before = run.keeps === undefined ? undefined : own(watch.run(event.from)?.steps ?? {}, event.step);
      if (!othersOf(run, event.step, step).some(isDone) && before?.state !== 'succeeded')
        fail('once-only', `${name} keeps what ${trace.name(event.from)} has not done`);
      return;
    }
    // A person may have it done again; that claims nothing, and is nothing to others.
    if (!claimed.has(`${run.id} ${event.step}`)) {
      if (!run.again || run.keeps !== undefined) fail('once-only', `${name} acts without a claim`);
      return;
    }
    for (const { run: other, state } of othersOf(run, event.step, step)) {
      if (!claimed.has(`${other.id} ${state.id}`)) continue;
      // What nobody knows of a run that has ended is over once that was too long ago.
      const last = Math.min(other.ended?.at ?? Infinity, deadlines.get(other.id) ?? Infinity);
      const isLongOver = at - last >= windowMs;
      const isUnderWay =
        state.state === 'intended' ||
        state.state === 'held' ||
        state.state === 'indeterminate' ||
        (state.state === 'succeeded' && other.undo !== null && other.ended === null) ||
        (FAILED.includes(state.state) &&
          state.attempts.some((one) => one.effect === 'write' && one.end === 'indeterminate')) ||
        (state.state === 'ready' && state.waitsFor !== 'claim');
      if (
        (isUnderWay && !isLongOver) ||
        (event.kind === 'step-claimed' && isLately(state, watch.answeredAt(other.id, state.id) ?? 0))
      )
        fail('once-only', `${name} acts, and ${trace.name(other.id)} ${state.id} is ${state.state}`);
    }
  });
}
