import { toOrgId, toRunId } from '../base/id.ts';
import type { Clock } from '../port/clock.ts';
import type { Store } from '../port/store.ts';
import type { Driver } from './drive.ts';
import { KEYS } from './keys.ts';
import type { Ledger } from './ledger.ts';
import { openStaying } from './staying.ts';

/**
 * Tells runs that something of theirs is due. Due times are rows of the record, written in the turn that made them, so
 * a restart loses none; firing twice is harmless, because a run judges for itself what is due (R4).
 *
 * A turn moves the row of its run. A row that stays (its turn throws, or its run cannot take the input) is looked at
 * again, each time later, and keeps no row behind it from being looked at.
 */
const PER_SWEEP = 256;

export function openTimers(deps: {
  store: Store;
  ledger: Pick<Ledger, 'healthy'>;
  driver: Pick<Driver, 'submit'>;
  clock: Clock;
  report: (defect: unknown) => void;
}) {
  const { store, ledger, driver, clock, report } = deps;
  const staying = openStaying();
  let sweeping = false;
  /** Where the next sweep begins: one page after the other, and from the first again. */
  let from = '!timer/';

  const stays = (key: string) => staying.stays(key, clock.now());
  const fire = async (key: string) => {
    const [, , orgName = '', runName = ''] = key.split('/');
    const org = toOrgId(orgName);
    const run = toRunId(runName);
    if (!org || !run) return stays(key);
    try {
      const submitted = await driver.submit(org, run, { kind: 'timer' });
      if (submitted.ok) staying.moved(key);
      else stays(key);
    } catch (defect) {
      // Of the record and not of this run: it ends the kernel.
      if (!ledger.healthy()) throw defect;
      // Told once, however often it is looked at again.
      if (!staying.has(key)) report(defect);
      stays(key);
    }
  };

  return {
    /** Fires what is due, a bounded number at a time. Call it often; a sweep under way is not doubled. */
    async sweep(): Promise<void> {
      if (sweeping) return;
      sweeping = true;
      try {
        const now = clock.now();
        const due = store.range({ from, to: KEYS.timersUntil(now), limit: PER_SWEEP });
        const last = due.length === PER_SWEEP ? due.at(-1) : undefined;
        from = last ? `${last.key}\0` : '!timer/';
        const ripe = due.filter(({ key }) => staying.isRipe(key, now));
        await Promise.all(ripe.map(({ key }) => fire(key)));
      } finally {
        sweeping = false;
      }
    },
  };
}
