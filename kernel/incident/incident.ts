import type { EntryKind, IncidentState, Severity } from '../../sdk/contract/incident-word.ts';
import type { OrgId } from '../base/id.ts';
import { type UnixMs, unixMs } from '../base/time.ts';

/**
 * An incident: what a finding, the runs about it, and people have made of one case. It is moved by changes, each of
 * which is one entry of its timeline; what a change asks for and may not have is in the entry all the same.
 */
export type Incident = {
  readonly incident: string;
  readonly org: OrgId;
  readonly state: IncidentState;
  readonly severity: Severity;
  readonly title: string | null;
  /** Who reported it first: the source of the event. */
  readonly source: string | null;
  /** How sure the reporter is, and how unsure, as it says itself; null where it says nothing. */
  readonly confidence: number | null;
  readonly uncertainty: number | null;
  readonly createdAt: UnixMs;
  readonly updatedAt: UnixMs;
  /** Entries that its timeline has had; the next one has this number. */
  readonly entries: number;
};

/** One entry of the timeline. `seq` is the audit record that it stands on; absent in entries from before there was one. */
export type Entry = {
  readonly at: UnixMs;
  readonly seq?: number;
  readonly kind: EntryKind;
  /** `principal:<id>` or `system:<part>`. */
  readonly by: string;
  readonly event?: string;
  readonly run?: string;
  readonly playbook?: string;
  readonly step?: string;
  readonly approval?: string;
  /** What became of it: a word. Of an asked state: `moved`, `kept` (it was there already) or `refused`. */
  readonly outcome?: string;
  /** The state that was asked for, and the one before. */
  readonly state?: IncidentState;
  readonly from?: IncidentState;
  readonly note?: string;
};

/** What a change asks of the incident itself; what is absent stays. */
export type Asked = {
  readonly state?: IncidentState | undefined;
  readonly severity?: Severity | undefined;
  readonly title?: string | undefined;
  readonly source?: string | undefined;
  readonly confidence?: number | undefined;
  readonly uncertainty?: number | undefined;
};

export type Change = {
  readonly incident: string;
  readonly entry: Omit<Entry, 'state' | 'from'>;
  readonly asked?: Asked;
};

/** The id of an incident: it stands in keys, addresses and the audit log. */
export const isIncidentId = (text: unknown): text is string =>
  typeof text === 'string' && /^[\x21-\x7e]{1,256}$/.test(text);

/**
 * Where an incident may go from each state. Forward, everybody may move it; what stands behind a `<` is back, which only
 * a run or a person may do: an event is a report from outside, and may be late.
 */
const FORWARD: Readonly<Record<IncidentState, readonly IncidentState[]>> = {
  new: ['triaged', 'contained', 'resolved', 'closed'],
  triaged: ['contained', 'resolved', 'closed'],
  contained: ['resolved', 'closed'],
  resolved: ['closed'],
  closed: [],
};
/** Containment was lifted, or the case is opened again. */
const BACK: Readonly<Record<IncidentState, readonly IncidentState[]>> = {
  new: [],
  triaged: [],
  contained: ['triaged'],
  resolved: ['triaged'],
  closed: ['triaged'],
};

export const mayMove = (from: IncidentState, to: IncidentState, kind: EntryKind): boolean =>
  FORWARD[from].includes(to) || (kind !== 'reported' && BACK[from].includes(to));

/** Where a person or a run may move it to from here. */
export const movesFrom = (from: IncidentState): readonly IncidentState[] => [...FORWARD[from], ...BACK[from]];

/** The incident that a first change is about, before it. */
const begin = (org: OrgId, { incident, entry, asked }: Change): Incident => ({
  incident,
  org,
  state: 'new',
  severity: 'unknown',
  title: null,
  source: asked?.source ?? null,
  confidence: null,
  uncertainty: null,
  createdAt: entry.at,
  updatedAt: entry.at,
  entries: 0,
});

export type Changed = {
  /** Null: this change is the first. */
  readonly before: Incident | null;
  readonly after: Incident;
  readonly entry: Entry;
};

/** (incident, change) -> incident and the entry that tells of it. Total: what may not be is told, and changes nothing. */
export function applyChange(org: OrgId, known: Incident | null, change: Change): Changed {
  const before = known ?? begin(org, change);
  const { entry, asked = {} } = change;
  const wanted = asked.state;
  const outcome = wanted === undefined ? undefined : moveOf(known, before.state, wanted, entry.kind);
  const after: Incident = {
    ...before,
    state: outcome === 'moved' && wanted !== undefined ? wanted : before.state,
    severity: severityOf(before.severity, asked.severity, entry.kind),
    title: asked.title ?? before.title,
    source: before.source ?? asked.source ?? null,
    confidence: asked.confidence ?? before.confidence,
    uncertainty: asked.uncertainty ?? before.uncertainty,
    // A clock that was set back must not make it older.
    updatedAt: unixMs(Math.max(entry.at, before.updatedAt)),
    entries: before.entries + 1,
  };
  if (wanted === undefined || outcome === undefined) return { before: known, after, entry };
  return { before: known, after, entry: { ...entry, outcome, state: wanted, from: before.state } };
}

/** A reporter that does not know does not take away what is known. */
const severityOf = (before: Severity, asked: Severity | undefined, kind: EntryKind): Severity =>
  asked === undefined || (asked === 'unknown' && kind === 'reported') ? before : asked;

type Move = 'moved' | 'kept' | 'refused';

const moveOf = (known: Incident | null, from: IncidentState, to: IncidentState, kind: EntryKind): Move => {
  if (from === to) return known ? 'kept' : 'moved';
  return mayMove(from, to, kind) ? 'moved' : 'refused';
};
