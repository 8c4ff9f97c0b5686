import { partsOfStepRun, type StepRunId } from '../../kernel/base/id.ts';
import type { StoredEvent } from '../../kernel/flow/stored-event.ts';
import type { RunEvent } from '../../kernel/run/event.ts';
import type { Run } from '../../kernel/run/state.ts';
import type { World } from './world.ts';

/**
 * Steps that wait for an event: each is woken by the first event that was taken in after its wait began and says what
 * it waits for, and by no other. All in the order in which it was staged, as the disk has it.
 */
type Wait = {
  readonly run: Run;
  readonly step: StepRunId;
  readonly seq: number;
  /** An event that comes later is too late, also where nobody has looked at the time yet. */
  readonly until: number;
  woken: Woken | undefined;
};
type Woken = { readonly event: string; readonly at: number };

/** Of a step that was woken: longer than any kernel is away, in elapsed time. */
const LATE_MS = 600_000;

export function openWaitRules({ fail, trace, time, watch }: World): void {
  /** Waits that are not over, by run and step. */
  const open = new Map<string, Wait>();
  /** What each event says, by org and id. */
  const events = new Map<string, StoredEvent>();

  /** What the playbook asks, read here without the kernel's help: the grammar knows one field and one rule. */
  const isWanted = ({ run, step }: Wait, { event: { data } }: StoredEvent): boolean => {
    const asked = watch.graphOf(run).steps.get(partsOfStepRun(step).step);
    if (asked?.kind !== 'wait' || asked.wait.kind !== 'event') return false;
    const above = (asked.wait.where as { readonly value?: number } | undefined)?.value ?? -1;
    return data.finding === run.inputs.finding && (data.score as number) > above;
  };

  const over = (key: string, run: Run, event: RunEvent) => {
    const wait = open.get(key);
    if (!wait) return;
    open.delete(key);
    const name = `${trace.name(run.id)} ${wait.step}`;
    const { woken } = wait;
    if (event.kind !== 'step-succeeded') {
      if (woken && time.elapsed() > woken.at + LATE_MS) fail('wait', `${name} was woken and never went on`);
      return;
    }
    const output = event.output as { readonly event?: string; readonly score?: number };
    const came = events.get(`${run.org} ${output.event}`);
    if (!came || !isWanted(wait, came)) return fail('wait', `${name} goes on by an event that it does not wait for`);
    if (came.seq < wait.seq) fail('wait', `${name} goes on by an event that was there before it waited`);
    if (woken?.event !== came.id) fail('wait', `${name} goes on by an event that is not said to have woken it`);
    if (output.score !== undefined && output.score !== came.event.data.score)
      fail('wait', `${name} takes ${output.score} from an event that says ${came.event.data.score}`);
  };

  watch.listenRows((org, what, _, value) => {
    if (what !== 'event' || value === null) return;
    const stored = JSON.parse(value) as StoredEvent;
    events.set(`${org} ${stored.id}`, stored);
    const isWoken = ({ run, step }: Wait) =>
      stored.woke?.some((one) => one.run === run.id && one.step === step) ?? false;
    for (const wait of open.values()) {
      // What starts a run is taken in before it, and is no event that the run waits for.
      const isInTime = stored.seq > wait.seq && stored.receivedAt < wait.until;
      const isRight = wait.run.org === org && !wait.woken && isInTime && isWanted(wait, stored);
      if (isWoken(wait) !== isRight)
        fail(
          'wait',
          `${trace.name(wait.run.id)} ${wait.step} is ${isRight ? 'not ' : ''}woken by ${trace.name(stored.id)}`,
        );
      if (isWoken(wait)) wait.woken = { event: stored.id, at: time.elapsed() };
    }
    for (const { run, step } of stored.woke ?? [])
      if (!open.has(`${run} ${step}`)) fail('wait', `${trace.name(run)} ${step} is woken, and does not wait`);
  });

  watch.listen((run, event, seq) => {
    if (event.kind === 'run-ended' || event.kind === 'steps-skipped') {
      const isGone = (step: StepRunId) => event.kind === 'run-ended' || event.steps.includes(step);
      for (const [key, wait] of open) if (wait.run.id === run.id && isGone(wait.step)) over(key, run, event);
    }
    if (!('step' in event)) return;
    const key = `${run.id} ${event.step}`;
    if (event.kind === 'step-opened' && event.open.waitsFor === 'event')
      open.set(key, { run, step: event.step, seq, until: event.open.until, woken: undefined });
    else over(key, run, event);
  });
}
