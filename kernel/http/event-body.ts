import type { ProblemKind } from '../../sdk/contract/problem.ts';
import { LIMITS } from '../base/limits.ts';
import { err, ok } from '../base/result.ts';
import type { Turn } from '../flow/intake.ts';
import type { Kernel } from '../flow/kernel.ts';
import type { IntakeFault, NormalEvent } from '../trigger/event.ts';
import { normalizeBody } from '../trigger/normalize.ts';
import { problem } from './answer.ts';
import { BODY_PROBLEMS, readBytes } from './body.ts';
import type { Ask, BodyReader } from './route.ts';

/** Reads events from a request body, in every form that is taken in. */
const BATCHED = 'application/cloudevents-batch+json';

/** `turn` is that of the first event. */
type Entered = { readonly events: readonly NormalEvent[]; readonly turn: Turn };

/** One bad event refuses the whole body. Whoever sends it has his turn before anything is parsed. */
export const eventsInTurn = (kernel: Pick<Kernel, 'intake'>): BodyReader<Entered> => ({
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
  problems: [...BODY_PROBLEMS, 'invalid-event', 'too-many-events'],
  async read({ by, context }: Ask) {
    const contentType = context.req.header('content-type') ?? null;
    const isBatch = contentType?.trimStart().toLowerCase().startsWith(BATCHED) === true;
    const body = await readBytes(context, isBatch ? LIMITS.bodyBytes.value : LIMITS.eventBytes.value);
    if (!body.ok) return body;
    const turn = await kernel.intake.enter(by.org);
    if (!turn) return err(problem('too-many-events', { headers: { 'retry-after': '1' } }));
    let normal: ReturnType<typeof normalizeBody> | undefined;
    try {
      const headers = eventHeaders(context.req.raw.headers, context.env);
      normal = normalizeBody({ contentType, headers, body: body.value, org: by.org });
    } finally {
      if (!normal?.ok) turn.end();
    }
    return normal.ok ? ok({ events: normal.value, turn }) : err(intakeAnswer(normal.error));
  },
});

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

/** One event, not a list of them. */
export function oneEvent(kernel: Pick<Kernel, 'intake'>): BodyReader<NormalEvent> {
  const events = eventsInTurn(kernel);
  return {
    ...events,
    async read(ask) {
      const read = await events.read(ask);
      if (!read.ok) return read;
      const [only, ...more] = read.value.events;
      read.value.turn.end();
      return only && more.length === 0
        ? ok(only)
        : err(problem('invalid-event', { errors: [{ pointer: '', text: 'is a list; send one event at a time' }] }));
    },
  };
}
