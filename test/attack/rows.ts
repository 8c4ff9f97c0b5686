import type { CellHostOptions } from '../../kernel/adapter/extism/cell-options.ts';
import { ADMISSION_ROWS } from './admission.ts';
import { ANSWER_ROWS } from './answer.ts';
import { DEADLINE_ROWS } from './deadline.ts';
import { DETERMINISM_ROWS } from './determinism.ts';
import { EGRESS_ROWS } from './egress.ts';
import { HOST_ROWS } from './host.ts';
import { HOST_END_ROWS } from './host-ends.ts';
import { HOST_REPLY_ROWS } from './host-replies.ts';
import { HOST_REQUEST_ROWS } from './host-requests.ts';
import { ISOLATION_ROWS } from './isolation.ts';
import type { Held, Row } from './row.ts';
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
  ...ANSWER_ROWS,
  ...SUPPLY_ROWS,
  ...DETERMINISM_ROWS,
];

/** A row that hangs is one that did not hold. Ample: the longest takes some seconds. */
const ROW_MS = 45_000;
const timeUp = (): Promise<Held> =>
  new Promise((resolve) => {
    const end = () => resolve({ held: false, happened: `it was not over after ${ROW_MS / 1_000} s` });
    setTimeout(end, ROW_MS).unref();
  });

/**
 * `failed`: nothing is known, because the row itself came to an end that it does not foresee. `in part`: what the defence has on
 * this system holds, and what it lacks is told.
 */
export type Seen = { readonly verdict: 'held' | 'in part' | 'BROKEN' | 'failed'; readonly happened: string };

export const holds = ({ verdict }: Pick<Seen, 'verdict'>): boolean => verdict === 'held' || verdict === 'in part';

/** @param cells How the cells of this row are set up, where that is not as usual. */
export async function attack(row: Row, cells: Partial<CellHostOptions> = {}): Promise<Seen> {
  try {
    const { held, happened, lacks } = await Promise.race([inWorld((world) => row.run(world), cells), timeUp()]);
    if (!held) return { verdict: 'BROKEN', happened };
    return lacks === undefined
      ? { verdict: 'held', happened }
      : { verdict: 'in part', happened: `${happened}; ${lacks}` };
  } catch (error) {
    return { verdict: 'failed', happened: error instanceof Error ? error.message : 'what was thrown is no error' };
  }
}
