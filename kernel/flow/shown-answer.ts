/** What a plugin gets to see of an answer. Owns the list of headers that pass, and that nothing passes unscrubbed. */
import { setImmediate } from 'node:timers/promises';
import type { HttpAnswer } from '../../sdk/contract/plugin.ts';
import type { Result } from '../base/result.ts';
import type { OutboundAnswer } from '../port/egress.ts';
import { type Scrubber, type ScrubFault, scrubAtOnce } from '../secret/scrub.ts';

/** What a plugin sees of an answer's headers: enough to page, retry and poll; no cookies, nothing about the server. */
const PASSED_HEADERS = [
  'content-type',
  'etag',
  'last-modified',
  'link',
  'location',
  'retry-after',
  'x-request-id',
] as const;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Bytes that the scrubber looks at before others have their turn: a few milliseconds. */
const SCRUB_BYTES_PER_TURN = 262_144;

export const noAnswer = (error: Extract<HttpAnswer, { ok: false }>['error'], message: string): HttpAnswer => ({
  ok: false,
  error,
  message,
});

/** What the plugin gets to see. Everything passes the scrubber, the values of headers too. */
export async function shown(answer: Exclude<OutboundAnswer, { kind: 'denied' }>, scrub: Scrubber): Promise<HttpAnswer> {
  if (answer.kind === 'failed') return noAnswer(answer.class, scrubbedText(scrub, answer.reason));
  let body: string;
  try {
    body = decoder.decode(answer.body);
  } catch {
    return noAnswer('upstream_error', 'the answer is not UTF-8 text');
  }
  const headers: Record<string, string> = {};
  for (const name of PASSED_HEADERS) {
    const value = answer.headers[name];
    if (value !== undefined) headers[name] = scrubbedText(scrub, value);
  }
  const scrubbed = await scrubInTurns(scrub, body);
  if (!scrubbed.ok) return noAnswer('upstream_error', UNSCRUBBED[scrubbed.error]);
  return { ok: true, status: answer.status, headers, body: scrubbed.value };
}

/** Why an answer is withheld: in text like this a secret could stand and not be found. */
const UNSCRUBBED: Readonly<Record<ScrubFault, string>> = {
  too_deep: 'the answer is escaped over and over, so it could hide a secret; let the host send plain JSON',
  too_costly: 'the answer repeats parts of a secret over and over; ask the host why',
};

/** Lets others have their turn, because an answer may be large and its sender hostile. */
async function scrubInTurns(scrub: Scrubber, text: string): Promise<Result<string, ScrubFault>> {
  const steps = scrub(text);
  let looked = 0;
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done) return step.value;
    looked += step.value;
    if (looked < SCRUB_BYTES_PER_TURN) continue;
    looked = 0;
    await setImmediate();
  }
}

/** Short text: a reason of ours, a header. */
export function scrubbedText(scrub: Scrubber, text: string): string {
  const scrubbed = scrubAtOnce(scrub, text);
  return scrubbed.ok ? scrubbed.value : '[withheld]';
}
