import type { Scheduler } from '../../kernel/flow/scheduler.ts';
import type { Time } from './time.ts';
import type { Trace } from './trace.ts';

/** One life of the kernel, from its start to its end. What belonged to it is never heard of again afterwards. */
export type Life = {
  readonly number: number;
  readonly scheduler: Scheduler;
  isOver(): boolean;
  say(text: string): void;
  /** Resolves in `ms`; never, when the life is over by then. */
  pause(ms: number): Promise<void>;
  /** Ends the life at once. What it returns never resolves: nothing goes on after it. */
  crash(why: string): Promise<never>;
};

export function beginLife(number: number, time: Time, trace: Trace, ended: () => void): Life {
  const scheduler = time.life();
  let over = false;
  const say = (text: string) => trace.say(`kernel ${number} ${text}`);
  return {
    number,
    scheduler,
    isOver: () => over,
    say,
    pause: (ms) => new Promise((resolve) => scheduler.after(ms, () => resolve())),
    crash(why) {
      if (!over) {
        over = true;
        say(why);
        scheduler.end();
        ended();
      }
      return new Promise(() => undefined);
    },
  };
}
