import { envelope, Published, StoredEvent } from '../../../sdk/contract/api.ts';
import type { ProblemKind } from '../../../sdk/contract/problem.ts';
import { type OrgId, type RunId, toEventId } from '../../base/id.ts';
import { LIMITS } from '../../base/limits.ts';
import { err } from '../../base/result.ts';
import type { IngestFault, Receipt } from '../../flow/ingest.ts';
import type { Kernel } from '../../flow/kernel.ts';
import type { IntakeFault, NormalEvent } from '../../trigger/event.ts';
import { normalizeBody } from '../../trigger/normalize.ts';
import { data, problem } from '../answer.ts';
import { BODY_PROBLEMS, readBytes } from '../body.ts';
import { type Ask, type BodyReader, type Route, route } from '../route.ts';
import { eventView, receiptView } from '../view/event.ts';

/** Events come in here: CloudEvents 1.0 in all three modes, and bare Falco alerts and OCSF findings. */
export const eventRoutes = ({ kernel }: { readonly kernel: Kernel }): readonly Route[] => [
  route({
    method: 'POST',
    path: '/v1/orgs/{org}/events',
    operation: 'publishEvents',
    summary: 'Take events in. The answer says which triggers matched, and why the others did not',
    access: 'event.publish',
    body: events,
    problems: ['event-conflict', 'too-many-runs'],
    answer: {
      status: 202,
      description: 'On record. A repeat is answered like this too, and changes nothing.',
      schema: envelope(Published),
      headers: { Link: 'Where the event is, with rel="item", when there is one.' },
    },
    async handle({ by, body }) {
      const receipts: Receipt[] = [];
      for (const [index, event] of body.entries()) {
        const taken = await kernel.ingest(by, event);
        if (!taken.ok) return faultAnswer(taken.error, body.length > 1 ? index : undefined);
        receipts.push(taken.value);
      }
      const [only] = receipts;
      const link =
        only && receipts.length === 1 ? { link: `</v1/orgs/${by.org}/events/${only.event}>; rel="item"` } : {};
      return data({ events: receipts.map((one) => receiptView(one, stateOf(kernel, by.org))) }, 202, link);
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

const BATCHED = 'application/cloudevents-batch+json';

/** One bad event refuses the whole body. */
const events: BodyReader<readonly NormalEvent[]> = {
  content: {
    'application/cloudevents+json': { type: 'object', description: 'A CloudEvents 1.0 envelope with `data`.' },
    [BATCHED]: {
      type: 'array',
      description: `At most ${LIMITS.batchEvents.value} CloudEvents. All are taken, in their order, or none.`,
    },
    'application/json': {
      type: 'object',
      description: 'The data of a CloudEvent whose attributes are ce- headers; a Falco alert; or an OCSF finding.',
    },
  },
  problems: [...BODY_PROBLEMS, 'invalid-event'],
  async read({ by, context }: Ask) {
    const contentType = context.req.header('content-type') ?? null;
    const isBatch = contentType?.trimStart().toLowerCase().startsWith(BATCHED) === true;
    const body = await readBytes(context, isBatch ? LIMITS.bodyBytes.value : LIMITS.eventBytes.value);
    if (!body.ok) return body;
    const headers = eventHeaders(context.req.raw.headers, context.env);
    const normal = normalizeBody({ contentType, headers, body: body.value, org: by.org });
    return normal.ok ? normal : err(intakeAnswer(normal.error));
  },
};

/** The headers that say something about an event. Node has parsed them already; asking it saves a copy of them all. */
function eventHeaders(headers: Headers, env: unknown): Readonly<Record<string, string>> {
  const { incoming } = (env ?? {}) as { readonly incoming?: { readonly headers: Readonly<Record<string, unknown>> } };
  const found: Record<string, string> = {};
  for (const [name, value] of incoming ? Object.entries(incoming.headers) : headers)
    if ((name.startsWith('ce-') || name === 'traceparent') && typeof value === 'string') found[name] = value;
  return found;
}

const INTAKE: Readonly<Record<IntakeFault['kind'], ProblemKind>> = {
  too_large: 'body-too-large',
  not_utf8: 'malformed-body',
  not_json: 'malformed-body',
  unsupported_media_type: 'unsupported-media-type',
  too_deep: 'invalid-event',
  too_many_keys: 'invalid-event',
  forbidden_key: 'invalid-event',
  unknown_format: 'invalid-event',
  bad_field: 'invalid-event',
  org_mismatch: 'invalid-event',
  empty_batch: 'invalid-event',
  batch_too_large: 'invalid-event',
};

const intakeAnswer = ({ kind, pointer, text }: IntakeFault): Response =>
  problem(INTAKE[kind], pointer === undefined ? { detail: text } : { errors: [{ pointer, text }] });

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
