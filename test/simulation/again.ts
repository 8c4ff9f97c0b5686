import { isOpenToSettle } from '../../kernel/run/open-work.ts';
import type { Run } from '../../kernel/run/state.ts';
import type { Person } from './orgs.ts';
import type { World } from './world.ts';

/**
 * People who have runs run again: such as have ended and such as have not, twice at once, and runs of another org. Of one
 * event and one trigger one run is under way, and nobody decides in it who caused one before it (R2).
 */
export function openAgain(world: World): void {
  const { fail, trace, time, watch } = world;
  const random = world.random.fork('again');

  const ask = async (person: Person, old: Run) => {
    const kernel = world.kernel();
    if (!kernel) return;
    const done = await world.answer(kernel, kernel.runAgain(person, old.id, 'it is mended'));
    const came = done ? (done.ok ? trace.name(done.value.id) : done.error) : 'no answer';
    trace.say(`person: ${person.id} of ${person.org} has ${trace.name(old.id)} run again: ${came}`);
    if (!done?.ok) return;
    if (old.org !== person.org) fail('R7', `${trace.name(old.id)} runs again for another org`);
    if (!watch.run(done.value.id))
      fail('R5', `${trace.name(done.value.id)} is said to run again and is not on the disk`);
    world.compare(done.value);
  };

  const isOfSame = (run: Run) => (other: Run) =>
    other.id !== run.id &&
    other.parent === null &&
    other.org === run.org &&
    other.event === run.event &&
    other.playbook.name === run.playbook.name &&
    other.trigger === run.trigger;

  /** It is this run, or one that a step of it has started, at any depth. */
  const comesFrom = (run: Run, old: Run): boolean => {
    for (let at: Run | undefined = run; at; at = at.parent ? watch.run(at.parent.run) : undefined)
      if (at.id === old.id) return true;
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
      void ask(person, old);
      if (random.chance(0.3)) void ask(random.pick(able(true)), old);
    });
}
