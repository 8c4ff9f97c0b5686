import * as v from 'valibot';
import { EventSummary, envelope, listOf, Published, StoredEvent } from '../../../sdk/contract/api.ts';
import { TRIGGER_OUTCOMES } from '../../../sdk/contract/api-trigger.ts';
import { type OrgId, type RunId, toEventId } from '../../base/id.ts';
import type { Turn } from '../../flow/intake.ts';
import type { Kernel } from '../../flow/kernel.ts';
import { EVENT_PLACE } from '../../flow/keys.ts';
import type { IngestFault, Receipt } from '../../flow/take-in.ts';
import type { Principal } from '../../org/principal.ts';
import type { NormalEvent } from '../../trigger/event.ts';
import { data, problem } from '../answer.ts';
import { eventsInTurn } from '../event-body.ts';
import { Bound, instantOf, listPage, paging } from '../paging.ts';
import { type Route, route } from '../route.ts';
import { eventSummaryView, eventView, receiptView } from '../view/event.ts';

const ListQuery = v.strictObject({
  /** Of one of its triggers. */
  outcome: v.optional(v.picklist(TRIGGER_OUTCOMES)),
  /** Came at this time or later. */
  since: v.optional(Bound),
  /** Came before this time. */
  until: v.optional(Bound),
  ...paging,
});

/** Events come in here: CloudEvents 1.0 in all three modes, and bare Falco alerts and OCSF findings. */
export const eventRoutes = ({ kernel }: { readonly kernel: Kernel }): readonly Route[] => [
  route({
    method: 'POST',
    path: '/v1/orgs/{org}/events',
    operation: 'publishEvents',
    summary: 'Take events in. The answer says which triggers matched, and why the others did not',
    access: 'event.publish',
    body: eventsInTurn(kernel),
    problems: ['event-conflict', 'too-many-runs'],
    answer: {
      status: 202,
      description: 'On record. A repeat is answered like this too, and changes nothing.',
      schema: envelope(Published),
      headers: { Link: 'Where the event is, with rel="item", when there is one.' },
    },
    async handle({ by, body: { events, turn } }) {
      try {
        return await take(kernel, by, events, turn);
      } finally {
        turn.end();
      }
    },
  }),
  route({
    method: 'GET',
    path: '/v1/orgs/{org}/events',
    operation: 'listEvents',
    summary: 'Events that came, newest first, and what became of them; for example those that were held back',
    access: 'run.read',
    query: ListQuery,
    problems: ['invalid-cursor'],
    answer: { status: 200, description: 'One page.', schema: listOf(EventSummary) },
    handle({ by, query: { limit, cursor, ...filter } }) {
      const { outcome } = filter;
      const [since, until] = [instantOf(filter.since), instantOf(filter.until)];
      const list = {
        operation: 'listEvents',
        org: by.org,
        filter: [outcome, filter.since, filter.until],
        key: EVENT_PLACE,
      };
      return listPage(list, { limit, cursor }, (most, after) => {
        const { items, next } = kernel.query.events(by.org, { outcome, since, until }, most, after);
        return { items: items.map((stored) => eventSummaryView(by.org, stored, stateOf(kernel, by.org))), next };
      });
    },
  }),
  route({
    method: 'GET',
    path: '/v1/orgs/{org}/events/{event}',
    operation: 'readEvent',
    summary: 'One event as it was taken, and what its triggers said',
    access: 'run.read',
    answer: { status: 200, description: 'The event.', schema: envelope(StoredEvent) },
    handle({ by, context }) {
      const id = toEventId(context.req.param('event') ?? '');
      const stored = id && kernel.query.event(by.org, id);
      return stored ? data(eventView(by.org, stored, stateOf(kernel, by.org))) : problem('not-found');
    },
  }),
];

const stateOf = (kernel: Kernel, org: OrgId) => (run: RunId) => kernel.query.runSummary(org, run)?.state ?? null;

/** One after the other, each in its turn; the answer to a single event links to it. */
async function take(kernel: Kernel, by: Principal, events: readonly NormalEvent[], turn: Turn): Promise<Response> {
  const receipts: Receipt[] = [];
  for (const [index, event] of events.entries()) {
    if (index > 0) await turn.again();
    const taken = await kernel.ingest(by, event);
    if (!taken.ok) return faultAnswer(taken.error, events.length > 1 ? index : undefined);
    receipts.push(taken.value);
  }
  const [only] = receipts;
  const link = only && receipts.length === 1 ? { link: `</v1/orgs/${by.org}/events/${only.event}>; rel="item"` } : {};
  return data({ events: receipts.map((one) => receiptView(one, stateOf(kernel, by.org))) }, 202, link);
}

/** How long a sender should wait when the org is full, in seconds. */
const RETRY_SECONDS = 5;

/** @param index place in a batch. What stands before it is taken; sending the whole batch again is harmless. */
function faultAnswer({ kind }: IngestFault, index: number | undefined): Response {
  const errors =
    index === undefined
      ? []
      : [{ pointer: `/${index}`, text: 'was not taken, nor was what follows it; mend it and send the batch again' }];
  switch (kind) {
    case 'unknown_org':
      return problem('not-found');
    case 'event_conflict':
      return problem('event-conflict', { errors });
    case 'too_many_runs':
      return problem('too-many-runs', { errors, headers: { 'retry-after': String(RETRY_SECONDS) } });
  }
}
