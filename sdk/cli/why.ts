import type { TriggerOutcome } from '../client/client.ts';
import { clean } from './print.ts';

/** Why a trigger did not fire, in a line. */
const REASONS = 3;

/** Only what stood in the way: for a match, all its conditions held. */
export function whyText(outcome: string, why: TriggerOutcome['why']): string {
  if (outcome === 'queued') return 'waits for its turn';
  if (outcome === 'not_crossed') return 'the condition held for this before';
  if (outcome === 'matched' || outcome === 'absorbed') return '';
  const reasons = why.slice(0, REASONS).map(({ path, operator, expected, reason }) => {
    const field = clean(path, 120) || 'the event';
    if (reason === 'missing') return `${field} is missing`;
    const wanted = `${clean(operator, 40)} ${clean(JSON.stringify(expected ?? null), 60)}`;
    return `${field} ${reason === 'wrong_type' ? 'has the wrong type for' : 'is not'} ${wanted}`;
  });
  return why.length > REASONS ? `${reasons.join('; ')}; and ${why.length - REASONS} more` : reasons.join('; ');
}

/** Why a match started nothing; a server may know reasons that this version does not. */
export const heldText = (reason: string): string => {
  const text = Object.hasOwn(HELD, reason) ? HELD[reason] : undefined;
  return text ?? clean(reason, 40);
};
const HELD: Readonly<Record<string, string>> = {
  stopped: 'the trigger or the org is stopped: interlock trigger list and interlock stop show say by whom',
  burst: 'more matches than its burst limit allows',
  cooldown: 'a run for the same thing was started a short time ago',
  rate: 'as many runs as its rate allows were started',
  concurrency: 'as many runs of the playbook are under way as may be',
  queue_full: 'as many runs wait already as may wait',
};
