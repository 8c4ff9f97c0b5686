import { ADMISSION_ROWS } from './admission.ts';
import { ANSWER_ROWS } from './answer.ts';
import { DEADLINE_ROWS } from './deadline.ts';
import { DETERMINISM_ROWS } from './determinism.ts';
import { EGRESS_ROWS } from './egress.ts';
import { HOST_ROWS } from './host.ts';
import { ISOLATION_ROWS } from './isolation.ts';
import type { Held, Row } from './row.ts';
import { SUPPLY_ROWS } from './supply.ts';
import { inWorld } from './world.ts';

/** The attacks: the tests and the command run these and no others. */
export const ROWS: readonly Row[] = [
  ...ADMISSION_ROWS,
  ...HOST_ROWS,
  ...DEADLINE_ROWS,
  ...ISOLATION_ROWS,
  ...EGRESS_ROWS,
  ...ANSWER_ROWS,
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

export type Seen = { readonly verdict: 'held' | 'BROKEN' | 'not run'; readonly happened: string };

export async function attack(row: Row): Promise<Seen> {
  if ('notRun' in row) return { verdict: NOT_RUN.includes(row.id) ? 'not run' : 'BROKEN', happened: row.notRun };
  const { held, happened }: Held = await Promise.race([inWorld((world) => row.run(world)), timeUp()]).catch(
    (error: unknown) => ({
      held: false,
      happened: `the row itself failed: ${error instanceof Error ? error.message : 'not an error'}`,
    }),
  );
  return { verdict: held ? 'held' : 'BROKEN', happened };
}
