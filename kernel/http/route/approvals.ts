import * as v from 'valibot';
import { envelope, listOf } from '../../../sdk/contract/api.ts';
import { APPROVAL_STATES, Approval, ApprovalSummary, VoteForm } from '../../../sdk/contract/api-run.ts';
import { type OrgId, toApprovalId, toDigest } from '../../base/id.ts';
import type { Kernel } from '../../flow/kernel.ts';
import { data, problem } from '../answer.ts';
import { form } from '../body.ts';
import { controlAnswer, VOTE_PROBLEMS } from '../control.ts';
import { listPage, paging } from '../paging.ts';
import { type Route, route } from '../route.ts';
import { approvalRowView, approvalView } from '../view/approval.ts';

const ListQuery = v.strictObject({ state: v.optional(v.picklist(APPROVAL_STATES)), ...paging });

/** What people are asked to agree to, and their votes. Reading never decides. */
export function approvalRoutes({ kernel }: { readonly kernel: Kernel }): readonly Route[] {
  const show = (org: OrgId, name: string | undefined): Response => {
    const id = toApprovalId(name ?? '');
    const row = id && kernel.query.approval(org, id);
    const run = row && kernel.query.run(org, row.run);
    if (!row || !run) return problem('not-found');
    const verdicts = kernel.query.verdicts(run, kernel.query.trail(org, run.id));
    return data(approvalView(row, run, kernel.query.event(org, run.event), verdicts));
  };

  return [
    route({
      method: 'GET',
      path: '/v1/orgs/{org}/approvals',
      operation: 'listApprovals',
      summary: 'Approvals, newest first',
      access: 'approval.read',
      query: ListQuery,
      problems: ['invalid-cursor'],
      answer: { status: 200, description: 'One page.', schema: listOf(ApprovalSummary) },
      handle: ({ by, query }) => {
        const { state } = query;
        const list = { operation: 'listApprovals', org: by.org, filter: [state], key: /^apr_[0-9a-f]{32}$/ };
        return listPage(list, query, (limit, after) => {
          const { items, next } = kernel.query.approvals(by.org, state, limit, after);
          return { items: items.map(approvalRowView), next };
        });
      },
    }),
    route({
      method: 'GET',
      path: '/v1/orgs/{org}/approvals/{approval}',
      operation: 'readApproval',
      summary: 'What is to be agreed to: the action, its parameters, its targets, who asked, until when',
      access: 'approval.read',
      answer: { status: 200, description: 'The approval.', schema: envelope(Approval) },
      handle: ({ by, context }) => show(by.org, context.req.param('approval')),
    }),
    route({
      method: 'POST',
      path: '/v1/orgs/{org}/approvals/{approval}/votes',
      operation: 'vote',
      summary: 'Vote on exactly what was shown. One rejection decides; so does the last approval that is needed',
      access: 'approval.vote',
      body: form(VoteForm),
      problems: VOTE_PROBLEMS,
      answer: { status: 200, description: 'The approval after the vote.', schema: envelope(Approval) },
      async handle({ by, context, body }) {
        const name = context.req.param('approval');
        const id = toApprovalId(name ?? '');
        const subject = toDigest(body.subject);
        if (!id || !subject) return problem('not-found');
        return controlAnswer(await kernel.control.vote(by, id, { ...body, subject }), () => show(by.org, name));
      },
    }),
  ];
}
