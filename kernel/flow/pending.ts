import type { OrgId, RunId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import { TRIGGER } from '../org/principal.ts';
import type { Store, Write } from '../port/store.ts';
import { isEnded, type Run } from '../run/state.ts';
import type { Driver } from './drive.ts';
import { KEYS, within } from './keys.ts';
import type { Ledger } from './ledger.ts';

/**
 * Runs that were made and wait: for a place among the runs of their playbook, or for the end of the run before them.
 * Each has a row from its start until it begins or ends, so a restart finds it. They begin in the order in which they
 * were made, as far as what each waits for allows.
 */
export type PendingRow = {
  readonly org: OrgId;
  readonly playbook: string;
  readonly run: RunId;
  /** Runs that have to end first. */
  readonly after: readonly RunId[];
  /** Those are cancelled for this one. */
  readonly supersedes: boolean;
  /** Runs of the playbook that may be under way at once; null: as many as there are. */
  readonly limit: number | null;
};

export type Concurrency = { readonly limit: number; readonly over: 'queue' | 'drop' };
/** The run that an event would repeat, and what its trigger does then. */
export type Repeat = { readonly run: RunId; readonly policy: 'queue' | 'restart' };

export type Seat =
  | { readonly kind: 'now' }
  | { readonly kind: 'wait'; readonly row: PendingRow; readonly for: 'concurrency' | 'queue' | 'restart' }
  | { readonly kind: 'none'; readonly why: 'concurrency' | 'queue_full'; readonly run: RunId | null };

export type Pending = ReturnType<typeof openPending>;

type Line = { readonly running: Set<RunId>; readonly waiting: Map<RunId, PendingRow> };
const ROWS_PER_PAGE = 1_000;

export function openPending(deps: {
  store: Store;
  ledger: Pick<Ledger, 'healthy'>;
  driver: Pick<Driver, 'submit' | 'isActive' | 'load'>;
  report: (defect: unknown) => void;
}) {
  const { store, ledger, driver, report } = deps;
  const lines = new Map<string, Line>();
  const nameOf = (org: OrgId, playbook: string) => `${org}/${playbook}`;
  const lineOf = (org: OrgId, playbook: string): Line => {
    const name = nameOf(org, playbook);
    const line = lines.get(name) ?? { running: new Set(), waiting: new Map() };
    lines.set(name, line);
    return line;
  };

  /** Under way, as staged. */
  const isGoing = (org: OrgId, run: RunId): boolean => {
    const found = driver.isActive(org, run) ? driver.load(org, run) : null;
    return found !== null && !isEnded(found);
  };

  /** Places that are taken, or that somebody waits for who came before. */
  const taken = ({ running, waiting }: Line): number => {
    const waits = [...waiting.values()].filter(({ org, after }) => !after.some((run) => isGoing(org, run)));
    return running.size + waits.length;
  };

  const passOver = (defect: unknown) => {
    if (ledger.healthy()) report(defect);
  };

  const release = async (line: Line, { org, run }: PendingRow) => {
    const released = await driver.submit(org, run, { kind: 'release' });
    // It ended while it waited: its place is free again.
    if (!released.ok && line.running.delete(run)) advance(line);
  };

  const advance = (line: Line) => {
    for (const row of line.waiting.values()) {
      if (row.limit !== null && line.running.size >= row.limit) continue;
      if (row.after.some((run) => isGoing(row.org, run))) continue;
      line.waiting.delete(row.run);
      line.running.add(row.run);
      release(line, row).catch(passOver);
    }
  };

  /** Its commit is on disk: what it supersedes is cancelled, and what it waits for may be over by now. */
  const begun = (row: PendingRow) => {
    if (row.supersedes)
      for (const run of row.after)
        if (isGoing(row.org, run))
          driver.submit(row.org, run, { kind: 'cancel', by: TRIGGER, reason: 'superseded' }).catch(passOver);
    advance(lineOf(row.org, row.playbook));
  };

  return {
    isGoing,

    /** Where a run that would start now would find itself. Changes nothing. */
    seat(
      org: OrgId,
      playbook: string,
      run: RunId,
      concurrency: Concurrency | undefined,
      repeat: Repeat | undefined,
    ): Seat {
      const line = lines.get(nameOf(org, playbook));
      const limit = concurrency?.limit ?? null;
      const row = { org, playbook, run, limit };
      if (repeat && isGoing(org, repeat.run)) {
        const before = [...(line?.waiting.get(repeat.run)?.after ?? []), repeat.run];
        const after = before.filter((one) => isGoing(org, one));
        if (after.length > LIMITS.pendingPerKey.value) return { kind: 'none', why: 'queue_full', run: repeat.run };
        if (isFull(line)) return { kind: 'none', why: 'queue_full', run: repeat.run };
        const supersedes = repeat.policy === 'restart';
        return { kind: 'wait', row: { ...row, after, supersedes }, for: repeat.policy };
      }
      // Whoever comes later does not pass those who wait for a place already.
      const isTaken = concurrency !== undefined && line !== undefined && taken(line) >= concurrency.limit;
      if (!isTaken) return { kind: 'now' };
      if (concurrency.over === 'drop') return { kind: 'none', why: 'concurrency', run: null };
      if (isFull(line)) return { kind: 'none', why: 'queue_full', run: null };
      return { kind: 'wait', row: { ...row, after: [], supersedes: false }, for: 'concurrency' };
    },

    rows: (row: PendingRow): Write[] => [
      { key: KEYS.pending(row.org, row.playbook, row.run), value: JSON.stringify(row) },
    ],

    /** With the staging of a start, so that the next decision counts it. */
    staged(run: Pick<Run, 'org' | 'id' | 'playbook'>, row: PendingRow | undefined): void {
      const line = lineOf(run.org, run.playbook.name);
      if (row) line.waiting.set(run.id, row);
      else line.running.add(run.id);
    },
    begun,

    /** After every turn of every run. */
    turned(run: Run): void {
      const line = lineOf(run.org, run.playbook.name);
      if (!isEnded(run)) {
        if (!line.waiting.has(run.id)) line.running.add(run.id);
        return;
      }
      line.running.delete(run.id);
      line.waiting.delete(run.id);
      advance(line);
      if (line.running.size + line.waiting.size === 0) lines.delete(nameOf(run.org, run.playbook.name));
    },

    /** At the start of the kernel, before any run is taken up: who waits. */
    takeUp(org: OrgId): void {
      const span = within(`${org}/pending`);
      for (let from = span.from; ; ) {
        const rows = store.range({ from, to: span.to, limit: ROWS_PER_PAGE });
        for (const { value } of rows) {
          const row = JSON.parse(value) as PendingRow;
          lineOf(org, row.playbook).waiting.set(row.run, row);
        }
        const last = rows.at(-1);
        if (!last || rows.length < ROWS_PER_PAGE) return;
        from = `${last.key}\0`;
      }
    },

    /** When all runs are taken up: what was owed when the kernel last stopped. */
    resume(): void {
      for (const line of [...lines.values()]) for (const row of [...line.waiting.values()]) begun(row);
    },
  };
}

const isFull = (line: Line | undefined): boolean => (line?.waiting.size ?? 0) >= LIMITS.pendingPerPlaybook.value;
