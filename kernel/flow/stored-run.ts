import type { OrgId, RunId } from '../base/id.ts';
import type { Store } from '../port/store.ts';
import type { StoredTurn } from '../run/event.ts';
import { replay } from '../run/evolve.ts';
import type { Run } from '../run/state.ts';
import { readTurn } from '../run/upcast.ts';
import { within } from './keys.ts';

const PER_PAGE = 1_000;

/** The turns of a run as they are on disk, however many, in the form of today. */
export function* turnsOf(store: Pick<Store, 'range'>, org: OrgId, id: RunId): Generator<StoredTurn, void> {
  const span = within(`${org}/turn/${id}`);
  for (let from = span.from; ; ) {
    const rows = store.range({ from, to: span.to, limit: PER_PAGE });
    for (const { value } of rows) yield readTurn(value);
    const last = rows.at(-1);
    if (!last || rows.length < PER_PAGE) return;
    from = `${last.key}\0`;
  }
}

/** The run as it is on disk; null when there is none. */
export function readRun(store: Pick<Store, 'range'>, org: OrgId, id: RunId): Run | null {
  return replay(turnsOf(store, org, id));
}
