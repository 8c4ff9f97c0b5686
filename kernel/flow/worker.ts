import * as v from 'valibot';
import { isErrorClass } from '../../sdk/contract/error.ts';
import { type CallEnvelope, PlanSchema } from '../../sdk/contract/plugin.ts';
import { unreachable } from '../base/assert.ts';
import { digestOf } from '../base/digest.ts';
import type { Json } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';
import type { CellHost, CellOutcome } from '../port/cell-host.ts';
import type { Clock, Entropy } from '../port/clock.ts';
import type { Effect, Outcome, PlanResult } from '../run/decision.ts';
import type { Run, StepError } from '../run/state.ts';
import type { Broker, BrokerUse } from './broker.ts';
import type { Driver } from './drive.ts';
import type { Registry } from './registry.ts';

/**
 * Carries out calls: a cell, with the broker as its one way out. What comes back becomes an input of the run.
 * Owns the reading of an answer as one of three ends: what cannot be known is `indeterminate`, never `failed`.
 */
type Call = Extract<Effect, { kind: 'call' }>;

/** Between the soft deadline, which an author can see, and the kill. */
const GRACE_MS = 500;
/** A message from a plugin is foreign text: kept short, without control characters. */
const MESSAGE_CHARS = 500;

export function openWorker(deps: {
  cells: CellHost;
  broker: Broker;
  driver: Driver;
  registry: Registry;
  clock: Clock;
  entropy: Entropy;
  report: (defect: unknown) => void;
}) {
  const { cells, broker, driver, registry, clock, entropy, report } = deps;
  const inFlight = new Map<string, AbortController>();
  const keyOf = (run: Run, step: string) => `${run.org}/${run.id}/${step}`;

  const carryOut = async (run: Run, call: Call) => {
    const stop = new AbortController();
    const key = keyOf(run, call.step);
    inFlight.set(key, stop);
    try {
      const answered = await callPlugin(run, call, stop.signal);
      const { org, id } = run;
      if (call.op === 'plan')
        await driver.submit(org, id, { kind: 'planned', step: call.step, result: planOf(answered) });
      else {
        const result = outcomeOf(answered);
        await driver.submit(org, id, { kind: 'outcome', step: call.step, attempt: call.attempt, result });
      }
    } finally {
      if (inFlight.get(key) === stop) inFlight.delete(key);
    }
  };

  const callPlugin = async (run: Run, call: Call, signal: AbortSignal): Promise<Answered> => {
    const step = registry.graph(run.org, run.playbook.name, run.playbook.digest)?.steps.get(call.step);
    const org = registry.org(run.org);
    if (step?.kind !== 'action' || !org) return failedBefore('internal', 'the pinned step is not there');
    const digest = run.plugins[step.plugin];
    const contract = digest && registry.plugin(digest)?.contracts.get(step.action);
    if (!digest || !contract) return failedBefore('not_found', `${step.plugin}/${step.action} is not installed`);
    // Grants are those of now, not of the start: what an operator takes back is gone at once.
    const grant = org.egress.grants.find(({ plugin }) => plugin === step.plugin);
    const { effect } = contract.action;
    const way = broker.forStep({
      org: run.org,
      run: run.id,
      step: step.id,
      attempt: call.attempt,
      plugin: step.plugin,
      rules: grant?.rules ?? [],
      effect,
      op: call.op,
      idempotencyKey: call.key,
      traceparent: traceparentOf(run, step.id),
      timeoutMs: step.timeout,
      signal,
    });
    const envelope: CallEnvelope = {
      action: step.action,
      op: call.op,
      input: call.parameters,
      plan: call.plan,
      output: null,
      settings: grant?.settings ?? {},
      run: run.id,
      step: step.id,
      attempt: call.attempt,
      idempotencyKey: call.key,
      now: clock.now(),
      seed: seedOf(entropy),
    };
    const outcome = await cells.call({
      module: digest,
      envelope: JSON.stringify(envelope),
      softDeadlineMs: step.timeout,
      hardDeadlineMs: step.timeout + GRACE_MS,
      broker: way.handle,
      signal,
    });
    const use = await way.close();
    return { outcome, use, effect, checkOutput: contract.checkOutput };
  };

  return {
    /** Starts an effect. Its answer arrives at the run as an input; nothing is returned. */
    act(run: Run, effect: Effect): void {
      if (effect.kind === 'abort') inFlight.get(keyOf(run, effect.step))?.abort();
      // Rejects when the ledger failed, and then the process is on its way out, or on a defect of ours.
      else carryOut(run, effect).catch(report);
    },
    busy: () => inFlight.size,
  };
}

type Answered = {
  readonly outcome: CellOutcome;
  readonly use: BrokerUse;
  readonly effect: 'none' | 'read' | 'write';
  readonly checkOutput: (value: Json) => string | undefined;
};

const NOTHING_USED: BrokerUse = { requests: 0, unsafe: 'none', denied: null, secrets: [] };

function failedBefore(errorClass: StepError['class'], message: string): Answered {
  const reply = JSON.stringify({ ok: false, error: { class: errorClass, message } });
  const outcome: CellOutcome = { kind: 'replied', reply, logs: [], elapsedMs: 0 };
  return { outcome, use: NOTHING_USED, effect: 'none', checkOutput: () => undefined };
}

type Reply = { readonly ok: true; readonly output: Json } | { readonly ok: false; readonly error: StepError };

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
  error: { class: errorClass, message: printable(message) },
});

function readReply(text: string): Reply {
  if (Buffer.byteLength(text) > LIMITS.stepOutputBytes.value)
    return failure('invalid_input', `the output is larger than ${LIMITS.stepOutputBytes.value} bytes`);
  let reply: unknown;
  try {
    reply = JSON.parse(text);
  } catch {
    return failure('internal', 'the plugin replied with something that is not JSON');
  }
  if (typeof reply !== 'object' || reply === null || !('ok' in reply))
    return failure('internal', 'the reply has no ok');
  if (reply.ok === true) return { ok: true, output: ('output' in reply ? reply.output : null) as Json };
  const error = 'error' in reply ? (reply.error as { class?: unknown; message?: unknown } | null) : null;
  const known = isErrorClass(error?.class) ? error.class : 'internal';
  return failure(known, typeof error?.message === 'string' ? error.message : 'the plugin gave no reason');
}

function outcomeOf(answered: Answered): Outcome {
  const reply = replyOf(answered);
  const { use, effect, checkOutput } = answered;
  if (reply.ok) {
    const fault = checkOutput(reply.output);
    if (!fault) return { kind: 'succeeded', output: reply.output };
    return mayHaveHappened(effect, use) ? unknown('bad-output') : failedWith('internal', fault);
  }
  // A whole answer that the plugin read and reports as an error did not change anything the plugin knows of. A request
  // without an answer, or an answer that the plugin did not live to read, may have.
  const readIt = answered.outcome.kind === 'replied' && use.unsafe !== 'uncertain' && use.denied === null;
  if (mayHaveHappened(effect, use) && !readIt) return unknown(answered.outcome.kind);
  return { kind: 'failed', error: reply.error };
}

const mayHaveHappened = (effect: string, use: BrokerUse) => effect === 'write' && use.unsafe !== 'none';
const unknown = (why: string): Outcome => ({ kind: 'indeterminate', reason: `unknown-after-${why}` });
const failedWith = (errorClass: StepError['class'], message: string): Outcome => ({
  kind: 'failed',
  error: { class: errorClass, message: printable(message) },
});

function planOf(answered: Answered): PlanResult {
  const reply = replyOf(answered);
  if (!reply.ok) return { kind: 'failed', error: reply.error };
  const plan = v.safeParse(PlanSchema, reply.output);
  if (plan.success) return { kind: 'planned', plan: plan.output };
  return { kind: 'failed', error: { class: 'internal', message: 'the plan has not the form of a plan' } };
}

/** Foreign text made safe to store and show. */
const printable = (text: string): string =>
  text
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Cf}\p{Co}]+/gu, ' ')
    .slice(0, MESSAGE_CHARS);

/** W3C Trace Context: one trace for a run, one span for a step, the same over its attempts. */
const traceparentOf = (run: Run, step: string): string =>
  `00-${run.trace}-${digestOf(`interlock/span/v1\0${run.id}\0${step}`).slice(7, 23)}-01`;

function seedOf(entropy: Entropy): readonly [string, string] {
  const bytes = Buffer.from(entropy.nonce(16), 'base64');
  return [bytes.readBigUInt64LE(0).toString(), bytes.readBigUInt64LE(8).toString()];
}
