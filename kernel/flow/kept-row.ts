import type { OrgId, RunId, StepRunId } from '../base/id.ts';
import type { UnixMs } from '../base/time.ts';
import type { Store, Write } from '../port/store.ts';
import { KEYS } from './keys.ts';

/**
 * Rows that are good until an instant: what was started, or claimed, for a key, and which things are above their threshold. Each has
 * a second row that sorts by that instant, so that what is too old is found without a search. Old rows are removed in
 * commits that write new ones, a few more than are written, so that there are never many that nobody needs.
 */
export type KeptRow = { readonly until: UnixMs; readonly run?: RunId; readonly step?: StepRunId };
type Read = (key: string) => string | undefined;

export function readKept(read: Read, key: string): KeptRow | undefined {
  const text = read(key);
  return text === undefined ? undefined : (JSON.parse(text) as KeptRow);
}

export function keepRow(read: Read, org: OrgId, key: string, row: KeptRow): Write[] {
  return [
    ...dropForget(read, org, key),
    { key, value: JSON.stringify(row) },
    { key: KEYS.forget(org, row.until, key), value: '{}' },
  ];
}

export const dropRow = (read: Read, org: OrgId, key: string): Write[] => [
  ...dropForget(read, org, key),
  { key, value: null },
];

/** Not in records from before there was one; removing it then does no harm. */
function dropForget(read: Read, org: OrgId, key: string): Write[] {
  const old = readKept(read, key);
  return old ? [{ key: KEYS.forget(org, old.until, key), value: null }] : [];
}

/** What is too old by now, at most `limit` of it. */
export function forgetRows(store: Store, read: Read, org: OrgId, now: UnixMs, limit: number): Write[] {
  const due = store.range({ from: `${org}/forget/`, to: KEYS.forgetUntil(org, now), limit });
  return due.flatMap(({ key: forget }) => {
    // The disk is behind what is staged: the row may have got a longer life, or be gone.
    if (read(forget) === undefined) return [];
    return [
      { key: forget, value: null },
      { key: `${org}/${forget.split('/').slice(3).join('/')}`, value: null },
    ];
  });
}
