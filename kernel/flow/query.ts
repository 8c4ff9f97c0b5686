import type { ApprovalId, Digest, OrgId, RunId } from '../base/id.ts';
import type { Entry, Incident } from '../incident/incident.ts';
import { readIncident, type StoredIncident } from '../incident/stored.ts';
import type { TokenRecord } from '../org/principal.ts';
import type { Store } from '../port/store.ts';
import type { Run } from '../run/state.ts';
import { KEYS, within } from './keys.ts';
import type { PlaybookRecord } from './playbooks.ts';
import type { ApprovalRow, RunSummary } from './project.ts';
import type { StoredVersion } from './registry.ts';
import type { Absorbed } from './repeat.ts';
import type { StoredEvent } from './stored-event.ts';
import { readRun } from './stored-run.ts';

/** Reads for answers: only what is on disk, always within one org. */
export type RunFilter = {
  readonly state?: string | undefined;
  readonly playbook?: string | undefined;
  readonly isOpen?: true;
};
export type IncidentFilter = { readonly state?: string | undefined; readonly severity?: string | undefined };
export type Page<T> = { readonly items: readonly T[]; readonly next: string | null };

/** Rows that one page may look at; a rare filter then gives a short page with a cursor, never a slow answer. */
const SCANNED = 2_000;

/**
 * Rows in characters that one page by name parses; it ends with the first that goes beyond. A playbook of 1,000 versions
 * has some 200,000, and a page of 200 such would stop the kernel for a tenth of a second.
 */
const PARSED = 1_000_000;
/** Rows that are read before it is asked how large they are. */
const STRIDE = 8;

export type Query = ReturnType<typeof openQuery>;

export function openQuery(store: Store) {
  /** Newest first. `after` is the last key of the page before: a run id of this org, never a raw key. */
  const page = <T>(prefix: string, limit: number, after: string | undefined, keep: (row: T) => boolean): Page<T> => {
    const span = within(prefix);
    const items: T[] = [];
    let to = after === undefined ? span.to : `${prefix}/${after}`;
    let seen = 0;
    while (seen < SCANNED) {
      const rows = store.range({ from: span.from, to, limit: Math.min(SCANNED - seen, 200), reverse: true });
      for (const { key, value } of rows) {
        seen++;
        to = key;
        const row = JSON.parse(value) as T;
        if (keep(row)) items.push(row);
        if (items.length === limit) return { items, next: key.slice(prefix.length + 1) };
      }
      if (rows.length === 0) return { items, next: null };
    }
    return { items, next: to.slice(prefix.length + 1) };
  };

  /** By name or id; a page of large rows is a short one. `after` is that of the last row of the page before; the form of it is the caller's to check. */
  const named = <T>(prefix: string, limit: number, after: string | undefined): Page<T> => {
    const span = within(prefix);
    const items: T[] = [];
    let last = after;
    for (let left = PARSED; ; ) {
      // `!` sorts before all that a name may go on with.
      const from = last === undefined ? span.from : `${prefix}/${last}!`;
      const rows = store.range({ from, to: span.to, limit: STRIDE });
      for (const { key, value } of rows) {
        if (items.length === limit || left <= 0) return { items, next: last ?? null };
        items.push(JSON.parse(value) as T);
        last = key.slice(prefix.length + 1);
        left -= value.length;
      }
      if (rows.length < STRIDE) return { items, next: null };
    }
  };

  const read = <T>(key: string): T | undefined => {
    const text = store.get(key);
    return text === undefined ? undefined : (JSON.parse(text) as T);
  };
  const incident = (org: OrgId, id: string): StoredIncident | undefined => {
    const text = store.get(KEYS.incident(org, id));
    return text === undefined ? undefined : readIncident(text);
  };

  return {
    run: (org: OrgId, id: RunId): Run | null => readRun(store, org, id),
    runs: (org: OrgId, filter: RunFilter, limit: number, after?: string): Page<RunSummary> =>
      page<RunSummary>(
        `${org}/run`,
        limit,
        after,
        (row) =>
          (!filter.state || row.state === filter.state) &&
          (!filter.playbook || row.playbook === filter.playbook) &&
          (!filter.isOpen || row.endedAt === null),
      ),
    runSummary: (org: OrgId, id: RunId) => read<RunSummary>(KEYS.run(org, id)),
    absorbed: (org: OrgId, id: RunId) => read<Absorbed>(KEYS.absorbed(org, id)),
    version: (org: OrgId, name: string, digest: Digest) => read<StoredVersion>(KEYS.version(org, name, digest)),
    event: (org: OrgId, id: string) => read<StoredEvent>(`${org}/event/${id}`),
    approval: (org: OrgId, id: ApprovalId) => read<ApprovalRow>(KEYS.approval(org, id)),
    approvals: (org: OrgId, state: string | undefined, limit: number, after?: string): Page<ApprovalRow> =>
      page<ApprovalRow>(`${org}/approval`, limit, after, (row) => !state || row.state === state),
    playbooks: (org: OrgId, limit: number, after?: string): Page<PlaybookRecord> =>
      named<PlaybookRecord>(`${org}/playbook`, limit, after),
    tokens: (org: OrgId, limit: number, after?: string): Page<TokenRecord> =>
      named<TokenRecord>(`${org}/token`, limit, after),
    playbook: (org: OrgId, name: string) => read<PlaybookRecord>(KEYS.playbook(org, name)),
    incident: (org: OrgId, id: string) => incident(org, id)?.incident,
    incidents(org: OrgId, { state, severity }: IncidentFilter, limit: number, after?: string): Page<Incident> {
      const items: Incident[] = [];
      const { next } = page<{ readonly incident: string }>(`${org}/incident-list`, limit, after, (row) => {
        const found = incident(org, row.incident)?.incident;
        const fits = found && (!state || found.state === state) && (!severity || found.severity === severity);
        if (fits) items.push(found);
        return fits === true;
      });
      return { items, next };
    },
    /** Newest first. `after` is the number of the last entry of the page before. */
    timeline(org: OrgId, id: string, limit: number, after?: string): Page<Entry> {
      const former = incident(org, id)?.former ?? [];
      if (former.length === 0)
        return page<Entry>(`${org}/incident-at/${encodeURIComponent(id)}`, limit, after, () => true);
      // They are few, and become rows with the next change.
      const older = former.slice(0, after === undefined ? undefined : Number(after));
      const from = Math.max(0, older.length - limit);
      return { items: older.slice(from).toReversed(), next: from === 0 ? null : String(from).padStart(15, '0') };
    },
  };
}
