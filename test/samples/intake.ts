/** What the intake tests share: the sample events, and one call that sends anything. */
import { readFileSync } from 'node:fs';
import { type OrgId, toOrgId } from '../../kernel/base/id.ts';
import type { Json, JsonObject } from '../../kernel/base/json.ts';
import type { IntakeFault, NormalEvent } from '../../kernel/trigger/event.ts';
import { type IntakeRequest, normalizeBody } from '../../kernel/trigger/normalize.ts';

export const ORG = toOrgId('acme') as OrgId;
const sample = (name: string) => readFileSync(new URL(`./${name}.json`, import.meta.url), 'utf8');
export const OCSF = JSON.parse(sample('ocsf-malware-finding'));
export const FALCO = JSON.parse(sample('falco-c2-connection'));
export const CLOUDEVENT = JSON.parse(sample('cloudevent-ocsf'));
export const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

export const STRUCTURED = 'application/cloudevents+json';
export const BATCHED = 'application/cloudevents-batch+json';
export const JSON_TYPE = 'application/json';

export type Sent = Partial<Omit<IntakeRequest, 'body' | 'org'>> & { readonly body: unknown };

export const take = ({ contentType = JSON_TYPE, headers = {}, body }: Sent) =>
  normalizeBody({
    contentType,
    headers,
    body:
      body instanceof Uint8Array
        ? body
        : new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body)),
    org: ORG,
  });

export const taken = (sent: Sent): readonly NormalEvent[] => {
  const events = take(sent);
  if (!events.ok) throw new Error(JSON.stringify(events.error));
  return events.value;
};
export const takenOne = (sent: Sent): NormalEvent => {
  const [event, ...more] = taken(sent);
  if (!event || more.length > 0) throw new Error('not one event');
  return event;
};
export const faultOf = (sent: Sent): IntakeFault => {
  const events = take(sent);
  if (events.ok) throw new Error('taken');
  return events.error;
};

/** `changed(x, 'a/b', 1)`: a copy with one field changed; undefined removes it. */
export const changed = (value: JsonObject, path: string, field: Json | undefined): JsonObject => {
  const [key = '', ...rest] = path.split('/');
  return { ...value, [key]: rest.length ? changed(value[key] as JsonObject, rest.join('/'), field) : (field as Json) };
};

export const BINARY = {
  'ce-specversion': '1.0',
  'ce-id': 'a-1',
  'ce-source': '/edr',
  'ce-type': 'example.seen',
};
export const PLAIN = { specversion: '1.0', id: 'a-1', source: '/edr', type: 'example.seen', data: { n: 1 } };
