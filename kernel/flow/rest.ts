import type { Scheduler } from './scheduler.ts';

/**
 * Whether the event loop is due a rest. Several orgs share it, and every run waits for it some ten times: what waits for
 * a loop that hardly rests waits long. So it is to rest as long as it works. Rest is credit and work is debt, both bounded,
 * so that neither a long rest nor a long turn is felt for long.
 */
export type Rest = { isDue(): boolean };

const BOUND_MS = 10;

export function openRest(worked: Scheduler['worked']): Rest {
  let before = worked();
  let credit = BOUND_MS;
  return {
    isDue() {
      const now = worked();
      const earned = now.restMs - before.restMs - (now.workMs - before.workMs);
      before = now;
      credit = Math.max(-BOUND_MS, Math.min(BOUND_MS, credit + earned));
      return credit < 0;
    },
  };
}
