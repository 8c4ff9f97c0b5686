import * as v from 'valibot';
import { envelope, Incident } from '../../../sdk/contract/api.ts';
import { IncidentId } from '../../../sdk/contract/api-word.ts';
import { iso } from '../../base/time.ts';
import type { Kernel } from '../../flow/kernel.ts';
import { data, problem } from '../answer.ts';
import { type Route, route } from '../route.ts';

/** What playbooks have made of an incident. */
export const incidentRoutes = ({ kernel }: { readonly kernel: Kernel }): readonly Route[] => [
  route({
    method: 'GET',
    path: '/v1/orgs/{org}/incidents/{incident}',
    operation: 'readIncident',
    summary: 'The state of an incident and its latest changes',
    access: 'incident.read',
    answer: { status: 200, description: 'The incident.', schema: envelope(Incident) },
    handle({ by, context }) {
      const id = context.req.param('incident');
      const found = v.is(IncidentId, id) ? kernel.query.incident(by.org, id) : undefined;
      if (!found) return problem('not-found');
      const { incident, org, state, updatedAt, timeline } = found;
      const changes = timeline.map((change) => ({ ...change, at: iso(change.at) }));
      return data({ incident, org, state, updatedAt: iso(updatedAt), timeline: changes });
    },
  }),
];
