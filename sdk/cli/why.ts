import type { TriggerOutcome } from '../client/client.ts';
import type { Run, Step } from '../contract/api-run.ts';
import { clean, when } from './print.ts';
import { typed } from './typed.ts';

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

/** Which guardrail decided, and in its words. */
export function verdictText({ kind, by, text }: NonNullable<Step['verdict']>): string {
  const said = clean(text, 600);
  if (kind === 'deny' && by === 'default') return said;
  return `${clean(by, 63)} ${VERBS[kind]} it: ${said}`;
}
const VERBS = { allow: 'allows', hold: 'holds', deny: 'denies' } as const;

/** What makes an action wait for people: the policy, or the playbook by a step of its own. */
export function askedBy({ tier, needed, role }: Asked, verdict: Step['verdict'], isGate: boolean): string {
  const people = `${needed} of role ${role}`;
  if (isGate) return `the playbook, by a step of type approval: ${people}`;
  if (verdict?.kind === 'hold') return `the guardrail ${clean(verdict.by, 63)}; for tier ${tier} it takes ${people}`;
  return `the approval matrix: tier ${tier} takes ${people}`;
}
type Asked = Pick<Run['approvals'][number], 'tier' | 'needed' | 'role'>;

/** Of what is so now, or of what was so when an event came. */
export type Tense = 'now' | 'then';

/**
 * Why a match starts nothing now, or started nothing when the event came: what held it back may be over since.
 * A server may know reasons that this version does not.
 */
export const heldText = (
  { reason, until, stop }: Pick<TriggerOutcome, 'until' | 'stop'> & { readonly reason: string },
  tense: Tense,
): string => {
  if (stop) return stoppedText(stop, tense);
  const text = typed((Object.hasOwn(HELD, reason) ? HELD[reason] : undefined)?.[tense] ?? '') || clean(reason, 40);
  if (until == null) return text;
  // Whatever comes may lengthen a burst, and take the place that a rate has free.
  return `${text}; until ${when(until)}${reason === 'cooldown' ? '' : tense === 'now' ? ', if nothing more comes' : ', if nothing more came'}`;
};
const stoppedText = (stop: string, tense: Tense): string => {
  const says = typed(stop === 'trigger' ? 'interlock trigger list' : 'interlock stop show');
  return tense === 'now'
    ? `the ${clean(stop, 40)} is stopped: ${says} says by whom`
    : `the ${clean(stop, 40)} was stopped then; ${says} says whether it still is`;
};
const HELD: Readonly<Record<string, Readonly<Record<Tense, string>>>> = {
  stopped: {
    now: 'the trigger or the org is stopped: interlock trigger list and interlock stop show say by whom',
    then: 'the trigger or the org was stopped then; interlock trigger list and interlock stop show say whether it still is',
  },
  burst: {
    now: 'more matches come than its burst limit allows',
    then: 'more matches came than its burst limit allows',
  },
  cooldown: {
    now: 'its cooldown: a run for the same thing was started a short time ago',
    then: 'its cooldown: a run for the same thing had been started a short time before',
  },
  rate: {
    now: 'as many runs as its rate allows were started',
    then: 'as many runs as its rate allows had been started',
  },
  concurrency: {
    now: 'as many runs of the playbook are under way as its concurrency allows',
    then: 'as many runs of the playbook were under way as its concurrency allows',
  },
  queue_full: {
    now: 'as many runs wait already as may wait',
    then: 'as many runs waited already as may wait',
  },
  chain: {
    now: 'as many runs as may have started one another by their ends',
    then: 'as many runs as may had started one another by their ends',
  },
};

/** What an event must have for a step that waits: pointers, each with its value. */
export const keyText = (match: unknown): string =>
  Object.entries(typeof match === 'object' && match !== null ? match : {})
    .slice(0, KEYS)
    .map(([pointer, value]) => `${clean(pointer, 120)} ${clean(JSON.stringify(value ?? null), 60)}`)
    .join(' and ') || 'the right key';
const KEYS = 4;
