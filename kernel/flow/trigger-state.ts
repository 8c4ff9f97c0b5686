import type { EventId, OrgId, PrincipalId, RunId } from '../base/id.ts';
import type { UnixMs } from '../base/time.ts';
import type { Write } from '../port/store.ts';
import type { Place } from '../trigger/due.ts';
import { type Pace, STILL } from '../trigger/pace.ts';
import type { Hour } from '../trigger/tally.ts';
import { KEYS } from './keys.ts';

/**
 * What is remembered of a trigger, whichever version of its playbook is in force: one small row, moved in the commit of
 * what moved it, however many events come.
 */
export type TriggerState = {
  readonly pace: Pace;
  readonly hours: readonly Hour[];
  /** Of a schedule. */
  readonly place: Place | null;
  /** Where its row in the order of due times stands. */
  readonly due: UnixMs | null;
  readonly stopped: { readonly by: PrincipalId; readonly at: UnixMs; readonly reason: string } | null;
  /** The last run that it started. */
  readonly last: { readonly at: UnixMs; readonly event: EventId; readonly run: RunId } | null;
};

/** A trigger by its name in the org. */
export type TriggerName = { readonly playbook: string; readonly trigger: string };
export const refOf = ({ playbook, trigger }: TriggerName): string => `${playbook}/${trigger}`;

const FRESH: TriggerState = { pace: STILL, hours: [], place: null, due: null, stopped: null, last: null };

export function readState(
  read: (key: string) => string | undefined,
  org: OrgId,
  { playbook, trigger }: TriggerName,
): TriggerState {
  const text = read(KEYS.trigger(org, playbook, trigger));
  return text === undefined ? FRESH : { ...FRESH, ...(JSON.parse(text) as Partial<TriggerState>) };
}

/** The row, and its place in the order of due times where that has moved. */
export function stateRows(
  org: OrgId,
  { playbook, trigger }: TriggerName,
  before: TriggerState,
  after: TriggerState,
): Write[] {
  const rows: Write[] = [{ key: KEYS.trigger(org, playbook, trigger), value: JSON.stringify(after) }];
  if (before.due === after.due) return rows;
  if (before.due !== null) rows.push({ key: KEYS.due(before.due, org, playbook, trigger), value: null });
  if (after.due !== null) rows.push({ key: KEYS.due(after.due, org, playbook, trigger), value: '{}' });
  return rows;
}
