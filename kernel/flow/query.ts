import { type ApprovalId, type Digest, type OrgId, type RunId, toRunId } from '../base/id.ts';
import type { UnixMs } from '../base/time.ts';
import { permittedBy, type Verdict } from '../guardrail/verdict.ts';
import type { Entry, Incident } from '../incident/incident.ts';
import { readIncident, type StoredIncident } from '../incident/stored.ts';
import type { TokenRecord } from '../org/principal.ts';
import type { Store } from '../port/store.ts';
import type { Run } from '../run/state.ts';
import { type Trail, trailOf } from '../run/trail.ts';
import { RUN_SOURCE } from '../trigger/event.ts';
import type { AgainRow } from './again.ts';
import { eventAtPlace, KEYS, keyOfPlace, placeOfKey, within } from './keys.ts';
import { areListed } from './list-build.ts';
import { idsIn, type Lists } from './list-read.ts';
import { approvalList, listsOf, passes, type RunFilter } from './list-rows.ts';
import { pauseOfSummary } from './pause.ts';
import type { PlaybookRecord } from './playbooks.ts';
import type { ApprovalRow, RunSummary } from './project.ts';
import type { PolicySet, StoredVersion } from './registry.ts';
import type { Absorbed } from './repeat.ts';
import { eventIdOf, type StoredEvent, type TriggerOutcome } from './stored-event.ts';
import { readRun, turnsOf } from './stored-run.ts';

/** Reads for answers: only what is on disk, always within one org. */
export type RunQuery = RunFilter & {
  /** Started at this time or later. */
  readonly since?: UnixMs | undefined;
  /** Started before this time. */
  readonly until?: UnixMs | undefined;
};
export type EventQuery = {
  /** Of one of its triggers. */
  readonly outcome?: TriggerOutcome['outcome'] | undefined;
  /** Came at this time or later. */
  readonly since?: UnixMs | undefined;
  /** Came before this time. */
  readonly until?: UnixMs | undefined;
};
export type IncidentFilter = { readonly state?: string | undefined; readonly severity?: string | undefined };
export type VerdictOf = (step: string) => (Verdict & { readonly text: string }) | undefined;
export type Page<T> = { readonly items: readonly T[]; readonly next: string | null };

/** Rows that one page may read; one that needs more is short and has a cursor, and is never a slow answer. */
const READ = 2_000;

/** An id is made a little before the start that is recorded under it; and clocks are set. */
const SLACK_MS = 60_000;
/** Sorts after every id. */
const NEWEST = '~';

/**
 * Rows in characters that one page by name parses; it ends with the first that goes beyond. A playbook of 1,000 versions
 * has some 200,000, and a page of 200 such would stop the kernel for a tenth of a second.
 */
const PARSED = 1_000_000;
/** Rows that are read before it is asked how large they are. */
const STRIDE = 8;

export type Query = ReturnType<typeof openQuery>;

export function openQuery(store: Store) {
  /**
   * Newest first, what stands in one list of every group. `after` is the last id of the page before.
   * @param load what an id stands for, or undefined where it is not what is looked for after all.
   */
  const page = <T>(lists: Lists, limit: number, load: (id: string) => T | undefined): Page<T> => {
    const items: T[] = [];
    const reading = { rows: 0 };
    for (const { id, isIn } of idsIn(store, lists, reading)) {
      const item = isIn ? load(id) : undefined;
      if (isIn) reading.rows++;
      if (item !== undefined) items.push(item);
      if (items.length === limit || reading.rows >= READ) return { items, next: id };
    }
    return { items, next: null };
  };

  /** Newest first, all rows under this prefix. */
  const whole = <T>(prefix: string, limit: number, after = NEWEST): Page<T> =>
    page({ groups: [[prefix]], below: after, from: '' }, limit, (id) => read<T>(`${prefix}/${id}`));

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
    /** When everything of the run happened, and who did it. */
    trail: (org: OrgId, id: RunId): Trail => trailOf(turnsOf(store, org, id)),
    /** What the guardrails that the run keeps said of each step last, and in what words. Undefined: nothing. */
    verdicts(run: Run, trail: Trail): VerdictOf {
      const guardrails = read<PolicySet>(KEYS.policy(run.org, run.policy))?.guardrails;
      return (step) => {
        const last = trail.verdictOf(step);
        if (last?.text != null) return { kind: 'deny', by: last.by, text: last.text };
        return last && guardrails && permittedBy(guardrails, last.by);
      };
    },
    areListed: (org: OrgId): boolean => areListed(read(KEYS.lists(org))),
    runs(org: OrgId, query: RunQuery, limit: number, after?: string): Page<RunSummary> {
      const { since, until } = query;
      const below = [after ?? NEWEST, until === undefined ? NEWEST : firstRunIdOf(until + SLACK_MS)].sort()[0] ?? '';
      const from = since === undefined ? '' : firstRunIdOf(since - SLACK_MS);
      // What was stored before there were lists is found by looking at everything, until they are made.
      const groups = areListed(read(KEYS.lists(org)))
        ? listsOf(org, query)
        : listsOf(org, { incident: query.incident });
      const lists = { groups: groups.length > 0 ? groups : [[`${org}/run`]], below, from };
      return page(lists, limit, (id) => {
        const row = read<RunSummary>(KEYS.run(org, id as RunId));
        const fits = row && passes(row, query) && row.startedAt >= (since ?? 0) && row.startedAt < (until ?? Infinity);
        return fits ? row : undefined;
      });
    },
    /** Whose pause keeps the run from sending. */
    pauseOf: (run: RunSummary) => pauseOfSummary(store.get, run),
    runSummary: (org: OrgId, id: RunId) => read<RunSummary>(KEYS.run(org, id)),
    absorbed: (org: OrgId, id: RunId) => read<Absorbed>(KEYS.absorbed(org, id)),
    /** The last run that somebody asked for, of those that its event has started by its trigger; null: not after it. */
    ranAgainAs({ org, id, event, playbook, trigger, parent, startedBy }: Run): RunId | null {
      const last = parent || startedBy ? undefined : read<AgainRow>(KEYS.again(org, event, playbook.name, trigger));
      return last && last.run !== id ? last.run : null;
    },
    /** The run whose end has started this one; null: something else did. */
    answers({ org, event, parent, startedBy }: Run): RunId | null {
      const by = parent || startedBy ? undefined : read<StoredEvent>(KEYS.event(org, event))?.event;
      return by?.receivedFormat === 'run' ? (toRunId(String(by.data.run)) ?? null) : null;
    },
    /** The runs that the end of this one has started. */
    answeredBy({ org, id, ended }: Run): readonly RunId[] {
      const end = ended && read<StoredEvent>(KEYS.event(org, eventIdOf(org, { source: RUN_SOURCE, sourceId: id })));
      return (end?.triggers ?? []).flatMap(({ outcome, run }) =>
        run !== null && (outcome === 'matched' || outcome === 'queued') ? [run] : [],
      );
    },
    version: (org: OrgId, name: string, digest: Digest) => read<StoredVersion>(KEYS.version(org, name, digest)),
    /** As they came, newest first; a page of large events is a short one. `after` is the place of the last row of the page before. */
    events(org: OrgId, { outcome, since, until }: EventQuery, limit: number, after?: string): Page<StoredEvent> {
      const span = within(`${org}/event-at`);
      const to = after === undefined ? undefined : keyOfPlace(org, after);
      const keys = store.range({
        from: since === undefined ? span.from : KEYS.eventsFrom(org, since),
        to: to ?? (until === undefined ? span.to : KEYS.eventsFrom(org, until)),
        limit: READ,
        reverse: true,
      });
      const items: StoredEvent[] = [];
      let left = PARSED;
      for (const { key } of keys) {
        const place = placeOfKey(org, key);
        const text = store.get(KEYS.event(org, eventAtPlace(place))) ?? '';
        const stored = text === '' ? undefined : (JSON.parse(text) as StoredEvent);
        if (stored && (outcome === undefined || stored.triggers.some((one) => one.outcome === outcome)))
          items.push(stored);
        left -= text.length;
        if (items.length === limit || left <= 0) return { items, next: place };
      }
      const last = keys.length === READ ? keys.at(-1)?.key : undefined;
      return { items, next: last === undefined ? null : placeOfKey(org, last) };
    },
    event: (org: OrgId, id: string) => read<StoredEvent>(`${org}/event/${id}`),
    approval: (org: OrgId, id: ApprovalId) => read<ApprovalRow>(KEYS.approval(org, id)),
    approvals(org: OrgId, state: string | undefined, limit: number, after = NEWEST): Page<ApprovalRow> {
      const isListed = state !== undefined && areListed(read(KEYS.lists(org)));
      const groups = [[isListed ? approvalList(org, state) : `${org}/approval`]];
      return page({ groups, below: after, from: '' }, limit, (id) => {
        const row = read<ApprovalRow>(KEYS.approval(org, id));
        return row && (state === undefined || row.state === state) ? row : undefined;
      });
    },
    playbooks: (org: OrgId, limit: number, after?: string): Page<PlaybookRecord> =>
      named<PlaybookRecord>(`${org}/playbook`, limit, after),
    tokens: (org: OrgId, limit: number, after?: string): Page<TokenRecord> =>
      named<TokenRecord>(`${org}/token`, limit, after),
    playbook: (org: OrgId, name: string) => read<PlaybookRecord>(KEYS.playbook(org, name)),
    incident: (org: OrgId, id: string) => incident(org, id)?.incident,
    incidents(org: OrgId, { state, severity }: IncidentFilter, limit: number, after = NEWEST): Page<Incident> {
      const list = `${org}/incident-list`;
      return page({ groups: [[list]], below: after, from: '' }, limit, (id) => {
        const row = read<{ readonly incident: string }>(`${list}/${id}`);
        const found = row && incident(org, row.incident)?.incident;
        return found && (!state || found.state === state) && (!severity || found.severity === severity)
          ? found
          : undefined;
      });
    },
    /** Newest first. `after` is the number of the last entry of the page before. */
    timeline(org: OrgId, id: string, limit: number, after?: string): Page<Entry> {
      const former = incident(org, id)?.former ?? [];
      if (former.length === 0) return whole<Entry>(`${org}/incident-at/${encodeURIComponent(id)}`, limit, after);
      // They are few, and become rows with the next change.
      const older = former.slice(0, after === undefined ? undefined : Number(after));
      const from = Math.max(0, older.length - limit);
      return { items: older.slice(from).toReversed(), next: from === 0 ? null : String(from).padStart(15, '0') };
    },
  };
}

/** Ids begin with the time at which they were made (RFC 9562, version 7). */
const firstRunIdOf = (at: number): string => `run_${Math.max(0, at).toString(16).padStart(12, '0')}`;
