import type { Digest, StepRunId } from '../base/id.ts';
import { own } from '../base/own.ts';
import type { UnixMs } from '../base/time.ts';
import type { Write } from '../port/store.ts';
import type { Claim } from '../run/claim.ts';
import type { RunEvent } from '../run/event.ts';
import { mayBeUndone } from '../run/keep.ts';
import { isUnknown } from '../run/open-work.ts';
import type { Run } from '../run/state.ts';
import { sendersOf } from './again.ts';
import type { Driver } from './drive.ts';
import type { EndedRuns } from './ended-runs.ts';
import { forgetRows, type KeptRow, keepRow, readKept } from './kept-row.ts';
import { KEYS } from './keys.ts';

/**
 * Which step has last claimed a key, in a row, and what became of it, as its run says. The row alone decides nothing.
 */
type Read = (key: string) => string | undefined;
export type ClaimsOf = (
  asks: Pick<Run, 'org' | 'requester'> & { readonly run: Run['id'] },
  read: Read,
  now: UnixMs,
) => ClaimOf;
type ClaimOf = (step: StepRunId, key: Digest) => Claim | undefined;

export const openClaimsOf =
  (driver: Pick<Driver, 'isActive' | 'load'>, ended: EndedRuns): ClaimsOf =>
  ({ org, run: id, requester }, read, now) =>
  (step, key) => {
    const row = readKept(read, KEYS.claim(org, key));
    // From then on even what its run did last is too long ago: nothing leaves after the deadline of a run.
    if (row?.run === undefined || row.step === undefined || now >= row.until) return undefined;
    if (row.run === id && row.step === step) return { kind: 'own' };
    const run = driver.isActive(org, row.run) ? driver.load(org, row.run) : ended.read(org, row.run);
    // Its start is part of the very commit that is being made.
    if (!run) return { kind: 'under_way', run: row.run };
    const state = own(run.steps, row.step);
    if (!state) return undefined;
    // While its run undoes what it did, that is no more done than what may not have happened. A run that undoes waits for
    // nobody, so that no two can wait for each other.
    const isUndoing = run.undo !== null && run.ended === null;
    if (state.state === 'succeeded' && !isUndoing && !mayBeUndone(state)) {
      const { at, parameters, output } = state;
      const senders = sendersOf(run, requester);
      return { kind: 'done', run: run.id, at, senders, parameters, output };
    }
    const isOver =
      state.state === 'failed' ||
      state.state === 'skipped' ||
      state.state === 'rolled_back' ||
      (state.state === 'succeeded' && run.ended !== null);
    if (isOver && !state.attempts.some(isUnknown)) return undefined;
    return { kind: 'under_way', run: run.id, ...(run.ended && { ended: run.ended.at }) };
  };

/** Removed beyond twice the rows that are written, as with events (take-in.ts). */
const FORGOTTEN = 8;

/** The rows of what a turn claims, and as many that are old. */
export function claimRows(
  store: Parameters<typeof forgetRows>[0],
  read: Read,
  { org, id }: Run,
  events: readonly RunEvent[],
  now: UnixMs,
): Write[] {
  const rows = events.flatMap((event): Write[] => {
    if (event.kind !== 'step-claimed') return [];
    const row: KeptRow = { until: event.until, run: id, step: event.step };
    return keepRow(read, org, KEYS.claim(org, event.key), row);
  });
  return rows.length === 0 ? [] : [...forgetRows(store, read, org, now, rows.length + FORGOTTEN), ...rows];
}
