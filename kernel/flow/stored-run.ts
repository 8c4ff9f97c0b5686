import type { OrgId, RunId } from '../base/id.ts';
import type { Store } from '../port/store.ts';
import type { StoredTurn } from '../run/event.ts';
import { evolveTurn } from '../run/evolve.ts';
import type { Run } from '../run/state.ts';
import { within } from './keys.ts';

const PER_PAGE = 1_000;

/** The run as it is on disk, of however many turns; null when there is none. */
export function readRun(store: Pick<Store, 'range'>, org: OrgId, id: RunId): Run | null {
  const span = within(`${org}/turn/${id}`);
  let run: Run | null = null;
  for (let from = span.from; ; ) {
    const rows = store.range({ from, to: span.to, limit: PER_PAGE });
    for (const { value } of rows) run = evolveTurn(run, JSON.parse(value) as StoredTurn);
    const last = rows.at(-1);
    if (!last || rows.length < PER_PAGE) return run;
    from = `${last.key}\0`;
  }
}
