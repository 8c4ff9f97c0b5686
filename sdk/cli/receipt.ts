import type { Receipt, TriggerOutcome } from '../client/client.ts';
import { clean, note, paint, say, state, table } from './print.ts';
import { typed } from './typed.ts';
import { heldText, type Tense, whyText } from './why.ts';

/** What became of an event, for people. */
export function sayReceipt(receipt: Receipt): void {
  const { event, repeat, triggers } = receipt;
  say(`event ${paint('strong', clean(event, 64))} ${repeat ? 'is known already; nothing changed' : 'accepted'}`);
  sayOutcomes(receipt, repeat ? 'then' : 'now');
  const lost = repeat && triggers.find(({ runState }) => isOverWithoutSuccess(runState));
  if (lost)
    note(
      typed`An event is taken once. To have it run again: interlock run again ${clean(lost.run ?? 'RUN', 64)} --reason "..."`,
    );
}

/** What its triggers said, and who waited for it. */
export function sayOutcomes(
  { triggers, counts, woke, unmet }: Pick<Receipt, 'triggers' | 'counts' | 'woke' | 'unmet'>,
  tense: Tense,
): void {
  const { judged, ruledOut } = counts;
  if (judged + ruledOut === 0) say('  no active playbook has a trigger');
  if (triggers.length > 0)
    say(
      table(
        ['TRIGGER', 'OUTCOME', 'RUN', 'WHY'],
        triggers.map((one) => triggerRow(one, tense)),
      ),
    );
  const untold = judged + ruledOut - triggers.length;
  if (untold > 0) say(typed`  ${untold} other triggers did not match (interlock trigger explain shows why)`);
  for (const { run, step } of woke) say(`  ${clean(run, 64)} waited for it at ${clean(step, 80)}`);
  if (unmet > 0) {
    const steps = unmet === 1 ? '1 step waited' : `${unmet} steps waited`;
    say(typed`  ${steps} for an event with its key, and for more than it says (interlock trigger explain shows what)`);
  }
}

const isOverWithoutSuccess = (runState: TriggerOutcome['runState']): boolean =>
  runState !== null && !['pending', 'running', 'waiting', 'undoing', 'completed'].includes(runState);

const triggerRow = (
  { playbook, trigger, outcome, reason, until, stop, run, runState, why }: TriggerOutcome,
  tense: Tense,
): string[] => [
  `${clean(playbook, 63)}/${clean(trigger, 63)}`,
  state(outcome),
  run === null ? '-' : clean(run, 64),
  whyOf({ outcome, reason, until, stop, runState, why }, tense),
];

/**
 * Why nothing was started, or what took it in. A stop lasts, so of an event that has just come it is said as of now; what else
 * held it back was so at the moment at which it came.
 */
export const whyOf = (
  {
    outcome,
    reason,
    until,
    stop,
    runState,
    why,
  }: Pick<TriggerOutcome, 'outcome' | 'reason' | 'until' | 'stop' | 'runState' | 'why'>,
  tense: Tense,
): string =>
  reason !== null
    ? heldText({ reason, until, stop }, reason === 'stopped' ? tense : 'then')
    : runState === null
      ? whyText(outcome, why)
      : `taken in by this run, which is ${state(runState)}`;
