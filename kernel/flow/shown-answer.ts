/** What a plugin gets to see of an answer. Owns the list of headers that pass, and that nothing passes unscrubbed. */
import { setImmediate } from 'node:timers/promises';
import type { HttpAnswer } from '../../sdk/contract/plugin.ts';
import { err, type Result } from '../base/result.ts';
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

/** Bytes that the scrubber looks at before others have their turn; one look at a large answer is more. */
const SCRUB_BYTES_PER_TURN = 262_144;

export const noAnswer = (error: Extract<HttpAnswer, { ok: false }>['error'], message: string): HttpAnswer => ({
  ok: false,
  error,
  message,
});

/** `isWhole`: nothing but secrets was taken out of it. */
export type Shown = { readonly answer: HttpAnswer; readonly isWhole: boolean };

/**
 * What the plugin gets to see. Everything passes the scrubber, the values of headers too. Of an answer whose body cannot
 * be shown, the plugin is told the status when the request may have changed something: it is what most go by, and whoever
 * chooses a text that the target repeats must not be able to make a done thing unknown. A read has failed.
 * @param scrub undefined: a secret of the org cannot be read.
 * @param isOver asked while it is searched: nobody waits for it any more.
 */
export async function shown(
  answer: Exclude<OutboundAnswer, { kind: 'denied' }>,
  scrub: Scrubber | undefined,
  isRead: boolean,
  isOver: () => boolean,
): Promise<Shown> {
  if (answer.kind === 'failed') {
    return { answer: noAnswer(answer.class, scrubbedText(scrub, answer.reason)), isWhole: true };
  }
  const body = await shownBody(answer.body, scrub, isOver);
  if (!body.ok && isRead) return { answer: noAnswer('upstream_error', body.error), isWhole: false };
  const headers: Record<string, string> = {};
  for (const name of PASSED_HEADERS) {
    const value = answer.headers[name];
    if (value !== undefined) headers[name] = scrubbedText(scrub, value);
  }
  return {
    answer: { ok: true, status: answer.status, headers, body: body.ok ? body.value : '' },
    isWhole: body.ok,
  };
}

/** @returns the text, or why it is withheld. */
async function shownBody(
  body: Uint8Array,
  scrub: Scrubber | undefined,
  isOver: () => boolean,
): Promise<Result<string, string>> {
  if (!scrub) return err(ILLEGIBLE_SECRET);
  let text: string;
  try {
    text = decoder.decode(body);
  } catch {
    return err('the answer is not UTF-8 text');
  }
  const scrubbed = await scrubInTurns(scrub, text, isOver);
  return scrubbed.ok ? scrubbed : err(UNSCRUBBED[scrubbed.error]);
}

export const ILLEGIBLE_SECRET =
  'a secret of this org cannot be read at the moment, so no answer can be searched for it; set it anew, or remove it';

/** Why an answer is withheld: in text like this a secret could stand and not be found. */
const UNSCRUBBED: Readonly<Record<ScrubFault | 'over', string>> = {
  too_deep: 'the answer is escaped over and over, so it could hide a secret; let the host send plain JSON',
  too_costly: 'the answer repeats parts of a secret over and over; ask the host why',
  over: 'the step has ended',
};

/** The last turn that was given away. */
let turns: Promise<unknown> = Promise.resolve();

/** In each round of the event loop one search goes on: with more of them a round does not take longer. */
const nextTurn = (): Promise<unknown> => {
  turns = turns.then(() => setImmediate());
  return turns;
};

/**
 * Lets others have their turn, because an answer may be large and its sender hostile. A step that was cut off waits for
 * nothing any more, and its next try would bring another answer.
 */
async function scrubInTurns(
  scrub: Scrubber,
  text: string,
  isOver: () => boolean,
): Promise<Result<string, ScrubFault | 'over'>> {
  const steps = scrub(text);
  let looked = 0;
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done) return step.value;
    looked += step.value;
    if (looked < SCRUB_BYTES_PER_TURN) continue;
    looked = 0;
    await nextTurn();
    if (isOver()) return err('over');
  }
}

/** Short text: a reason of ours, a header. */
export function scrubbedText(scrub: Scrubber | undefined, text: string): string {
  const scrubbed = scrub && scrubAtOnce(scrub, text);
  return scrubbed?.ok ? scrubbed.value : '[withheld]';
}
