import { toOrgId, toRunId } from '../base/id.ts';
import type { Clock } from '../port/clock.ts';
import type { Store } from '../port/store.ts';
import type { Driver } from './drive.ts';
import { KEYS } from './keys.ts';

/**
 * Tells runs that something of theirs is due. Due times are rows of the record, written in the turn that made them, so
 * a restart loses none; firing twice is harmless, because a run judges for itself what is due (R4).
 */
const PER_SWEEP = 256;

export function openTimers(deps: { store: Store; driver: Driver; clock: Clock }) {
  const { store, driver, clock } = deps;
  let sweeping = false;

  const fire = async (key: string) => {
    const [, , orgName = '', runName = ''] = key.split('/');
    const org = toOrgId(orgName);
    const run = toRunId(runName);
    if (org && run) await driver.submit(org, run, { kind: 'timer' });
  };

  return {
    /** Fires everything that is due, a bounded number at a time. Call it often; a sweep under way is not doubled. */
    async sweep(): Promise<number> {
      if (sweeping) return 0;
      sweeping = true;
      try {
        const due = store.range({ from: '!timer/', to: KEYS.timersUntil(clock.now()), limit: PER_SWEEP });
        await Promise.all(due.map((row) => fire(row.key)));
        return due.length;
      } finally {
        sweeping = false;
      }
    },
  };
}
