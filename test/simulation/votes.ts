import type { Approval } from '../../kernel/approval/approval.ts';
import type { RunEvent } from '../../kernel/run/event.ts';
import type { Run } from '../../kernel/run/state.ts';
import type { Trace } from './trace.ts';

/** R2: what counts is what people really cast, each with the rights that he had. */
export type Ballot = {
  readonly org: string;
  readonly by: string;
  readonly roles: readonly string[];
  readonly approval: string;
  readonly subject: string;
  readonly decision: string;
};

export function openVotes({ trace, fail }: { trace: Trace; fail: (rule: string, text: string) => void }) {
  const ballots = new Map<string, Ballot[]>();

  const counted = (
    run: Run,
    { approval: id, by, decision }: Extract<RunEvent, { kind: 'approval-voted' }>,
    at: number,
  ) => {
    const approval = run.approvals[id as never] as Approval | undefined;
    const name = `${trace.name(run.id)}: a vote of ${by}`;
    if (!approval) return fail('R2', `${name} on an approval that is not there`);
    const all = (ballots.get(id) ?? []).filter((one) => one.by === by && one.decision === decision);
    const cast = all.find((one) => one.org === run.org);
    if (!cast)
      return all.length > 0 ? fail('R7', `${name} of another org counts`) : fail('R2', `${name} was never cast`);
    if (by === run.requester) fail('R2', `${name} counts, who asked for it`);
    if (!cast.roles.includes(approval.role)) fail('R2', `${name} counts, who has not the role ${approval.role}`);
    if (approval.votes.filter((vote) => vote.by === by).length > 1) fail('R2', `${name} counts twice`);
    const fits = all.some((one) => one.org === run.org && one.subject === approval.subject);
    if (!fits) fail('R2', `${name} counts, who was shown something else`);
    if (at >= approval.expiresAt) fail('R2', `${name} counts after the expiry`);
  };

  const decided = (run: Run, { approval: id, state }: Extract<RunEvent, { kind: 'approval-decided' }>) => {
    const approval = run.approvals[id as never] as Approval | undefined;
    if (state !== 'approved' || !approval) return;
    const yes = new Set(approval.votes.filter(({ decision }) => decision === 'approve').map(({ by }) => by));
    const no = approval.votes.some(({ decision }) => decision === 'reject');
    if (yes.size < approval.needed || no)
      fail('R2', `${trace.name(run.id)} is approved by ${yes.size} of ${approval.needed}`);
  };

  return {
    cast: (ballot: Ballot) => void ballots.set(ballot.approval, [...(ballots.get(ballot.approval) ?? []), ballot]),
    counted,
    decided,
  };
}
