import type { RunEvent } from '../../kernel/run/event.ts';
import type { Run } from '../../kernel/run/state.ts';
import type { Message } from './cells.ts';
import type { WorldOrg } from './orgs.ts';
import type { Bare } from './world.ts';

/**
 * Somebody pauses a run and resumes it some time after, or never. While the disk says that it is paused, nothing of it and of
 * the runs below it leaves but what had begun before, and nothing is about to be sent; after the resume nothing stays parked.
 */
export type Pauses = {
  /** A kernel starts: what the last one was asked for and has not done is forgotten, and its requests are nobody's. */
  began(): void;
  /** A request is handed to the network. */
  leaving(message: Message, isUnsafe: boolean): void;
  /**
   * A person asks for what ends a pause: from then on it may be over before the disk says so.
   * @returns what is called when that was answered.
   */
  lifting(run: Run): () => void;
  /** Since when no pause holds the run, in elapsed time; Infinity while one does. */
  overSince(run: Run): number;
};

/** What is about to be sent when it is on the disk. */
const isIntent = (event: RunEvent): boolean =>
  INTENTS.includes(event.kind) || (event.kind === 'step-opened' && event.open.waitsFor === 'run');
const INTENTS: readonly string[] = ['step-ready', 'step-intended', 'step-checking', 'undo-intended'];

export function openPauses(world: Bare): Pauses {
  const { fail, trace, time, watch } = world;
  const random = world.random.fork('pauses');
  /** One of each that asks: several may at once. */
  const lifted = new Set<Pick<Run, 'id'>>();
  const isLifted = (run: Run) => [...lifted].some(({ id }) => id === run.id);
  const overAt = new Map<string, number>();
  /** Calls that have sent something: a request, or one that may change something. By run and step. */
  const begun = new Map<string, 'read' | 'write'>();

  const lifting = ({ id }: Run) => {
    const asks = { id };
    lifted.add(asks);
    return () => void lifted.delete(asks);
  };
  const withAbove = function* (run: Run): Iterable<Run> {
    for (let at: Run | undefined = run; at; at = at.parent ? watch.run(at.parent.run) : undefined) yield at;
  };
  const holderOf = (run: Run): Run | undefined => [...withAbove(run)].find(({ paused }) => paused);

  const pause = async (run: Run) => {
    const kernel = world.kernel();
    const person = operatorOf(run);
    if (!kernel) return;
    const ask = () => world.answer(kernel, kernel.control.pause(person, run.id, 'wait'));
    const done = await ask();
    trace.say(`person: ${trace.name(run.id)} is ${done?.ok ? 'paused' : 'not paused'}`);
    if (!done?.ok) return;
    world.compare(done.value.run);
    const again = random.chance(0.3) ? await ask() : undefined;
    if (again?.ok && again.value.changed && !isLifted(run) && !overAt.has(run.id))
      fail('R4', `${trace.name(run.id)} is paused twice`);
  };
  const resume = async (run: Run) => {
    const kernel = world.kernel();
    if (!kernel) return;
    const answered = lifting(run);
    const done = await world.answer(kernel, kernel.control.resume(operatorOf(run), run.id));
    if (done) answered();
    trace.say(`person: ${trace.name(run.id)} is ${done?.ok ? 'resumed' : 'not resumed'}`);
    if (done?.ok) world.compare(done.value.run);
  };
  const operatorOf = ({ org }: Run) => {
    const { people } = world.orgs.find(({ id }) => id === org) as WorldOrg;
    return people.find(({ roles }) => roles.includes('operator')) as WorldOrg['source'];
  };
  const pauseFor = (run: Run) => {
    void pause(run);
    const length = random.below(random.pick([20, 2_000, 60_000, 600_000]));
    // Who is not resumed comes to its deadline.
    if (random.chance(0.8)) time.after(length, () => void resume(run));
  };
  /** The run itself, or one above it. */
  const oneOf = (run: Run) => random.pick([...withAbove(run)]);

  watch.listen((run, event) => {
    const holder = holderOf(run);
    if (holder && isIntent(event))
      fail('pause', `${trace.name(run.id)} ${event.kind} while ${trace.name(holder.id)} is paused`);
    if (event.kind === 'run-resumed') overAt.set(run.id, time.elapsed());
    if ('step' in event && event.kind !== 'step-leaving') begun.delete(`${run.id} ${event.step}`);
  });

  if (random.chance(0.35)) {
    for (let i = 1 + random.below(3); i > 0; i--)
      time.after(world.instant(random), () => {
        const open = watch.runs().filter(({ ended }) => !ended);
        if (open.length > 0) pauseFor(oneOf(random.pick(open)));
      });
    // While a call waits for its turn: at an instant of its own a pause would seldom meet one.
    let left = 1 + random.below(3);
    watch.listen((run, event) => {
      if (left === 0 || !isIntent(event) || !random.chance(0.2)) return;
      left--;
      time.after(random.below(20), () => pauseFor(oneOf(watch.run(run.id) ?? run)));
    });
  }

  // Few runs start others; where one does, the pause is of one above.
  const below = world.random.fork('pauses below');
  let isDueBelow = below.chance(0.9);
  watch.listen((run, event) => {
    const parent = event.kind === 'run-started' && run.parent ? watch.run(run.parent.run) : undefined;
    if (!parent || !isDueBelow) return;
    isDueBelow = false;
    time.after(below.below(below.pick([5, 20, 2_000])), () => pauseFor(oneOf(parent)));
  });

  return {
    began() {
      lifted.clear();
      begun.clear();
    },
    leaving({ run: id, step, op }, isUnsafe) {
      const run = watch.run(id);
      const holder = run && holderOf(run);
      const key = `${id} ${step}`;
      const before = begun.get(key);
      if (isUnsafe || before === undefined) begun.set(key, isUnsafe ? 'write' : 'read');
      const mayGoOn = isUnsafe ? before === 'write' : before !== undefined;
      const mayBeOver = run !== undefined && [...withAbove(run)].some(isLifted);
      if (holder && !mayGoOn && !mayBeOver)
        fail('pause', `${trace.name(id)} ${step} ${op} leaves while ${trace.name(holder.id)} is paused`);
    },
    lifting,
    overSince(run) {
      if (holderOf(run)) return Infinity;
      return Math.max(0, ...[...withAbove(run)].map(({ id }) => overAt.get(id) ?? 0));
    },
  };
}
