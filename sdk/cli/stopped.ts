import type { StopState } from '../client/client.ts';
import { clean, note, when } from './print.ts';
import type { Session } from './session.ts';

/**
 * Whether a stop keeps everything from being sent, as one line beside what people read of runs and approvals: they stand
 * still then, and say nothing of it themselves. Undefined when there is none, or when the server does not tell: what was
 * asked for is shown all the same.
 */
export async function stopText({ client, org }: Session): Promise<string | undefined> {
  const answer = await client.stopState();
  if (!answer.ok) return undefined;
  const stops = [
    engagedText(`org ${org}`, answer.value.org, (by) => ` by ${clean(by, 310)}`),
    engagedText('the machine', answer.value.machine, () => ''),
  ].filter((text) => text !== '');
  if (stops.length === 0) return undefined;
  return `${stops.join(', and ')}: nothing is sent until the release`;
}

/** Who stopped the machine is not one of the org. */
const engagedText = (what: string, stop: StopState['org'], whom: (by: string) => string): string =>
  stop === null || stop.released !== null
    ? ''
    : `${what} is stopped${whom(stop.by)} since ${when(stop.at)} (reason: ${clean(stop.reason, REASON_CHARS)})`;

/** `interlock stop show` has the whole. */
const REASON_CHARS = 200;

/** The same, beside an answer of which it is no part. */
export async function noteStop(session: Session): Promise<void> {
  const text = session.json ? undefined : await stopText(session);
  if (text !== undefined) note(text);
}
