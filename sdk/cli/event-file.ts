import type { Body } from '../client/client.ts';
import { cannot, ok, type Result } from './ending.ts';
import { readInput, toText } from './input.ts';
import { clean } from './print.ts';

/** Reads a file of events as what is sent. The bytes are sent as they are; what to call them is read off them. */
export async function readEvents(file: string): Promise<Result<Body>> {
  const bytes = await readInput(file);
  if (!bytes.ok) return bytes;
  const type = contentType(bytes.value, file === '-' ? 'standard input' : clean(file, 200));
  return type.ok ? ok({ type: type.value, content: bytes.value }) : type;
}

/** What to call the body (CloudEvents HTTP binding 3.1-3.3). The bytes are sent as they are. */
function contentType(bytes: Uint8Array, name: string): Result<string> {
  const text = toText(bytes, name);
  if (!text.ok) return text;
  let value: unknown;
  try {
    value = JSON.parse(text.value);
  } catch {
    return cannot(`${name} is not JSON. Send one event as a JSON object, or a list of CloudEvents.`);
  }
  if (Array.isArray(value)) {
    if (value.length === 0) return cannot(`${name} is an empty list; nothing was sent.`);
    const other = value.findIndex((item) => !isCloudEvent(item));
    if (other < 0) return ok('application/cloudevents-batch+json');
    return cannot(
      `${name} is a list whose item ${other + 1} is not a CloudEvent (it has no "specversion"); nothing was sent. ` +
        'Only CloudEvents go as a list: send Falco alerts and OCSF findings one by one, each as an object of its own.',
    );
  }
  return ok(isCloudEvent(value) ? 'application/cloudevents+json' : 'application/json');
}

const isCloudEvent = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, 'specversion');
