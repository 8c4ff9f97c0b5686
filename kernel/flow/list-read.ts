import type { Store } from '../port/store.ts';

/**
 * Reads what stands in several lists at once, newest first, each a span of keys that end in an id. All are in the same
 * order, so they are leapfrogged: each jumps to its newest id that is not newer than what the others have come to. That
 * reads about as many rows as the shortest list has, however long the others are and whatever they have in common.
 */
export type Lists = {
  /** What is looked for stands in one list of every group; a list is named by the prefix of its keys. */
  readonly groups: readonly (readonly string[])[];
  /** What is given sorts before this, */
  readonly below: string;
  /** and not before that. */
  readonly from: string;
};

/** Rows that one list reads at a time: few, since the next jump may go far beyond them. */
const STRIDE = 32;

type IdList = { below(limit: string): string | undefined };
/** Counts what is read, so that whoever asks can stop. */
export type Reading = { rows: number };
export type Found = { readonly id: string; readonly isIn: boolean };

/**
 * Gives every id that was come to, whether it is in all groups or not: so that a walk which finds nothing can be left all
 * the same, and be taken up again below the last id given.
 */
export function* idsIn(store: Store, { groups, below, from }: Lists, reading: Reading): Generator<Found, void> {
  const lists = groups.map((prefixes) => union(prefixes.map((prefix) => listAt(store, prefix, from, reading))));
  let limit = below;
  let candidate: string | undefined;
  let agreed = 0;
  for (let turn = 0; ; turn++) {
    const id = lists[turn % lists.length]?.below(limit);
    if (id === undefined) return;
    if (id !== candidate) {
      if (candidate !== undefined) yield { id: candidate, isIn: false };
      candidate = id;
      agreed = 0;
    }
    agreed++;
    limit = `${id}!`;
    if (agreed < lists.length) continue;
    yield { id, isIn: true };
    limit = id;
    candidate = undefined;
  }
}
function listAt(store: Store, prefix: string, from: string, reading: Reading): IdList {
  let ids: readonly string[] = [];
  let at = 0;
  let isLast = false;
  return {
    below(limit) {
      while (at < ids.length && (ids[at] as string) >= limit) at++;
      if (at < ids.length) return ids[at];
      if (isLast) return undefined;
      const rows = store.range({
        from: `${prefix}/${from}`,
        to: `${prefix}/${limit}`,
        limit: STRIDE,
        reverse: true,
      });
      reading.rows += rows.length;
      ids = rows.map(({ key }) => key.slice(prefix.length + 1));
      at = 0;
      isLast = rows.length < STRIDE;
      return ids[0];
    },
  };
}

function union(lists: readonly IdList[]): IdList {
  const [only] = lists;
  if (only && lists.length === 1) return only;
  return {
    below(limit) {
      let newest: string | undefined;
      for (const list of lists) {
        const id = list.below(limit);
        if (id !== undefined && (newest === undefined || id > newest)) newest = id;
      }
      return newest;
    },
  };
}
