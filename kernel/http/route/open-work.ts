import * as v from 'valibot';
import { listOf } from '../../../sdk/contract/api.ts';
import { OpenRun, STANDINGS } from '../../../sdk/contract/api-run.ts';
import { Duration } from '../../../sdk/contract/api-word.ts';
import { parseDuration } from '../../base/time.ts';
import type { Kernel } from '../../flow/kernel.ts';
import { listPage, paging } from '../paging.ts';
import { type Route, route } from '../route.ts';
import { openRunView } from '../view/open-work.ts';

const ListQuery = v.strictObject({
  only: v.optional(v.picklist(STANDINGS)),
  /** Only runs that have waited for the same thing for longer than this. */
  longerThan: v.optional(Duration),
  ...paging,
});

/** What has not ended: who or what each run waits for, since when, and until when. */
export const openWorkRoutes = ({ kernel }: { readonly kernel: Kernel }): readonly Route[] => [
  route({
    method: 'GET',
    path: '/v1/orgs/{org}/open-work',
    operation: 'listOpenWork',
    summary: 'Runs that have not ended, newest first: what each waits for, and whether that is on its way',
    access: 'run.read',
    query: ListQuery,
    problems: ['invalid-cursor'],
    answer: { status: 200, description: 'One page.', schema: listOf(OpenRun) },
    handle: ({ by, query }) => {
      const { only, longerThan } = query;
      const list = {
        operation: 'listOpenWork',
        org: by.org,
        filter: [only, longerThan],
        key: /^run_[0-9a-f]{32}$/,
      };
      const filter = { only, longerThan: longerThan === undefined ? undefined : parseDuration(longerThan) };
      return listPage(list, query, (limit, after) => {
        const { items, next } = kernel.openWork(by.org, filter, limit, after);
        return { items: items.map(openRunView), next };
      });
    },
  }),
];
