import * as v from 'valibot';
import { envelope, listOf } from '../../../sdk/contract/api.ts';
import { NoisyTrigger, Trigger, TriggerForm } from '../../../sdk/contract/api-trigger.ts';
import { isName } from '../../base/id.ts';
import type { Kernel } from '../../flow/kernel.ts';
import { data, page, problem } from '../answer.ts';
import { form } from '../body.ts';
import { listPage, paging, rowsOf } from '../paging.ts';
import { type Route, route } from '../route.ts';
import { triggerInForce } from '../view/trigger.ts';

/** Triggers that are in force: how they stand, which of them make noise, and the switch of each. */
export const triggerRoutes = ({ kernel }: { readonly kernel: Kernel }): readonly Route[] => [
  route({
    method: 'GET',
    path: '/v1/orgs/{org}/triggers',
    operation: 'listTriggers',
    summary: 'Triggers of the active playbooks and how they stand: stopped, in a burst, next time, last run',
    access: 'playbook.read',
    query: v.strictObject(paging),
    problems: ['invalid-cursor'],
    answer: { status: 200, description: 'One page, by playbook and id.', schema: listOf(Trigger) },
    handle: ({ by, query }) =>
      listPage({ operation: 'listTriggers', org: by.org, filter: [], key: KEY }, query, (limit, after) => {
        const { items, next } = kernel.triggers.list(by.org, limit, after);
        return { items: items.map(triggerInForce), next };
      }),
  }),
  route({
    method: 'GET',
    path: '/v1/orgs/{org}/triggers/noisy',
    operation: 'listNoisyTriggers',
    summary: 'What became of the matches of the last 24 hours; first the trigger of which the most started nothing',
    access: 'playbook.read',
    query: v.strictObject({ limit: paging.limit }),
    answer: { status: 200, description: 'Triggers that matched.', schema: listOf(NoisyTrigger) },
    handle: async ({ by, query }) => page(await kernel.triggers.noisy(by.org, rowsOf(query.limit)), null),
  }),
  ...(['stop', 'resume'] as const).map((verb) =>
    route({
      method: 'POST',
      path: `/v1/orgs/{org}/triggers/{playbook}/{trigger}/${verb}`,
      operation: `${verb}Trigger`,
      summary:
        verb === 'stop'
          ? 'Let a trigger start nothing from now on, whatever version is active. Runs under way go on'
          : 'Let a trigger that was stopped go on',
      access: 'trigger.stop',
      body: form(TriggerForm),
      answer: { status: 200, description: 'The trigger.', schema: envelope(Trigger) },
      async handle({ by, context, body }) {
        const playbook = context.req.param('playbook') ?? '';
        const trigger = context.req.param('trigger') ?? '';
        if (!isName(playbook) || !isName(trigger)) return problem('not-found');
        const done = await kernel.triggers[verb](by, { playbook, trigger }, body.reason);
        return done.ok ? data(triggerInForce(done.value)) : problem('not-found');
      },
    }),
  ),
];

const KEY = /^[a-z][a-z0-9-]{0,62}\.[a-z][a-z0-9-]{0,62}$/;
