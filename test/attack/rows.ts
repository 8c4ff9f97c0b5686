import type { CellHostOptions } from '../../kernel/adapter/extism/cell-options.ts';
import { ADMISSION_ROWS } from './admission.ts';
import { DEADLINE_ROWS } from './deadline.ts';
import { DETERMINISM_ROWS } from './determinism.ts';
import { EGRESS_ROWS } from './egress.ts';
import { HOST_ROWS } from './host.ts';
import { HOST_END_ROWS } from './host-ends.ts';
import { HOST_REPLY_ROWS } from './host-replies.ts';
import { HOST_REQUEST_ROWS } from './host-requests.ts';
import { ISOLATION_ROWS } from './isolation.ts';
import type { Fault, Held, Row } from './row.ts';
import { SUPPLY_ROWS } from './supply.ts';
import { inWorld } from './world.ts';

/** The attacks: the tests and the command run these and no others. */
export const ROWS: readonly Row[] = [
  ...ADMISSION_ROWS,
  ...HOST_ROWS,
  ...HOST_END_ROWS,
  ...HOST_REQUEST_ROWS,
  ...HOST_REPLY_ROWS,
  ...DEADLINE_ROWS,
  ...ISOLATION_ROWS,
  ...EGRESS_ROWS,
  ...SUPPLY_ROWS,
  ...DETERMINISM_ROWS,
];

/** Rows that may go without a run, and no others: any other one that is not run fails the suite. */
export const NOT_RUN = ['I5', 'E7', 'S1', 'S2', 'S4'];

/** A row that hangs is one that did not hold. Ample: the longest takes some seconds. */
const ROW_MS = 45_000;
const timeUp = (): Promise<Held> =>
  new Promise((resolve) => {
    const end = () => resolve({ held: false, happened: `it was not over after ${ROW_MS / 1_000} s` });
    setTimeout(end, ROW_MS).unref();
  });

export const faultsOf = (row: Row): readonly Fault[] => ('run' in row && row.faults) || [];

/** `failed`: nothing is known, because the row itself came to an end that it does not foresee. */
export type Seen = { readonly verdict: 'held' | 'BROKEN' | 'failed' | 'not run'; readonly happened: string };

/** @param cells How the cells of this row are set up, where that is not as usual. */
export async function attack(row: Row, cells: Partial<CellHostOptions> = {}): Promise<Seen> {
  if ('notRun' in row) return { verdict: NOT_RUN.includes(row.id) ? 'not run' : 'BROKEN', happened: row.notRun };
  try {
    const { held, happened } = await Promise.race([inWorld((world) => row.run(world), cells), timeUp()]);
    return { verdict: held ? 'held' : 'BROKEN', happened };
  } catch (error) {
    return { verdict: 'failed', happened: error instanceof Error ? error.message : 'what was thrown is no error' };
  }
}
