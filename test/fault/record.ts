import { join } from 'node:path';
import { openLmdbStore } from '../../kernel/adapter/lmdb/store.ts';
import { digestOf } from '../../kernel/base/digest.ts';
import type { OrgId, RunId } from '../../kernel/base/id.ts';
import { within } from '../../kernel/flow/keys.ts';
import { type RunSummary, summaryOf } from '../../kernel/flow/project.ts';
import type { Store } from '../../kernel/port/store.ts';
import type { StoredTurn } from '../../kernel/run/event.ts';
import { replay } from '../../kernel/run/evolve.ts';
import type { Run } from '../../kernel/run/state.ts';
import type { AuditRecord } from '../../sdk/contract/audit.ts';

/** Looks into the record of a kernel that is not running: what is really on the disk, not what an answer says. */
export async function readRecord<T>(data: string, look: (store: Store) => T): Promise<T> {
  const store = openLmdbStore(join(data, 'record'));
  try {
    return look(store);
  } finally {
    await store.close();
  }
}

const ALL = 10_000_000;

export const keysOf = (store: Store, prefix: string): readonly string[] =>
  store.range({ ...within(prefix), limit: ALL }).map((row) => row.key);

export type StoredRun = { readonly run: Run; readonly turns: readonly StoredTurn[]; readonly summary: RunSummary };

/** One run, folded from its turns. */
export function runOf(store: Store, org: OrgId, id: RunId): Pick<StoredRun, 'run' | 'turns'> {
  const rows = store.range({ ...within(`${org}/turn/${id}`), limit: ALL });
  const turns = rows.map(({ value }) => JSON.parse(value) as StoredTurn);
  const run = replay(turns);
  if (!run) throw new Error(`the run ${id} has no turns`);
  return { run, turns };
}

/** Every run of the org, folded from its turns. */
export function runsOf(store: Store, org: OrgId): readonly StoredRun[] {
  const turns = new Map<string, StoredTurn[]>();
  for (const { key, value } of store.range({ ...within(`${org}/turn`), limit: ALL })) {
    const [, , run = ''] = key.split('/');
    const list = turns.get(run) ?? [];
    turns.set(run, list);
    list.push(JSON.parse(value) as StoredTurn);
  }
  return [...turns].map(([id, list]) => {
    const run = replay(list);
    if (!run) throw new Error(`the run ${id} has no turns`);
    const text = store.get(`${org}/run/${id as RunId}`);
    return { run, turns: list, summary: JSON.parse(text ?? 'null') as RunSummary };
  });
}

/**
 * Where the record and its audit disagree: every event of every run has exactly one audit record, at the number that
 * the turn says, with the digest of the event's text; no other record claims to be an act of a run; and the summary of
 * a run is that of its turns.
 * @param records all records of the org.
 */
export function disagreements(runs: readonly StoredRun[], records: readonly AuditRecord[]): readonly string[] {
  const found: string[] = [];
  const acts = new Map(records.map((record) => [record.seq, record]));
  let events = 0;
  for (const { run, turns, summary } of runs) {
    if (JSON.stringify(summary) !== JSON.stringify(summaryOf(run))) found.push(`${run.id}: another summary`);
    for (const turn of turns)
      turn.events.forEach((event, index) => {
        events++;
        const record = acts.get(turn.seq + index);
        const isIts = record?.run === run.id && record.act === digestOf(JSON.stringify(event));
        if (!isIts) found.push(`${run.id}: ${event.kind} is not record ${turn.seq + index}`);
      });
  }
  const acting = records.filter((record) => record.run !== undefined && record.act !== undefined).length;
  if (acting !== events) found.push(`${acting} records of runs for ${events} events`);
  return found;
}
