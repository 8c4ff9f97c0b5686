import * as v from 'valibot';
import { listOf } from '../../../sdk/contract/api.ts';
import { LIFECYCLE_ID, LifecycleEvent, LifecycleFilter, LifecycleWebhook } from '../../../sdk/contract/lifecycle.ts';
import { LIMITS } from '../../base/limits.ts';
import { iso } from '../../base/time.ts';
import { FEED_START, type FeedPage, type FeedQuery } from '../../flow/feed.ts';
import type { Kernel } from '../../flow/kernel.ts';
import { page, problem } from '../answer.ts';
import { CURSOR_CHARS, fromCursor, toCursor } from '../cursor.ts';
import { DEFAULT_ROWS, paging } from '../paging.ts';
import { type Route, route } from '../route.ts';
import { openWaits, wait, waitMsOf } from '../waits.ts';

const FeedParameters = v.strictObject({
  /** Where to read on: `next` of the page before; or `now`. Without it, from the oldest event that is kept. */
  after: v.optional(v.pipe(v.string(), v.maxLength(CURSOR_CHARS))),
  /** One type, or a group such as interlock.run.* */
  type: v.optional(LifecycleFilter),
  limit: paging.limit,
  /** Answer when there is something, or after this long. */
  wait,
});

/** What the kernel tells the world outside. A feed has no last page: `next` is always where to read on. */
export function lifecycleRoutes({ kernel }: { readonly kernel: Kernel }): readonly Route[] {
  const waits = openWaits();

  return [
    route({
      method: 'GET',
      path: '/v1/orgs/{org}/lifecycle',
      operation: 'readLifecycle',
      summary: 'Lifecycle events (CloudEvents), oldest first, from any place on; on request, once there is a new one',
      access: 'lifecycle.read',
      query: FeedParameters,
      problems: ['invalid-cursor', 'too-many-waits'],
      answer: { status: 200, description: 'One page. `next` is where to read on.', schema: listOf(LifecycleEvent) },
      handle({ by, query }) {
        const { after, type, limit = DEFAULT_ROWS } = query;
        const list = { operation: 'readLifecycle', org: by.org, filter: [], key: LIFECYCLE_ID };
        const place =
          after === undefined ? FEED_START : after === 'now' ? kernel.lifecycle.last(by.org) : fromCursor(list, after);
        if (place === undefined) return problem('invalid-cursor');
        const ask: FeedQuery = {
          after: place,
          types: type === undefined ? [] : [type],
          limit: Math.min(limit, LIMITS.pageSize.value),
        };
        const show = ({ events, next }: FeedPage) => page(events, toCursor(list, next));
        const waitMs = waitMsOf(query.wait);
        if (waitMs === 0) return show(kernel.lifecycle.read(by.org, ask));
        const awaited = waits.take(by.org, () => kernel.lifecycle.wait(by.org, ask, waitMs));
        return awaited ? awaited.then(show) : problem('too-many-waits', { headers: { 'retry-after': '1' } });
      },
    }),
    route({
      method: 'GET',
      path: '/v1/orgs/{org}/lifecycle/webhooks',
      operation: 'listWebhooks',
      summary: 'Where lifecycle events are sent, and how far each receiver is',
      access: 'lifecycle.read',
      answer: { status: 200, description: 'All of them.', schema: listOf(LifecycleWebhook) },
      handle: ({ by }) =>
        page(
          kernel.lifecycle.webhooks(by.org).map(({ webhook, delivered, dropped, attempts, failure, retryAt }) => ({
            webhook: webhook.id,
            host: webhook.url.host,
            types: webhook.types,
            delivered,
            dropped,
            attempts,
            failure,
            retryAt: failure === null ? null : iso(retryAt),
          })),
          null,
        ),
    }),
  ];
}
