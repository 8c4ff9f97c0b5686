import type { AuditDraft } from '../audit/record.ts';
import { invariant } from '../base/assert.ts';
import type { Digest, StepId, StepRunId } from '../base/id.ts';
import type { JsonObject } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';
import { printable } from '../base/printable.ts';
import type { Step as GraphStep } from '../playbook/graph.ts';
import { auditOf } from './audit.ts';
import { type Claim, openClaims } from './claim.ts';
import type { Decision, Effect, Facts, Need } from './decision.ts';
import type { RunEvent } from './event.ts';
import { afterTurn, evolve } from './evolve.ts';
import { ownCopy } from './fold.ts';
import type { Ending, Failure, Run, StepError, Terminal, TryOp } from './state.ts';

/**
 * A turn in the making: emits events and folds each at once, so that the next rule sees the run as it will be stored.
 * Local to one call of decide; nothing outside sees it half done.
 */
export type Turn = {
  readonly facts: Facts;
  run(): Run;
  emit(event: RunEvent): void;
  ask(effect: Effect): void;
  /** The timer may come later than the instant it is for; nothing sets out in between. */
  isOverdue(): boolean;
  /** Whether anything may be sent at present: no stop, no pause. What may not is parked. */
  maySend(): boolean;
  /** Who has claimed what a step does once, in this turn or before. */
  claim(step: StepRunId, key: Digest): Claim | undefined;
  /** Whether the run may have one more step run. */
  mayReachMore(): boolean;
  /** Whether this turn may take up one more thing that is due. It has to be told again of the rest. */
  mayTakeUpMore(): boolean;
  /** Whether one more lane may begin in this turn. The next turn goes on with the rest. */
  mayStartLane(): boolean;
  done(): Decision;
};

/**
 * What a rule of the machine returns: where the run goes on from there (advance.ts does it), a judgement that it lacks,
 * or undefined when it has said all it has to say.
 */
export type Step = Move | Need | undefined;
export type Move =
  | { readonly kind: 'reach'; readonly to: StepId; readonly items: readonly number[] }
  /** On to the next step of the block, or out of it where `to` is null. */
  | { readonly kind: 'go-on'; readonly from: GraphStep; readonly items: readonly number[]; readonly to: StepId | null }
  /** A step failed for good, which is on record. */
  | {
      readonly kind: 'fail';
      readonly step: GraphStep;
      readonly at: StepRunId;
      readonly error: StepError;
      readonly reason: string;
    }
  /** The run will not complete. */
  | ({ readonly kind: 'stop'; readonly state: Exclude<Terminal, 'completed'> } & Omit<Ending, 'state'>);

export const goOn = (from: GraphStep, items: readonly number[], to: StepId | null): Move => ({
  kind: 'go-on',
  from,
  items,
  to,
});
/** @param failed the step whose failure ends the run, where it is one, with its error. */
export const stop = (
  state: Exclude<Terminal, 'completed'>,
  reason: string,
  failed?: { readonly at: StepRunId; readonly error: StepError },
): Move => ({ kind: 'stop', state, reason, ...(failed && { failure: failureOf(failed.at, failed.error) }) });

const FAILURE_CHARS = 300;
const failureOf = (step: StepRunId, { class: kind, message }: StepError): Failure => ({
  step,
  class: kind,
  message: printable(message, FAILURE_CHARS),
});
export const fail = (step: GraphStep, at: StepRunId, error: StepError, reason: string): Move => ({
  kind: 'fail',
  step,
  at,
  error,
  reason,
});

/** Nothing may be sent at present: the step goes on from here when that is over. */
export function park(turn: Turn, step: StepRunId, parameters: JsonObject, op: TryOp): undefined {
  turn.emit({ kind: 'step-parked', step, parameters, op, ...(!turn.facts.stopped && { pause: true }) });
}

/** So that one turn stays short, however many items there are. */
const LANES_PER_TURN = 8;
const EVENTS_PER_TURN = 128;

export function beginTurn(run: Run | null, facts: Facts): Turn {
  const events: RunEvent[] = [];
  const audit: AuditDraft[] = [];
  const effects: Effect[] = [];
  const claims = openClaims(facts.claim);
  let folded = run;
  let lanes = 0;
  const now = () => {
    invariant(folded, 'a turn begins with a run or with run-started');
    return folded;
  };
  return {
    facts,
    run: now,
    emit(event) {
      if (events.length === 0 && folded) folded = ownCopy(folded);
      audit.push(auditOf(folded, event));
      folded = evolve(folded, event, facts.seq + events.length, facts.now);
      events.push(event);
      if (event.kind === 'lane-started') lanes++;
      if (event.kind === 'step-claimed') claims.claimed(event.step, event.key);
    },
    ask: (effect) => void effects.push(effect),
    isOverdue: () => facts.now >= now().deadlineAt,
    maySend: () => !facts.stopped && !facts.paused && !now().paused,
    claim: (step, key) => claims.of(step, key, now().id),
    mayReachMore: () => Object.keys(now().steps).length < LIMITS.stepRunsPerRun.value,
    mayTakeUpMore: () => events.length < EVENTS_PER_TURN,
    mayStartLane: () => events.length < EVENTS_PER_TURN && lanes < LANES_PER_TURN,
    done: () => ({ kind: 'turn', run: afterTurn(now(), run), events, audit, effects }),
  };
}
