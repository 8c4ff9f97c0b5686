import type { Approval } from '../approval/approval.ts';
import type { OrgId, PrincipalId, RunId, StepRunId } from '../base/id.ts';
import { own } from '../base/own.ts';
import type { UnixMs } from '../base/time.ts';
import type { Write } from '../port/store.ts';
import type { StoredTurn } from '../run/event.ts';
import { awaitedBy, type Closure, closureOf, isPartial, isUndone, nextDue, openCalls } from '../run/open-work.ts';
import type { Failure, Pause, Run, RunState } from '../run/state.ts';
import { KEYS } from './keys.ts';
import { approvalListRows, incidentListRow, runListRows } from './list-rows.ts';

/**
 * The rows of one turn: the turn itself and every projection that it moves. Projections are derived from the run
 * before and after, so none can be forgotten; only what changed is written.
 */
export type RunSummary = {
  readonly run: RunId;
  readonly org: OrgId;
  readonly playbook: string;
  readonly digest: string;
  readonly state: RunState;
  readonly partial: boolean;
  /** All of it was undone. Absent: it was not, or the row is from before this was kept. */
  readonly undone?: true;
  readonly closure: Closure;
  readonly trigger: string;
  readonly event: string;
  readonly requester: PrincipalId;
  readonly startedAt: UnixMs;
  readonly endedAt: UnixMs | null;
  readonly reason: string | null;
  readonly failure?: Failure;
  /** Its own pause. Absent: none. */
  readonly paused?: Pause;
  /** The run that it is a part of. Absent: none, or the row is from before this was kept. */
  readonly parent?: RunId;
};

export type ApprovalRow = Approval & { readonly run: RunId; readonly org: OrgId; readonly uses: string };

/** A turn, with the text of each event as it is stored and as its audit record's digest names it. */
export type TurnText = Omit<StoredTurn, 'v'> & { readonly texts: readonly string[] };

export function turnRows(before: Run | null, after: Run, turn: TurnText, usesOf: (step: StepRunId) => string): Write[] {
  const { org, id } = after;
  const stored = `{"v":1,"at":${turn.at},"seq":${turn.seq},"events":[${turn.texts.join(',')}]}`;
  const rows: Write[] = [{ key: KEYS.turn(org, id, after.version), value: stored }];
  const put = (key: string, value: unknown) => void rows.push({ key, value: JSON.stringify(value) });

  // What a summary shows beyond the pins moves only with the state or a pause, or after the end.
  if (before?.state !== after.state || before.paused !== after.paused || after.ended) {
    const summary = summaryOf(after);
    put(KEYS.run(org, id), summary);
    rows.push(...runListRows(before && summaryOf(before), summary));
  }
  for (const incident of incidentsOf(before, after, turn)) rows.push(incidentListRow(after, incident));

  const due = nextDue(after);
  const wasDue = before && nextDue(before);
  if (due !== wasDue) {
    if (wasDue != null) rows.push({ key: KEYS.timer(wasDue, org, id), value: null });
    if (due !== null) put(KEYS.timer(due, org, id), {});
  }

  const open = openCalls(after);
  for (const call of open) put(KEYS.call(org, id, call.step), call);
  for (const call of before ? openCalls(before) : [])
    if (!open.some((other) => other.step === call.step)) rows.push({ key: KEYS.call(org, id, call.step), value: null });

  // It has begun, or ended while it waited: either way it waits no more.
  if (before?.state === 'pending' && after.state !== 'pending')
    rows.push({ key: KEYS.pending(org, after.playbook.name, id), value: null });

  rows.push(...wakeRows(before, after));

  for (const approval of Object.values(after.approvals)) {
    const was = before ? own(before.approvals, approval.id) : undefined;
    if (was === approval) continue;
    const row: ApprovalRow = { ...approval, run: id, org, uses: usesOf(approval.step) };
    put(KEYS.approval(org, approval.id), row);
    rows.push(...approvalListRows(was?.state, row));
  }

  return rows;
}

/** Where a step waits no more, nobody needs to be told that its event came. */
function wakeRows(before: Run | null, after: Run): Write[] {
  const awaited = awaitedBy(after);
  const over = [...awaitedBy(before).keys()].filter((step) => !awaited.has(step));
  return over.map((step) => ({ key: KEYS.wake(after.org, after.id, step), value: null }));
}

/** The one that the run belongs to, and those that this turn updates. */
const incidentsOf = (before: Run | null, after: Run, { events }: TurnText): ReadonlySet<string> =>
  new Set([
    ...(before === null && after.incident !== undefined ? [after.incident] : []),
    ...events.flatMap((event) => (event.kind === 'incident-updated' ? [event.incident] : [])),
  ]);

export const summaryOf = (run: Run): RunSummary => ({
  run: run.id,
  org: run.org,
  playbook: run.playbook.name,
  digest: run.playbook.digest,
  state: run.state,
  partial: isPartial(run),
  ...(isUndone(run) && { undone: true }),
  closure: closureOf(run),
  trigger: run.trigger,
  event: run.event,
  requester: run.requester,
  startedAt: run.startedAt,
  endedAt: run.ended?.at ?? null,
  reason: run.ended?.reason ?? null,
  ...withFailure(run.ended ?? run.undo),
  ...(run.paused && { paused: run.paused }),
  ...(run.parent && { parent: run.parent.run }),
});

const withFailure = (ending: Run['undo']) => (ending?.failure ? { failure: ending.failure } : {});
