import * as v from 'valibot';
import { isErrorClass } from '../../sdk/contract/error.ts';
import { PlanSchema } from '../../sdk/contract/plugin.ts';
import { unreachable } from '../base/assert.ts';
import { type Json, parseJson } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';
import { printable } from '../base/printable.ts';
import type { DurationMs } from '../base/time.ts';
import type { End } from '../call/breaker.ts';
import type { CellOutcome } from '../port/cell-host.ts';
import type { CheckResult, Outcome, PlanResult } from '../run/decision.ts';
import type { StepError } from '../run/state.ts';
import type { BrokerUse } from './broker.ts';

/**
 * Reads what came back of a call as one of three ends. What cannot be known is `indeterminate`, never `failed`; what a
 * plugin says is foreign, and becomes an output only when it fits the action's schema.
 */
/** A message from a plugin is foreign text: kept short, without control characters. */
const MESSAGE_CHARS = 500;

/** What came back of one call, before anyone has judged it. */
export type Answered = {
  readonly outcome: CellOutcome;
  readonly use: BrokerUse;
  readonly effect: 'none' | 'read' | 'write';
  readonly checkOutput: (value: Json) => string | undefined;
  /** How long the target, or the open circuit before it, asks to be left alone. */
  readonly retryAfterMs?: DurationMs | undefined;
};

/** Of a call that sent nothing. */
export const NOTHING_USED: BrokerUse = {
  requests: 0,
  unsafe: 'none',
  isInPart: false,
  isHeldBack: false,
  denied: null,
  secrets: [],
  retryAfter: null,
  isOverRate: false,
};

/** A call that was never made. */
export function failedBefore(errorClass: StepError['class'], message: string, retryAfterMs?: DurationMs): Answered {
  const reply = JSON.stringify({ ok: false, error: { class: errorClass, message } });
  const outcome: CellOutcome = { kind: 'replied', reply, logs: [], elapsedMs: 0 };
  return { outcome, use: NOTHING_USED, effect: 'none', checkOutput: () => undefined, retryAfterMs };
}

/** A call that a defect of ours cut short: whatever it had sent may have arrived. */
export function brokeOff(): Answered {
  const outcome: CellOutcome = { kind: 'crashed', reason: 'the call broke off in the kernel', logs: [], elapsedMs: 0 };
  return { outcome, use: { ...NOTHING_USED, unsafe: 'uncertain' }, effect: 'write', checkOutput: () => undefined };
}

/** `isSaid`: it is the plugin that says so; else it said nothing that could be read. */
type Reply =
  | { readonly ok: true; readonly output: Json }
  | { readonly ok: false; readonly error: StepError; readonly isSaid: boolean };

/** Everything but a well-formed reply becomes an error of ours. */
function replyOf({ outcome, use }: Answered): Reply {
  // Sticky, whatever the plugin made of it afterwards.
  if (use.denied !== null) return failure('refused_by_policy', use.denied);
  switch (outcome.kind) {
    case 'refused':
      return failure('refused_by_policy', outcome.reason);
    case 'crashed':
      return failure('internal', outcome.reason);
    case 'overran':
      return failure('timeout', `the plugin ran past its ${outcome.deadline} deadline`);
    case 'aborted':
      return failure('unavailable', 'the call was stopped');
    case 'unavailable':
      return failure('unavailable', outcome.reason);
    case 'replied':
      return readReply(outcome.reply);
    default:
      return unreachable(outcome);
  }
}

const failure = (errorClass: StepError['class'], message: string): Reply => ({
  ok: false,
  error: { class: errorClass, message: printable(message, MESSAGE_CHARS) },
  isSaid: false,
});

function readReply(text: string): Reply {
  if (Buffer.byteLength(text) > LIMITS.stepOutputBytes.value)
    return failure('invalid_input', `the output is larger than ${LIMITS.stepOutputBytes.value} bytes`);
  // The same wall as for any body: what is kept, bound and hashed later must be sound text of bounded shape.
  const read = parseJson(Buffer.from(text), { depth: LIMITS.jsonDepth.value, keys: LIMITS.jsonKeys.value });
  if (!read.ok) return failure('internal', `the reply of the plugin is not sound JSON (${read.error})`);
  const reply: unknown = read.value;
  if (typeof reply !== 'object' || reply === null || !('ok' in reply))
    return failure('internal', 'the reply has no ok');
  if (reply.ok === true) return { ok: true, output: ('output' in reply ? reply.output : null) as Json };
  if (reply.ok !== false) return failure('internal', 'the reply has an ok that is neither true nor false');
  const error = 'error' in reply ? (reply.error as { class?: unknown; message?: unknown } | null) : null;
  const known = isErrorClass(error?.class) ? error.class : 'internal';
  const told = typeof error?.message === 'string' ? error.message : 'the plugin gave no reason';
  return { ok: false, error: { class: known, message: printable(told, MESSAGE_CHARS) }, isSaid: true };
}

/** The end of an `execute`. */
export function outcomeOf(answered: Answered): Outcome {
  const reply = replyOf(answered);
  const { use, effect, checkOutput } = answered;
  if (reply.ok) {
    const fault = checkOutput(reply.output);
    if (!fault) return { kind: 'succeeded', output: reply.output, ...leftOf(answered) };
    return mayHaveHappened(effect, use) ? unknown('bad-output') : failedWith('internal', fault);
  }
  // A whole answer that the plugin read and reports as an error did not change anything the plugin knows of. A request
  // without an answer, or an answer that the plugin did not live to read, may have.
  const readIt = reply.isSaid && use.unsafe !== 'uncertain';
  if (mayHaveHappened(effect, use) && !readIt) return unknown(answered.outcome.kind);
  // What failed is the last of several requests: one before it was done, and no try of ours takes that back.
  if (effect === 'write' && use.isInPart) return unknown('a-part');
  return { kind: 'failed', error: reply.error, ...leftOf(answered), ...pauseAfter(answered) };
}

const mayHaveHappened = (effect: string, use: BrokerUse) => effect === 'write' && use.unsafe !== 'none';
const leftOf = ({ effect, use: { unsafe } }: Answered) =>
  effect === 'write' && unsafe !== 'none' ? { left: unsafe } : {};
const pauseAfter = ({ retryAfterMs }: Answered) => (retryAfterMs === undefined ? {} : { retryAfterMs });
const unknown = (why: string): Outcome => ({ kind: 'indeterminate', reason: `unknown-after-${why}` });
const failedWith = (errorClass: StepError['class'], message: string): Outcome => ({
  kind: 'failed',
  error: { class: errorClass, message: printable(message, MESSAGE_CHARS) },
});

/**
 * What the end of a call says of its target, for the circuit breaker. Only what was asked of a target says anything of it;
 * a refusal of ours, a fault of the plugin and a call that was stopped do not.
 */
export function endOf({ outcome, use }: Answered, result: Outcome | PlanResult | CheckResult): End {
  const wasAsked = use.requests > 0 && use.denied === null && !use.isOverRate;
  const mayTell = wasAsked && (outcome.kind === 'replied' || outcome.kind === 'overran');
  if (!mayTell) return 'nothing';
  switch (result.kind) {
    case 'succeeded':
    case 'planned':
    case 'done':
    case 'not-done':
      return 'well';
    case 'indeterminate':
      return use.unsafe === 'uncertain' ? 'trouble' : 'nothing';
    case 'failed':
      if (TROUBLE.includes(result.error.class)) return 'trouble';
      return result.error.class === 'internal' ? 'nothing' : 'well';
    default:
      return unreachable(result);
  }
}
const TROUBLE: readonly StepError['class'][] = ['timeout', 'unavailable', 'upstream_error', 'rate_limited'];

/** The end of a `plan`. */
export function planOf(answered: Answered): PlanResult {
  const reply = replyOf(answered);
  if (!reply.ok) return { kind: 'failed', error: reply.error, ...pauseAfter(answered) };
  const plan = v.safeParse(PlanSchema, reply.output, { abortEarly: true });
  if (plan.success) return { kind: 'planned', plan: plan.output };
  return { kind: 'failed', error: { class: 'internal', message: 'the plan has not the form of a plan' } };
}

/** The end of a `rollback`: as of an `execute`, but whatever it says beside that it went well is not kept. */
export const undoOf = (answered: Answered): Outcome => outcomeOf({ ...answered, checkOutput: () => undefined });

/** The end of one stage of a health check. What kept the plugin from being asked says nothing of its target. */
export function healthOf(answered: Answered): { readonly kind: 'well' | 'unasked' } | Failed {
  const reply = replyOf(answered);
  if (reply.ok) return { kind: 'well' };
  const { kind } = answered.outcome;
  if (kind === 'unavailable' || kind === 'aborted') return { kind: 'unasked' };
  return { kind: 'failed', error: reply.error };
}
type Failed = { readonly kind: 'failed'; readonly error: StepError };

const CheckReply = v.looseObject({ done: v.boolean(), output: v.optional(v.unknown()) });

/** The end of a `check`: whether the last try happened, and its output where the action knows it. */
export function checkOf(answered: Answered): CheckResult {
  const reply = replyOf(answered);
  if (!reply.ok) return { kind: 'failed', error: reply.error };
  const said = v.safeParse(CheckReply, reply.output);
  if (!said.success) return { kind: 'failed', error: { class: 'internal', message: 'the check did not say whether' } };
  if (!said.output.done) return { kind: 'not-done' };
  const output = (said.output.output ?? null) as Json;
  if (output === null || answered.checkOutput(output) === undefined) return { kind: 'done', output };
  return { kind: 'failed', error: { class: 'internal', message: 'the output that the check gave does not fit' } };
}
