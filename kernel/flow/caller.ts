import { type CallEnvelope, methodsOf } from '../../sdk/contract/plugin.ts';
import { digestOf } from '../base/digest.ts';
import { type Digest, type OrgId, partsOfStepRun } from '../base/id.ts';
import { own } from '../base/own.ts';
import type { End } from '../call/breaker.ts';
import { DEFAULT_EXECUTION, timeoutFor } from '../call/policy.ts';
import { pauseOf } from '../call/retry-after.ts';
import type { ActionContract } from '../cell/parameters.ts';
import type { ActionStep } from '../playbook/graph.ts';
import type { CellHost } from '../port/cell-host.ts';
import type { Clock, Entropy } from '../port/clock.ts';
import type { Effect, Input, StopOf } from '../run/decision.ts';
import { openCalls } from '../run/open-work.ts';
import { isEnded, type Run } from '../run/state.ts';
import type { Breakers } from './breakers.ts';
import type { Broker, Leave } from './broker.ts';
import type { Driver } from './drive.ts';
import { type Answered, brokeOff, checkOf, endOf, failedBefore, outcomeOf, planOf, undoOf } from './outcome.ts';
import type { Registry } from './registry.ts';

/**
 * Makes one call: a cell, with the broker as its one way out, in the pins of the run and the grants of now. What comes
 * back is an input of the run. While the circuit of a connector is open its calls end at once.
 */
export type Call = Extract<Effect, { kind: 'call' }>;
/** What a run is told of a call. */
export type Answer = Exclude<Input, { kind: 'start' }>;
/** How a call is cut off. `stop`: whose did it, so that its run is told that nobody will answer. */
export type CutOff = { readonly abort: AbortController; readonly stop: StopOf | null };

/** Between the soft deadline, which an author can see, and the kill. */
export const GRACE_MS = 500;

export type Caller = ReturnType<typeof openCaller>;

export function openCaller(deps: {
  cells: CellHost;
  broker: Broker;
  driver: Pick<Driver, 'submit' | 'load'>;
  registry: Registry;
  breakers: Breakers;
  /** Whether the run, or one that it is a part of, is paused. */
  isPaused: (run: Pick<Run, 'org' | 'id'>) => boolean;
  clock: Clock;
  entropy: Entropy;
  report: (defect: unknown) => void;
}) {
  const { cells, broker, driver, registry, breakers, isPaused, clock, entropy, report } = deps;
  const policyOf = (org: OrgId) => registry.org(org)?.execution ?? DEFAULT_EXECUTION;

  const make = async (run: Run, call: Call, cutOff: CutOff): Promise<Answer> => {
    const step = stepOf(registry, run, call);
    const { org } = run;
    const { op, attempt } = call;
    const notSent = { kind: 'not-sent', step: call.step, attempt, op } as const;
    if (isPaused(run)) return notSent;
    if (step?.kind !== 'action' || !registry.org(org))
      return answerTo(call, failedBefore('internal', 'the pinned step is not there'));
    const digest = own(run.plugins, step.plugin);
    const plugin = digest && registry.plugin(digest);
    const revoked = plugin && registry.revocation(org, plugin);
    if (revoked) return answerTo(call, failedBefore('refused_by_policy', `${REVOKED}: ${revoked}`));
    const contract = plugin?.contracts.get(step.action);
    if (!digest || !contract)
      return answerTo(call, failedBefore('not_found', `${step.plugin}/${step.action} is not installed`));
    // What asks nothing of the target is not kept from it.
    const admitted = contract.action.effect === 'none' ? NO_BREAKER : breakers.admit(org, step.plugin);
    if (admitted.pass === null) return answerTo(call, failedBefore('unavailable', CIRCUIT_OPEN, admitted.retryAfterMs));
    let end: End = 'nothing';
    try {
      const answered = await callPlugin(run, call, step, digest, contract, cutOff.abort.signal);
      if (answered.use.isHeldBack) return notSent;
      const given = answerTo(call, answered);
      end = endOf(answered, given.result);
      const { stop } = cutOff;
      if (stop === null || answered.outcome.kind === 'replied') return given;
      return { ...notSent, kind: 'recovered', stop };
    } finally {
      breakers.ended(org, step.plugin, admitted.pass, end);
    }
  };

  /** @returns whether the run still wants it, once that is on disk: it may have ended while the call was on its way. */
  const leaving = async ({ org, id }: Run, { step, attempt }: Call): Promise<Leave> => {
    const submitted = await driver.submit(org, id, { kind: 'leaving', step, attempt });
    if (submitted.ok) return isEnded(submitted.run) ? 'over' : 'leaves';
    return submitted.refusal.kind === 'paused' ? 'paused' : 'over';
  };

  const callPlugin = async (
    run: Run,
    call: Call,
    step: ActionStep,
    digest: Digest,
    contract: ActionContract,
    signal: AbortSignal,
  ): Promise<Answered> => {
    const org = registry.org(run.org);
    const timeoutMs = timeoutFor(policyOf(run.org), step);
    // Grants are those of now, not of the start: what an operator takes back is gone at once.
    const grant = org?.egress.grants.find(({ plugin }) => plugin === step.plugin);
    const { effect } = contract.action;
    const way = broker.forStep({
      org: run.org,
      run: run.id,
      step: call.step,
      attempt: call.attempt,
      plugin: step.plugin,
      action: step.action,
      playbook: run.playbook.name,
      rules: grant?.rules ?? [],
      reports: grant?.mode === 'report',
      proxy: org?.egress.proxy,
      effect,
      // What says that it computes only is held to it.
      methods: registry.plugin(digest)?.manifest.capabilities.http ? methodsOf(contract.action) : [],
      op: call.op,
      idempotencyKey: call.key,
      traceparent: traceparentOf(run, call.step),
      timeoutMs,
      signal,
      isPaused: () => isPaused(run),
      isWanted: () => isOwed(driver.load(run.org, run.id), call),
      ...(call.recordsLeaving && { leaving: () => leaving(run, call) }),
    });
    const envelope: CallEnvelope = {
      action: step.action,
      op: call.op,
      input: call.parameters,
      plan: call.plan,
      output: call.output,
      settings: grant?.settings ?? {},
      run: run.id,
      step: call.step,
      attempt: call.attempt,
      idempotencyKey: call.key,
      now: clock.now(),
      seed: seedOf(entropy),
    };
    const outcome = await cells.call({
      org: run.org,
      module: digest,
      envelope: JSON.stringify(envelope),
      softDeadlineMs: timeoutMs,
      hardDeadlineMs: timeoutMs + GRACE_MS,
      broker: way.handle,
      signal,
    });
    const use = await way.close();
    const retryAfterMs = use.retryAfter === null ? undefined : pauseOf(use.retryAfter, clock.now());
    return { outcome, use, effect, checkOutput: contract.checkOutput, retryAfterMs };
  };

  return {
    /** Never rejects. @returns what the run is told. */
    call: (run: Run, call: Call, cutOff: CutOff): Promise<Answer> =>
      make(run, call, cutOff).catch((defect) => {
        report(defect);
        return answerTo(call, brokeOff());
      }),
  };
}

export const stepOf = (registry: Pick<Registry, 'graph'>, run: Run, { step }: Pick<Call, 'step'>) =>
  registry.graph(run.org, run.playbook.name, run.playbook.digest)?.steps.get(partsOfStepRun(step).step);

/** Whether the run still waits for the answer: as it is staged, which may be a moment before the call is cut off. */
const isOwed = (run: Run | null, { step, op }: Call): boolean =>
  run !== null && openCalls(run).some((open) => open.step === step && open.op === op);

const REVOKED = 'the trust policy of the org has revoked this plugin since the run began';
const CIRCUIT_OPEN = 'the connector has failed several times in a row, so nothing is sent to it for a while';
const NO_BREAKER = { pass: { round: null } } as const;

type Ended = Extract<Input, { kind: 'planned' | 'checked' | 'outcome' | 'undone' }>;

/** What came back, as the input that it is for the run. */
function answerTo({ op, step, attempt }: Call, answered: Answered): Ended {
  switch (op) {
    case 'plan':
      return { kind: 'planned', step, result: planOf(answered) };
    case 'check':
      return { kind: 'checked', step, attempt, result: checkOf(answered) };
    case 'execute':
      return { kind: 'outcome', step, attempt, result: outcomeOf(answered) };
    case 'rollback':
      return { kind: 'undone', step, attempt, result: undoOf(answered) };
  }
}

/** W3C Trace Context: one trace for a run, one span for a step, the same over its attempts. */
const traceparentOf = (run: Run, step: string): string =>
  `00-${run.trace}-${digestOf(`interlock/span/v1\0${run.id}\0${step}`).slice(7, 23)}-01`;

export function seedOf(entropy: Entropy): readonly [string, string] {
  const bytes = Buffer.from(entropy.nonce(16), 'base64');
  return [bytes.readBigUInt64LE(0).toString(), bytes.readBigUInt64LE(8).toString()];
}
