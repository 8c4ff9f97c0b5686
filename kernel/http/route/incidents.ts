import type { Context } from 'hono';
import * as v from 'valibot';
import { envelope, listOf } from '../../../sdk/contract/api.ts';
import { Incident, IncidentSummary, NoteForm, TimelineEntry } from '../../../sdk/contract/api-incident.ts';
import { IncidentId } from '../../../sdk/contract/api-word.ts';
import { INCIDENT_STATES, SEVERITIES } from '../../../sdk/contract/incident-word.ts';
import type { OrgId } from '../../base/id.ts';
import type { Kernel } from '../../flow/kernel.ts';
import { movesFrom } from '../../incident/incident.ts';
import { data, problem } from '../answer.ts';
import { form } from '../body.ts';
import { listPage, paging } from '../paging.ts';
import { type Route, route } from '../route.ts';
import { entryView, incidentSummary, incidentView } from '../view/incident.ts';

/** Entries that an incident is shown with. */
const LATEST = 20;
/** A place in the audit log, or in a timeline. */
const PLACE = /^[0-9]{15}$/;

const ListQuery = v.strictObject({
  state: v.optional(v.picklist(INCIDENT_STATES)),
  severity: v.optional(v.picklist(SEVERITIES)),
  ...paging,
});

/** What findings, playbooks and people have made of an incident. */
export function incidentRoutes({ kernel }: { readonly kernel: Kernel }): readonly Route[] {
  const idOf = (context: Context): string | undefined => {
    const id = context.req.param('incident');
    return v.is(IncidentId, id) ? id : undefined;
  };
  const show = (org: OrgId, id: string | undefined): Response => {
    const found = id === undefined ? undefined : kernel.query.incident(org, id);
    if (id === undefined || !found) return problem('not-found');
    const { items } = kernel.query.timeline(org, id, LATEST);
    return data(incidentView(found, items.toReversed()));
  };

  return [
    route({
      method: 'GET',
      path: '/v1/orgs/{org}/incidents',
      operation: 'listIncidents',
      summary: 'Incidents, newest first',
      access: 'incident.read',
      query: ListQuery,
      problems: ['invalid-cursor'],
      answer: { status: 200, description: 'One page.', schema: listOf(IncidentSummary) },
      handle: ({ by, query }) => {
        const { state, severity } = query;
        const list = { operation: 'listIncidents', org: by.org, filter: [state, severity], key: PLACE };
        return listPage(list, query, (limit, after) => {
          const { items, next } = kernel.query.incidents(by.org, { state, severity }, limit, after);
          return { items: items.map(incidentSummary), next };
        });
      },
    }),
    route({
      method: 'GET',
      path: '/v1/orgs/{org}/incidents/{incident}',
      operation: 'readIncident',
      summary: 'The state of an incident and its latest changes',
      access: 'incident.read',
      answer: { status: 200, description: 'The incident.', schema: envelope(Incident) },
      handle: ({ by, context }) => show(by.org, idOf(context)),
    }),
    route({
      method: 'GET',
      path: '/v1/orgs/{org}/incidents/{incident}/timeline',
      operation: 'readTimeline',
      summary: 'The timeline of an incident, newest first: reports, runs, containment, approvals, notes',
      access: 'incident.read',
      query: v.strictObject(paging),
      problems: ['invalid-cursor'],
      answer: { status: 200, description: 'One page.', schema: listOf(TimelineEntry) },
      handle: ({ by, context, query }) => {
        const id = idOf(context);
        if (id === undefined || !kernel.query.incident(by.org, id)) return problem('not-found');
        return listPage({ operation: 'readTimeline', org: by.org, filter: [id], key: PLACE }, query, (limit, after) => {
          const { items, next } = kernel.query.timeline(by.org, id, limit, after);
          return { items: items.map(entryView), next };
        });
      },
    }),
    route({
      method: 'POST',
      path: '/v1/orgs/{org}/incidents/{incident}/notes',
      operation: 'noteIncident',
      summary: 'Add a note to an incident, or set its state or severity, as a person',
      access: 'incident.write',
      body: form(NoteForm),
      problems: ['incident-state'],
      answer: { status: 200, description: 'The incident after it.', schema: envelope(Incident) },
      async handle({ by, context, body }) {
        const id = idOf(context);
        if (id === undefined) return problem('not-found');
        const noted = await kernel.incidents.note(by, id, body);
        if (noted.ok) return show(by.org, id);
        if (noted.error.kind === 'not_found') return problem('not-found');
        const { from } = noted.error;
        const detail = `It is ${from}, and may become ${movesFrom(from).join(' or ')}. Nothing was changed.`;
        return problem('incident-state', { detail });
      },
    }),
  ];
}
