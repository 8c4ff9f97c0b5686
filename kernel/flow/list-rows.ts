import { CLOSURES, RUN_STATES } from '../../sdk/contract/api-run.ts';
import { digestOf } from '../base/digest.ts';
import type { OrgId } from '../base/id.ts';
import type { Write } from '../port/store.ts';
import { KEYS } from './keys.ts';
import type { ApprovalRow, RunSummary } from './project.ts';

/**
 * The lists that history is found by: for each value of a field the ids that have it, as keys with nothing behind them.
 * Ids sort by time, so every list is in the order of time, and what stands in several is found without a scan
 * (list-read.ts). A run has four rows, written with its start: one for its status, which is all that changes of it and
 * moves with it, and one each for playbook, trigger and requester; and one for each incident that it belongs to or updates.
 */
export type RunStatus = Pick<RunSummary, 'state' | 'closure' | 'partial'>;
type FixedField = 'playbook' | 'trigger' | 'requester';
const FIXED: readonly FixedField[] = ['playbook', 'trigger', 'requester'];

const LISTED = '{}';

/** A value as part of a key: names as they are, anything else by its digest. A row found is held against the filter. */
const part = (value: string): string =>
  /^[a-z0-9][a-z0-9._-]{0,127}$/.test(value) ? value : digestOf(value).slice(7, 39);

const statusPart = ({ state, closure, partial }: RunStatus): string =>
  `${state}.${closure}.${partial ? 'partial' : 'whole'}`;

const runList = (org: OrgId, field: FixedField | 'incident', value: string): string =>
  KEYS.listed(org, 'run', field, part(value));
const statusList = (org: OrgId, status: RunStatus): string => KEYS.listed(org, 'run', 'status', statusPart(status));

/** @param before the summary that the lists show now; null where there is none yet. */
export function runListRows(before: RunSummary | null, after: RunSummary): Write[] {
  const { org, run } = after;
  const list = statusList(org, after);
  const was = before && statusList(org, before);
  if (was === list) return [];
  const rows: Write[] = [{ key: `${list}/${run}`, value: LISTED }];
  if (was !== null) return [...rows, { key: `${was}/${run}`, value: null }];
  return [...rows, ...FIXED.map((field) => ({ key: `${runList(org, field, after[field])}/${run}`, value: LISTED }))];
}

export const incidentListRow = (
  { org, id }: { readonly org: OrgId; readonly id: string },
  incident: string,
): Write => ({
  key: `${runList(org, 'incident', incident)}/${id}`,
  value: LISTED,
});

export function approvalListRows(was: ApprovalRow['state'] | undefined, after: ApprovalRow): Write[] {
  const { org, id, state } = after;
  if (was === state) return [];
  const rows: Write[] = [{ key: `${approvalList(org, state)}/${id}`, value: LISTED }];
  return was === undefined ? rows : [...rows, { key: `${approvalList(org, was)}/${id}`, value: null }];
}

export const approvalList = (org: OrgId, state: string): string => KEYS.listed(org, 'approval', 'state', part(state));

export type RunFilter = {
  readonly state?: RunSummary['state'] | undefined;
  readonly closure?: RunSummary['closure'] | undefined;
  readonly partial?: boolean | undefined;
  readonly playbook?: string | undefined;
  readonly trigger?: string | undefined;
  readonly requester?: string | undefined;
  /** A run that belongs to it, or has updated it. */
  readonly incident?: string | undefined;
};

/**
 * The lists that what passes the filter stands in: in one of every group. The three parts of a status share a row, so
 * a filter on one of them is a group of lists, one for each value of the others.
 */
export function listsOf(org: OrgId, filter: RunFilter): readonly (readonly string[])[] {
  const { state, closure, partial, incident } = filter;
  const fixed = FIXED.flatMap((field) => {
    const value = filter[field];
    return value === undefined ? [] : [[runList(org, field, value)]];
  });
  if (incident !== undefined) fixed.push([runList(org, 'incident', incident)]);
  if (state === undefined && closure === undefined && partial === undefined) return fixed;
  const group: string[] = [];
  for (const one of state === undefined ? RUN_STATES : [state])
    for (const two of closure === undefined ? CLOSURES : [closure])
      for (const three of partial === undefined ? [false, true] : [partial])
        group.push(statusList(org, { state: one, closure: two, partial: three }));
  return [...fixed, group];
}

/** Whether a run passes, as far as its summary shows; an incident is only in the list. */
export const passes = (row: RunSummary, filter: RunFilter): boolean =>
  (['state', 'closure', 'partial', ...FIXED] as const).every(
    (field) => filter[field] === undefined || filter[field] === row[field],
  );
