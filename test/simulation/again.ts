import { isDeepStrictEqual } from 'node:util';
import { partsOfStepRun, type StepRunId } from '../../kernel/base/id.ts';
import type { JsonObject } from '../../kernel/base/json.ts';
import { own } from '../../kernel/base/own.ts';
import type { Kernel } from '../../kernel/flow/kernel.ts';
import { isOpenToSettle } from '../../kernel/run/open-work.ts';
import type { Parent, Run } from '../../kernel/run/state.ts';
import type { Person } from './orgs.ts';
import { withWord } from './playbooks.ts';
import type { World } from './world.ts';

/**
 * People who have runs run again: such as have ended and such as have not, twice at once, and runs of another org. Of one
 * event and one trigger one run is under way, and nobody decides in it who caused one before it (R2). Some keep what was
 * done: that, and nothing else, is not done again.
 */
export function openAgain(world: World): void {
  const { fail, trace, time, watch } = world;
  const random = world.random.fork('again');
  const keeping = world.random.fork('keep');

  /** The playbook tells its actions something else from now on: what was told otherwise is not the same. */
  const reword = async (kernel: Kernel, { org: id, playbook }: Run) => {
    const org = world.orgs.find((one) => one.id === id);
    const made = world.playbooks.find(({ name }) => name === playbook.name);
    const ann = org?.people.find((one) => one.id === 'ann');
    if (!org || !made || !ann) return;
    const text = withWord(made.text, keeping.below(100));
    const put = await world.answer(kernel, kernel.playbooks.put(org.author, text));
    if (put?.ok) await world.answer(kernel, kernel.playbooks.activate(ann, playbook.name, put.value.digest));
  };

  const ask = async (person: Person, old: Run, keep: boolean) => {
    const kernel = world.kernel();
    if (!kernel) return;
    if (keep && keeping.chance(0.3)) await reword(kernel, old);
    const done = await world.answer(kernel, kernel.runAgain(person, old.id, 'it is mended', keep));
    const came = done ? (done.ok ? trace.name(done.value.id) : done.error) : 'no answer';
    trace.say(
      `person: ${person.id} of ${person.org} has ${trace.name(old.id)} run again${keep ? ', keeping' : ''}: ${came}`,
    );
    if (!done?.ok) return;
    if (old.org !== person.org) fail('R7', `${trace.name(old.id)} runs again for another org`);
    if (!watch.run(done.value.id))
      fail('R5', `${trace.name(done.value.id)} is said to run again and is not on the disk`);
    world.compare(done.value);
  };

  const isOfSame = (run: Run) => (other: Run) =>
    other.id !== run.id &&
    other.parent === null &&
    !other.startedBy &&
    other.org === run.org &&
    other.event === run.event &&
    other.playbook.name === run.playbook.name &&
    other.trigger === run.trigger;

  /** It is this run, or one that a step of it has started, at any depth. */
  const comesFrom = (run: Run, old: Run): boolean => {
    for (let at: Run | undefined = run; at; ) {
      if (at.id === old.id) return true;
      const origin: Parent | null | undefined = at.parent ?? at.startedBy;
      at = origin ? watch.run(origin.run) : undefined;
    }
    return false;
  };

  watch.listen((run, event) => {
    if (!run.again) return;
    const name = trace.name(run.id);
    if (event.kind === 'run-started') {
      const before = watch.runs().filter(isOfSame(run));
      const open = before.find(({ ended }) => !ended);
      if (open) fail('R4', `${name} is started while ${trace.name(open.id)} is under way`);
      if (!before.some(({ id }) => id === run.again?.run)) fail('R4', `${name} is again a run of something else`);
      const old = watch.run(run.again.run);
      for (const one of watch.runs().filter((other) => old && comesFrom(other, old))) {
        if (!one.ended) fail('R4', `${name} is started while ${trace.name(one.id)} is under way`);
        for (const step of Object.values(one.steps))
          if (isOpenToSettle(one, step))
            fail('R4', `${name} is started while ${trace.name(one.id)} ${step.id} is unknown`);
      }
    }
    if (event.kind === 'approval-voted')
      for (let old: Run | undefined = run; old; old = old.again && watch.run(old.again.run))
        if (old.requester === event.by)
          fail('R2', `${name}: a vote of ${event.by} counts, who caused ${trace.name(old.id)}`);
  });

  const usesOf = (run: Run, id: StepRunId): string => {
    const step = watch.graphOf(run).steps.get(partsOfStepRun(id).step);
    if (step?.kind === 'action') return `${step.plugin}/${step.action}`;
    return step?.kind === 'playbook' ? `${step.playbook} ${step.detached}` : '';
  };
  /** The old run has done at this step what the new one is about to do there, or says is done. */
  const isDone = (old: Run | undefined, run: Run, id: StepRunId, parameters: JsonObject): boolean => {
    const done = old && own(old.steps, id);
    const isLeft = watch.runs().some(({ startedBy }) => startedBy?.run === old?.id && startedBy?.step === id);
    const isOf = old?.org === run.org && old.event === run.event && old.ended !== null;
    const isSame = done !== undefined && isDeepStrictEqual(done.parameters, parameters);
    return isOf && (done?.state === 'succeeded' || isLeft) && isSame && usesOf(old, id) === usesOf(run, id);
  };
  /** Another run may have done it as well (claims.ts). */
  const isOnce = (run: Run, id: StepRunId): boolean => {
    const step = watch.graphOf(run).steps.get(partsOfStepRun(id).step);
    return step?.kind === 'action' && step.dedup !== undefined;
  };
  /** For all that anybody knows. */
  const isUndone = (old: Run | undefined, id: StepRunId) =>
    own(old?.steps ?? {}, id)?.undo?.attempts.some(({ end }) => end !== 'failed') ?? false;
  watch.listen((run, event) => {
    const old = run.keeps && watch.run(run.keeps);
    if (event.kind === 'step-kept' && !isOnce(run, event.step)) {
      const from = watch.run(event.from);
      if (!old || !isDone(from, run, event.step, event.parameters) || isUndone(from, event.step))
        fail('keep', `${trace.name(run.id)} keeps ${event.step}, which ${trace.name(event.from)} has not done`);
    }
    if (!old || event.kind !== 'step-intended' || event.effect !== 'write') return;
    // What another has done is asked for anew: its window may be over.
    const before = own(old.steps, event.step);
    const isOfOther = isOnce(run, event.step) && before?.state === 'succeeded' && before.kept !== undefined;
    if (isDone(old, run, event.step, event.parameters) && !isOfOther && !before?.undo)
      fail('keep', `${trace.name(run.id)} does ${event.step}, which ${trace.name(old.id)} has done`);
  });

  for (let i = random.below(6); i > 0; i--)
    time.after(world.instant(random), () => {
      const runs = watch.runs();
      if (runs.length === 0) return;
      const old = random.pick(runs);
      const able = (isOfOrg: boolean) =>
        world.orgs
          .filter(({ id }) => (id === old.org) === isOfOrg)
          .flatMap(({ people }) => people.filter(({ roles }) => roles.includes('operator')));
      const strangers = able(false);
      const person = strangers.length > 0 && random.chance(0.1) ? random.pick(strangers) : random.pick(able(true));
      const keep = () => keeping.chance(0.6);
      void ask(person, old, keep());
      if (random.chance(0.3)) void ask(random.pick(able(true)), old, keep());
    });
}
