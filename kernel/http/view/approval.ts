import type * as Api from '../../../sdk/contract/api-run.ts';
import type { Approval } from '../../approval/approval.ts';
import type { ApprovalId } from '../../base/id.ts';
import { resolvePointer } from '../../base/json.ts';
import { own } from '../../base/own.ts';
import { iso } from '../../base/time.ts';
import type { ApprovalRow } from '../../flow/project.ts';
import type { VerdictOf } from '../../flow/query.ts';
import type { StoredEvent } from '../../flow/stored-event.ts';
import type { Run } from '../../run/state.ts';

/** Shows approvals: in a list, within a run, and as the one page that an approver decides on. */
export const approvalOf = (approval: Approval): Api.Run['approvals'][number] => ({
  approval: approval.id,
  step: approval.step,
  state: approval.state,
  subject: approval.subject,
  tier: approval.tier,
  role: approval.role,
  needed: approval.needed,
  openedAt: iso(approval.openedAt),
  expiresAt: iso(approval.expiresAt),
  votes: approval.votes.map((vote) => ({ ...vote, at: iso(vote.at) })),
  decidedSeq: approval.decidedSeq < 0 ? null : approval.decidedSeq,
});

export const approvalRowView = (row: ApprovalRow): Api.ApprovalSummary => ({
  ...approvalOf(row),
  org: row.org,
  run: row.run,
  uses: row.uses,
  requester: row.requester,
});

/** The parameters and the plan are those that `subject` was made of; a held step keeps them. */
export function approvalView(
  row: ApprovalRow,
  run: Run,
  event: StoredEvent | undefined,
  verdictOf: VerdictOf,
): Api.Approval {
  const step = own(run.steps, row.step);
  // While it is open the run may hear others, who then have no vote either.
  const { senders = [] } = row.state === 'pending' ? run : row;
  return {
    ...approvalRowView(row),
    playbook: { name: run.playbook.name, digest: run.playbook.digest },
    parameters: step?.parameters ?? {},
    plan: step?.plan ?? null,
    verdict: verdictOf(row.step) ?? null,
    grantChangedSince: givenBefore(row, run),
    excluded: [...new Set([row.requester, ...senders, ...row.votes.map((vote) => vote.by)])],
    incident: {
      event: run.event,
      title: textAt(event, '/finding_info/title'),
      message: textAt(event, '/message'),
    },
  };
}

/** Action, parameters and plan of a held step stay, so what another subject differs in is the grant. */
const givenBefore = ({ step, subject, decidedSeq }: ApprovalRow, { approvals }: Run): ApprovalId | null =>
  Object.values(approvals)
    .filter((one) => one.step === step && one.state === 'approved' && one.subject !== subject)
    .filter((one) => decidedSeq < 0 || one.decidedSeq < decidedSeq)
    .reduce<Approval | null>((a, b) => (a && a.decidedSeq > b.decidedSeq ? a : b), null)?.id ?? null;

/** The sender's words about the incident, cut to what fits a page. */
const INCIDENT_CHARS = 1_000;

function textAt(event: StoredEvent | undefined, pointer: string): string | null {
  const value = event && resolvePointer(event.event.data, pointer);
  return typeof value === 'string' ? value.slice(0, INCIDENT_CHARS).toWellFormed() : null;
}
