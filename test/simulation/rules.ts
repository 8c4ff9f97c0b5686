import { partsOfStepRun, type StepRunId } from '../../kernel/base/id.ts';
import type { RunEvent } from '../../kernel/run/event.ts';
import type { Run } from '../../kernel/run/state.ts';
import type { World } from './world.ts';

/** Rules about single events: each is judged when it is on the disk, by what the world knows and the run was told before. */
export function openRules(world: World): void {
  const { watch, fail, trace, deeds } = world;
  /** Lanes that succeeded, of each fork. */
  const succeeded = new Map<string, number>();
  /** Of each repeat, whether a round is under way, and when the next may begin. */
  const rounds = new Map<string, { readonly state: 'open' | 'over' | 'none'; readonly from: number }>();

  const onSucceeded = (run: Run, step: StepRunId) => {
    const fork = watch.graphOf(run).steps.get(partsOfStepRun(step).step);
    if (fork?.kind !== 'parallel' && fork?.kind !== 'foreach') return;
    const { parameters } = run.steps[step] ?? {};
    const lanes =
      fork.kind === 'parallel' ? fork.lanes.length : ((parameters?.items as unknown[] | undefined)?.length ?? 0);
    const need = fork.join.need === 'all' ? lanes : Math.min(fork.join.need, lanes);
    const have = succeeded.get(`${run.id} ${step}`) ?? 0;
    if (have < need)
      fail('join', `${trace.name(run.id)} ${step} succeeds with ${have} lanes of ${lanes}, and needs ${need}`);
  };

  /** A target that is asked does not lie. */
  const onChecked = (run: Run, { step, outcome }: Extract<RunEvent, { kind: 'step-checked' }>) => {
    const its = [...deeds.values()].filter(({ message }) => message.run === run.id && message.step === step);
    const isDone = its.some(({ message, arriving }) => message.op === 'execute' && arriving > 0);
    if (isDone !== (outcome === 'succeeded'))
      fail(
        'check',
        `${trace.name(run.id)} ${step} was ${isDone ? '' : 'not '}done, and the check says that it ${outcome}`,
      );
  };

  /** Rounds come one after the other, each when the pause after the one before is over. */
  const onRound = (run: Run, { step, lane }: Extract<RunEvent, { kind: 'lane-started' }>, at: number) => {
    const { state, from } = rounds.get(`${run.id} ${step}`) ?? { state: lane === 0 ? 'over' : 'none', from: 0 };
    if (state !== 'over' || at < from)
      fail(
        'round',
        `${trace.name(run.id)} ${step} begins round ${lane + 1} ${state === 'over' ? 'too early' : 'twice'}`,
      );
  };

  /** A run that nobody waits for: whoever caused it is known, its time is its own, and the kernel does not stop it. */
  const onDetached = (run: Run, event: RunEvent, at: number) => {
    const by = run.startedBy && watch.run(run.startedBy.run);
    if (!run.startedBy) return;
    if (event.kind === 'run-started') {
      const isOfSame = by?.org === run.org && by.requester === run.requester && by.event === run.event;
      if (!isOfSame || run.parent || !(by.senders ?? []).every((one) => run.senders?.includes(one)))
        fail('detached', `${trace.name(run.id)} does not come from the run that started it`);
      if (event.deadlineAt !== at + watch.graphOf(run).timeout)
        fail('detached', `${trace.name(run.id)} has not the time that its playbook gives it`);
    }
    if (event.kind === 'run-cancel' && event.by === null)
      fail('detached', `${trace.name(run.id)} is stopped, and it was on its own`);
  };

  watch.listen((run, event, _, at) => {
    onDetached(run, event, at);
    const fork = 'step' in event ? watch.graphOf(run).steps.get(partsOfStepRun(event.step).step) : undefined;
    if (fork?.kind === 'repeat' && event.kind === 'lane-started') {
      onRound(run, event, at);
      rounds.set(`${run.id} ${event.step}`, { state: 'open', from: 0 });
    }
    if (fork?.kind === 'repeat' && event.kind === 'lane-ended' && event.outcome === 'succeeded')
      rounds.set(`${run.id} ${event.step}`, { state: 'over', from: at + fork.pause });
    if (event.kind === 'lane-ended' && event.outcome === 'succeeded') {
      const key = `${run.id} ${event.step}`;
      succeeded.set(key, (succeeded.get(key) ?? 0) + 1);
    }
    if (event.kind === 'step-succeeded') onSucceeded(run, event.step);
    if (event.kind === 'step-succeeded' && fork?.kind === 'playbook' && fork.detached) {
      const child = run.steps[event.step]?.child ?? '';
      if (watch.run(child)?.startedBy?.run !== run.id)
        fail('detached', `${trace.name(run.id)} ${event.step} succeeds, and the run that it started is not there`);
    }
    if (event.kind === 'step-checked') onChecked(run, event);
  });
}
