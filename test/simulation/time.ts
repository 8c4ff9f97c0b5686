import type { Scheduler } from '../../kernel/flow/scheduler.ts';
import type { Random } from './random.ts';

/**
 * Virtual time: a queue of tasks, taken one by one. It jumps to whatever is next; things of the same instant come in an
 * order that the seed chooses. Nothing here waits for the time of the machine.
 */
export type Time = Scheduler & {
  /** Time for one life of the kernel: what it has asked for is forgotten at its end. */
  life(): Scheduler & { end(): void };
  /** Runs the next task, or some of one instant, and everything that becomes ready by it. @returns false when there is none. */
  step(): Promise<boolean>;
};

type Task = { readonly at: number; readonly order: number; readonly run: () => void };
type Beat = { readonly ms: number; readonly run: () => void; last: number; late: number; idle: number; seen: number };

/** A beat that finds nothing to do is seldom looked at: each time twice as late, up to so many doublings. */
const DOUBLINGS = 15;
/** Nothing here takes time of a processor. */
const RESTED = () => ({ workMs: 0, restMs: 0 });
/** Turns of the microtask queue between two tasks of one instant. */
const TURNS_BETWEEN = 40;

/** @param due when the kernel's record says that something is due, in elapsed time; undefined: nothing is. */
export function openTime(random: Random, due: () => number | undefined): Time {
  const queue = new Set<Task>();
  const beats = new Set<Beat>();
  let elapsed = 0;

  const after = (ms: number, run: () => void) => {
    const task = { at: elapsed + Math.max(0, ms), order: random.next(), run };
    queue.add(task);
    return () => void queue.delete(task);
  };
  const every = (ms: number, run: () => void) => {
    const beat = { ms, run, last: elapsed, late: 0, idle: 0, seen: -1 };
    beats.add(beat);
    return () => void beats.delete(beat);
  };

  const first = (): Task | undefined => {
    let found: Task | undefined;
    for (const task of queue)
      if (!found || task.at < found.at || (task.at === found.at && task.order < found.order)) found = task;
    return found;
  };
  /** A beat of some milliseconds over weeks is too many: it is made when something is due, and then again and again. */
  const beatAt = (beat: Beat, dueAt: number) =>
    dueAt > beat.last
      ? Math.max(dueAt, beat.last + beat.ms) + beat.late
      : beat.last + beat.ms * 2 ** Math.min(beat.idle, DOUBLINGS);
  const take = (): Pick<Task, 'at' | 'run'> | undefined => {
    const task = first();
    const dueAt = due();
    let next: Pick<Task, 'at' | 'run'> | undefined = task;
    if (dueAt !== undefined)
      for (const beat of beats) {
        const at = beatAt(beat, dueAt);
        if (!next || at < next.at) next = { at, run: () => strike(beat, at, dueAt) };
      }
    if (task && task === next) queue.delete(task);
    return next;
  };
  const strike = (beat: Beat, at: number, dueAt: number) => {
    elapsed = Math.max(elapsed, at);
    beat.idle = beat.seen === dueAt ? beat.idle + 1 : 0;
    beat.seen = dueAt;
    beat.last = elapsed;
    beat.late = random.chance(0.7) ? 0 : random.below(random.chance(0.9) ? 500 : 120_000);
    beat.run();
    // Twice in a row: nothing may come of the second.
    if (random.chance(0.1)) beat.run();
  };

  return {
    elapsed: () => elapsed,
    worked: RESTED,
    soon: (task) => void after(0, task),
    after,
    every,

    life() {
      const takeBacks: (() => void)[] = [];
      let over = false;
      const noted = (takeBack: () => void) => {
        takeBacks.push(takeBack);
        return takeBack;
      };
      const nothing = () => undefined;
      return {
        elapsed: () => elapsed,
        worked: RESTED,
        soon: (task) => void (over || noted(after(0, task))),
        after: (ms, task) => (over ? nothing : noted(after(ms, task))),
        every: (ms, task) => (over ? nothing : noted(every(ms, task))),
        end() {
          over = true;
          for (const takeBack of takeBacks) takeBack();
        },
      };
    },

    async step() {
      let next = take();
      if (!next) return false;
      for (; next; next = first()?.at === elapsed && random.chance(0.5) ? take() : undefined) {
        elapsed = Math.max(elapsed, next.at);
        next.run();
        // Others of the same instant may come between, at any place where the kernel waits.
        for (let turns = random.below(TURNS_BETWEEN); turns > 0; turns--) await undefined;
      }
      // Everything that is ready, however many promises stand in a row: none of them waits for the machine.
      await new Promise<void>((resolve) => setImmediate(resolve));
      return true;
    },
  };
}
