import type { OrgId, StepRunId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import type { UnixMs } from '../base/time.ts';
import { applyChange, type Change, type Changed, type Entry, type Incident } from '../incident/incident.ts';
import { changesOfTurn } from '../incident/of-turn.ts';
import { readIncident } from '../incident/stored.ts';
import { type LifecycleDraft, lifecycleId, type StoredLifecycle } from '../lifecycle/event.ts';
import { lifecycleOfTurn } from '../lifecycle/of-turn.ts';
import type { Write } from '../port/store.ts';
import type { StoredTurn } from '../run/event.ts';
import type { Run } from '../run/state.ts';
import { KEYS } from './keys.ts';

/**
 * Rows that tell: incidents with their timelines, and lifecycle events. They are written in the commit of the change that
 * they tell of.
 */
type Read = (key: string) => string | undefined;

/** A lifecycle event for the commit that holds the audit record `draft.data.seq`. The helper of whoever tells something. */
export const lifecycleRow = (org: OrgId, at: UnixMs, draft: LifecycleDraft): Write => {
  const stored: StoredLifecycle = { ...draft, at };
  return { key: KEYS.lifecycle(org, lifecycleId(draft)), value: JSON.stringify(stored) };
};

/** What a turn of a run tells. @param stepType the type of a step of its playbook. */
export function rowsOfTurn(
  before: Run | null,
  run: Run,
  turn: Pick<StoredTurn, 'at' | 'seq' | 'events'>,
  stepType: (step: StepRunId) => string | undefined,
  read: Read,
): Write[] {
  const told = lifecycleOfTurn(before, run, turn).map((draft) => lifecycleRow(run.org, turn.at, draft));
  const changes = changesOfTurn(run, turn, (step) => stepType(step) === 'contain');
  return [...told, ...incidentRows(run.org, changes, read)];
}

/** Each change is one entry of a timeline; those of one incident stand on each other. */
export function incidentRows(org: OrgId, changes: readonly Change[], read: Read): Write[] {
  const rows: Write[] = [];
  const latest = new Map<string, Incident>();
  for (const change of changes) {
    const id = change.incident;
    const text = latest.has(id) ? undefined : read(KEYS.incident(org, id));
    const stored = text === undefined ? undefined : readIncident(text);
    stored?.former.forEach((entry, n) => void rows.push(entryRow(org, id, n, entry)));
    const changed = applyChange(org, latest.get(id) ?? stored?.incident ?? null, change);
    latest.set(id, changed.after);
    rows.push(...rowsOfChange(org, changed));
  }
  for (const [id, incident] of latest) rows.push({ key: KEYS.incident(org, id), value: JSON.stringify(incident) });
  return rows;
}

function rowsOfChange(org: OrgId, changed: Changed): Write[] {
  const { before, after, entry } = changed;
  const { incident, entries } = after;
  const rows = [entryRow(org, incident, entries - 1, entry)];
  // The oldest entry makes room: a source that repeats itself must not fill the disk.
  const gone = entries - 1 - LIMITS.incidentEntries.value;
  if (gone >= 0) rows.push({ key: KEYS.incidentEntry(org, incident, gone), value: null });
  if (!before && entry.seq !== undefined)
    rows.push({ key: KEYS.incidentList(org, entry.seq), value: JSON.stringify({ incident }) });
  const told = updatedEvent(changed);
  if (told) rows.push(lifecycleRow(org, entry.at, told));
  return rows;
}

const entryRow = (org: OrgId, incident: string, n: number, entry: Entry): Write => ({
  key: KEYS.incidentEntry(org, incident, n),
  value: JSON.stringify(entry),
});

function updatedEvent({ before, after, entry }: Changed): LifecycleDraft | undefined {
  if (before?.state === after.state && before.severity === after.severity) return undefined;
  const { incident, state, severity } = after;
  const { seq = 0, by, run, event } = entry;
  return {
    type: 'interlock.incident.updated',
    subject: incident,
    data: {
      seq,
      incident,
      state,
      from: before?.state ?? null,
      severity,
      by,
      ...(run !== undefined && { run }),
      ...(event !== undefined && { event }),
    },
  };
}
