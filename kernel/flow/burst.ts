import type { AuditDraft } from '../audit/record.ts';
import type { OrgId } from '../base/id.ts';
import type { UnixMs } from '../base/time.ts';
import type { Write } from '../port/store.ts';
import { calmBy, type Limits, type Paced } from '../trigger/pace.ts';
import { alert } from './alert.ts';
import { refOf, type TriggerName, type TriggerState } from './trigger-state.ts';

/** What is told of a burst: once when it begins, once when it is over. */
export type Told = {
  readonly state: TriggerState;
  readonly audit: readonly AuditDraft[];
  readonly rows: readonly Write[];
};

/** @param cause the record of the event that moved it, if one did. */
export function tellBurst(
  org: OrgId,
  name: TriggerName,
  before: TriggerState,
  { pace, edge }: Paced,
  limits: Limits,
  now: UnixMs,
  cause?: number,
): Told {
  // Looked at again when it would be over without another match, in case nothing comes to end it.
  const due = edge === null ? before.due : edge === 'began' ? calmBy(limits, now) : null;
  const state = { ...before, pace, due };
  if (edge === null) return { state, audit: [], rows: [] };
  const ref = refOf(name);
  const record = { org, kind: 'trigger.burst' as const, actor: 'system:trigger', ref, outcome: edge };
  return {
    state,
    audit: [cause === undefined ? record : { ...record, cause }],
    rows: [alert({ kind: 'trigger.burst', org, subject: ref, state: edge, to: limits?.burst?.alert ?? null, at: now })],
  };
}
