import type { AuditDraft } from '../audit/record.ts';
import type { OrgId } from '../base/id.ts';
import type { UnixMs } from '../base/time.ts';
import type { Write } from '../port/store.ts';
import { calmBy, type Limits, type Paced } from '../trigger/pace.ts';
import { lifecycleRow } from './tell.ts';
import { refOf, type TriggerName, type TriggerState } from './trigger-state.ts';

/** What is told of a burst: once when it begins, once when it is over. */
export type Told = {
  readonly state: TriggerState;
  readonly audit: readonly AuditDraft[];
  readonly rows: readonly Write[];
};

/** @param by the record of the event that moved it; where none did, the place of the record that this makes. */
export function tellBurst(
  org: OrgId,
  name: TriggerName,
  before: TriggerState,
  { pace, edge }: Paced,
  limits: Limits,
  now: UnixMs,
  by: { readonly event: number } | { readonly place: number },
): Told {
  // Looked at again when it would be over without another match, in case nothing comes to end it.
  const due = edge === null ? before.due : edge === 'began' ? calmBy(limits, now) : null;
  const state = { ...before, pace, due };
  if (edge === null) return { state, audit: [], rows: [] };
  const ref = refOf(name);
  const alert = limits?.burst?.alert;
  const seq = 'event' in by ? by.event : by.place;
  const data = {
    seq,
    playbook: name.playbook,
    trigger: name.trigger,
    outcome: edge,
    ...(alert !== undefined && { alert }),
  };
  const record = { org, kind: 'trigger.burst' as const, actor: 'system:trigger', ref, outcome: edge };
  return {
    state,
    audit: ['event' in by ? { ...record, cause: by.event } : record],
    rows: [lifecycleRow(org, now, { type: 'interlock.trigger.burst', subject: ref, data })],
  };
}
