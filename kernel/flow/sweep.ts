import type { UnixMs } from '../base/time.ts';
import type { Clock } from '../port/clock.ts';
import type { Row, Store } from '../port/store.ts';
import type { Ledger } from './ledger.ts';
import { othersFirst, processScheduler, type Scheduler } from './scheduler.ts';
import { openStaying } from './staying.ts';

/**
 * Looks at rows that say that something is due. They are part of the record, so a restart loses none. Whoever is told
 * moves the row with what it does. A row that stays (it throws, or cannot be taken) is looked at again, each time later, and keeps
 * no row behind it from being looked at.
 */
const PER_SWEEP = 256;
/** Rows that are told before others have their turn: each may be an event that asks every trigger. */
const PER_TURN = 8;

export function openSweep(deps: {
  store: Store;
  ledger: Pick<Ledger, 'read' | 'healthy'>;
  clock: Clock;
  report: (defect: unknown) => void;
  scheduler?: Pick<Scheduler, 'soon'>;
  /** Of the rows that are due at an instant. */
  span: (now: UnixMs) => { readonly from: string; readonly to: string };
  /** @returns whether the row has moved. */
  tell: (row: Row) => Promise<boolean>;
}) {
  const { store, ledger, clock, report, scheduler = processScheduler, span, tell } = deps;
  const staying = openStaying();
  let sweeping = false;
  let stopped = false;
  /** Where the next sweep begins: one page after the other, and from the first again. */
  let next: string | undefined;

  const look = async (row: Row) => {
    // Moved by somebody else since the sweep has read it, or nothing is to be told any more.
    if (stopped || ledger.read(row.key) !== row.value) return;
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

  /** In their order, some at a time. None waits for what comes of those before it. */
  const lookAt = (rows: readonly Row[]) => {
    let turn = Promise.resolve();
    return rows.map((row, index) => {
      if (index > 0 && index % PER_TURN === 0) turn = turn.then(() => othersFirst(scheduler));
      return turn.then(() => look(row));
    });
  };

  return {
    /** Tells what is due, a bounded number at a time. Call it often; a sweep under way is not doubled. */
    async sweep(): Promise<void> {
      if (sweeping || stopped) return;
      sweeping = true;
      try {
        const now = clock.now();
        const { from, to } = span(now);
        const due = store.range({ from: next ?? from, to, limit: PER_SWEEP });
        const last = due.length === PER_SWEEP ? due.at(-1) : undefined;
        next = last && `${last.key}\0`;
        await Promise.all(lookAt(due.filter(({ key }) => staying.isRipe(key, now))));
      } finally {
        sweeping = false;
      }
    },
    /** The kernel stops: what a sweep under way has not told yet stays on the record. */
    stop(): void {
      stopped = true;
    },
  };
}
