import type { UnixMs } from '../base/time.ts';
import type { Clock } from '../port/clock.ts';
import type { Row, Store } from '../port/store.ts';
import type { Ledger } from './ledger.ts';
import { openStaying } from './staying.ts';

/**
 * Looks at rows that say that something is due. They are part of the record, so a restart loses none. Whoever is told
 * moves the row with what it does. A row that stays (it throws, or cannot be taken) is looked at again, each time later, and keeps
 * no row behind it from being looked at.
 */
const PER_SWEEP = 256;

export function openSweep(deps: {
  store: Store;
  ledger: Pick<Ledger, 'healthy'>;
  clock: Clock;
  report: (defect: unknown) => void;
  /** Of the rows that are due at an instant. */
  span: (now: UnixMs) => { readonly from: string; readonly to: string };
  /** @returns whether the row has moved. */
  tell: (row: Row) => Promise<boolean>;
}) {
  const { store, ledger, clock, report, span, tell } = deps;
  const staying = openStaying();
  let sweeping = false;
  /** Where the next sweep begins: one page after the other, and from the first again. */
  let next: string | undefined;

  const look = async (row: Row) => {
    try {
      if (await tell(row)) staying.moved(row.key);
      else staying.stays(row.key, clock.now());
    } catch (defect) {
      // Of the record and not of this row: it ends the kernel.
      if (!ledger.healthy()) throw defect;
      // Told once, however often it is looked at again.
      if (!staying.has(row.key)) report(defect);
      staying.stays(row.key, clock.now());
    }
  };

  return {
    /** Tells what is due, a bounded number at a time. Call it often; a sweep under way is not doubled. */
    async sweep(): Promise<void> {
      if (sweeping) return;
      sweeping = true;
      try {
        const now = clock.now();
        const { from, to } = span(now);
        const due = store.range({ from: next ?? from, to, limit: PER_SWEEP });
        const last = due.length === PER_SWEEP ? due.at(-1) : undefined;
        next = last && `${last.key}\0`;
        await Promise.all(due.filter(({ key }) => staying.isRipe(key, now)).map(look));
      } finally {
        sweeping = false;
      }
    },
  };
}
