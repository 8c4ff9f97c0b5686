import type { OrgId, RunId } from '../base/id.ts';
import type { Store, Write } from '../port/store.ts';
import { KEYS, within } from './keys.ts';
import type { Ledger } from './ledger.ts';
import { approvalListRows, incidentListRow, runListRows } from './list-rows.ts';
import type { ApprovalRow, RunSummary } from './project.ts';
import { othersFirst, type Scheduler } from './scheduler.ts';
import { turnsOf } from './stored-run.ts';

/**
 * Makes the lists of runs that were stored before there were any: newest first, in bounded steps beside all other work.
 * A row in every org says how far it has come, so a restart goes on there. Whatever is started meanwhile is listed by
 * its own turns; making a row that is there already changes nothing.
 */
type Progress = { readonly v: 1; readonly before: string | null };

/** Of an org that has stored nothing yet: its lists are whole from the start. */
export const LISTED_FROM_THE_START = JSON.stringify({ v: 1, before: null } satisfies Progress);

/** @param progress the row of the org; undefined where there is none. */
export const areListed = (progress: Progress | undefined): boolean => progress?.before === null;

/** Runs of one commit, and of the reading between two breaths. */
const PER_COMMIT = 512;
const PER_BREATH = 16;

export async function buildLists(deps: {
  store: Store;
  ledger: Pick<Ledger, 'read' | 'stage'>;
  scheduler: Pick<Scheduler, 'soon'>;
  org: OrgId;
  isStopping: () => boolean;
}): Promise<void> {
  const { store, ledger, scheduler, org, isStopping } = deps;
  const read = <T>(key: string): T | undefined => {
    const text = ledger.read(key);
    return text === undefined ? undefined : (JSON.parse(text) as T);
  };

  /** What never changes of a run is read while others have their turns; what moves, when the rows are staged. */
  const fixedOf = (id: RunId): Fixed => {
    const events = [...turnsOf(store, org, id)].flatMap((turn) => turn.events);
    return {
      id,
      incidents: [
        ...new Set(
          events.flatMap((event) =>
            (event.kind === 'incident-updated' || event.kind === 'run-started') && event.incident !== undefined
              ? [event.incident]
              : [],
          ),
        ),
      ],
      approvals: events.flatMap((event) => (event.kind === 'step-held' ? [event.approval] : [])),
    };
  };
  const rowsOf = ({ id, incidents, approvals }: Fixed): Write[] => {
    const summary = read<RunSummary>(KEYS.run(org, id));
    if (!summary) return [];
    const held = approvals.flatMap((approval) => read<ApprovalRow>(KEYS.approval(org, approval)) ?? []);
    return [
      ...runListRows(null, summary),
      ...incidents.map((incident) => incidentListRow({ org, id }, incident)),
      ...held.flatMap((approval) => approvalListRows(undefined, approval)),
    ];
  };

  const prefix = `${org}/run`;
  const span = within(prefix);
  let before = read<Progress>(KEYS.lists(org))?.before;
  while (before !== null && !isStopping()) {
    const to: string = before === undefined ? span.to : `${prefix}/${before}`;
    const runs = store.range({ from: span.from, to, limit: PER_COMMIT, reverse: true });
    const fixed: Fixed[] = [];
    for (const [index, { key }] of runs.entries()) {
      if (index % PER_BREATH === 0) await othersFirst(scheduler);
      fixed.push(fixedOf(key.slice(prefix.length + 1) as RunId));
    }
    before = runs.length < PER_COMMIT ? null : (fixed.at(-1)?.id ?? null);
    const progress: Progress = { v: 1, before };
    await ledger.stage({
      audit: [{ org, kind: 'lists.built', actor: 'system:kernel', ref: String(runs.length) }],
      rows: [...fixed.flatMap(rowsOf), { key: KEYS.lists(org), value: JSON.stringify(progress) }],
    });
  }
}

type Fixed = { readonly id: RunId; readonly incidents: readonly string[]; readonly approvals: readonly string[] };
