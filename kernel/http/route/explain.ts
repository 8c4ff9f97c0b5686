import * as v from 'valibot';
import { envelope, listOf } from '../../../sdk/contract/api.ts';
import { ExplainedPlaybook, Replay } from '../../../sdk/contract/api-explain.ts';
import { Name } from '../../../sdk/contract/api-word.ts';
import { NAME_PATTERN } from '../../../sdk/contract/name.ts';
import { LIMITS } from '../../base/limits.ts';
import { parseTimestamp } from '../../base/time.ts';
import type { Kernel } from '../../flow/kernel.ts';
import { EVENT_PLACE } from '../../flow/keys.ts';
import { timestamp } from '../../trigger/field.ts';
import { data, problem } from '../answer.ts';
import { fromCursor, toCursor } from '../cursor.ts';
import { oneEvent } from '../event-body.ts';
import { listPageLater, paging } from '../paging.ts';
import { playbookText } from '../playbook-body.ts';
import { type Route, route } from '../route.ts';
import { explainedView, replayView } from '../view/explain.ts';
import { issuesAsErrors } from '../view/playbook.ts';

/** Events, where nobody says how many. */
const REPLAYED = 500;

const ReplayQuery = v.strictObject({
  /** Those that came from then on, oldest first. Without it: the newest. */
  since: v.optional(timestamp),
  /** How many events; more than 2,000 count as 2,000. */
  limit: paging.limit,
  cursor: paging.cursor,
});

/** What triggers would do. Nothing is changed by asking. */
export const explainRoutes = ({ kernel }: { readonly kernel: Kernel }): readonly Route[] => [
  route({
    method: 'POST',
    path: '/v1/orgs/{org}/triggers/explain',
    operation: 'explainTriggers',
    summary:
      'What the active triggers, and steps that wait, would say to an event, condition by condition. Nothing is taken in',
    access: 'run.read',
    query: v.strictObject({ playbook: v.optional(Name), trigger: v.optional(Name), ...paging }),
    body: oneEvent(kernel),
    problems: ['invalid-cursor'],
    answer: { status: 200, description: 'One page of playbooks, by name.', schema: listOf(ExplainedPlaybook) },
    handle({ by, query, body }) {
      const { playbook, trigger } = query;
      const list = { operation: 'explainTriggers', org: by.org, filter: [playbook, trigger], key: NAME_PATTERN };
      return listPageLater(list, query, async (limit, after) => {
        const { items, next } = await kernel.explain(by.org, body, { playbook, trigger }, limit, after);
        return { items: items.map(explainedView), next };
      });
    },
  }),
  route({
    method: 'POST',
    path: '/v1/orgs/{org}/triggers/replay',
    operation: 'replayTriggers',
    summary: 'What the triggers of a changed playbook would make of events that have come. Nothing is stored',
    access: 'run.read',
    query: ReplayQuery,
    body: playbookText,
    problems: ['invalid-cursor', 'invalid-playbook'],
    answer: { status: 200, description: 'How the outcomes differ.', schema: envelope(Replay) },
    async handle({ by, query, body }) {
      const { since, limit = REPLAYED, cursor } = query;
      const list = { operation: 'replayTriggers', org: by.org, filter: [since], key: EVENT_PLACE };
      const after = cursor === undefined ? undefined : fromCursor(list, cursor);
      if (cursor !== undefined && after === undefined) return problem('invalid-cursor');
      const checked = await kernel.playbooks.lint(by.org, body);
      if (!checked.ok) return problem('invalid-playbook', { errors: issuesAsErrors(checked.error) });
      const result = await kernel.replay(by.org, checked.value, {
        since: since === undefined ? undefined : parseTimestamp(since),
        after,
        limit: Math.min(limit, LIMITS.replayedEvents.value),
      });
      return data({ ...replayView(result), next: result.next === null ? null : toCursor(list, result.next) });
    },
  }),
];
