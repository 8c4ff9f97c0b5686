import { listOf } from '../../../sdk/contract/api.ts';
import * as Api from '../../../sdk/contract/api-call.ts';
import { iso } from '../../base/time.ts';
import type { Kernel } from '../../flow/kernel.ts';
import type { Reported } from '../../flow/reports.ts';
import { page } from '../answer.ts';
import { type Route, route } from '../route.ts';

/** What plugins in report mode asked for. Paths are in it, and some hold a secret: so it is for those who write policies. */
export const egressRoutes = ({ kernel }: { readonly kernel: Kernel }): readonly Route[] => [
  route({
    method: 'GET',
    path: '/v1/orgs/{org}/egress/report',
    operation: 'readEgressReport',
    summary: 'What plugins in report mode asked for beyond their rules, as the rules that would allow it',
    access: 'egress.read',
    answer: { status: 200, description: 'All of it, by plugin and place.', schema: listOf(Api.EgressReported) },
    handle: ({ by }) => page(kernel.reported(by.org).map(reportedView), null),
  }),
];

const reportedView = ({ plugin, rule, requests, refused, first, last, run, step }: Reported): Api.EgressReported => {
  const { scheme, host, port, methods, pathPrefix, addresses, headers } = rule;
  return {
    plugin,
    rule: {
      scheme,
      host,
      port,
      methods: [...methods],
      pathPrefix,
      ...(addresses && { addresses: [...addresses] }),
      ...(headers && { headers: [...headers] }),
    },
    requests,
    refused,
    first: iso(first),
    last: iso(last),
    run,
    step,
  };
};
