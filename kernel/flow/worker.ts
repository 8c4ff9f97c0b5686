import { type CallEnvelope, methodsOf } from '../../sdk/contract/plugin.ts';
import { digestOf } from '../base/digest.ts';
import { type Digest, type OrgId, partsOfStepRun, type RunId, type StepRunId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import { own } from '../base/own.ts';
import { openTurns } from '../base/turns.ts';
import type { End } from '../call/breaker.ts';
import { callsFor, DEFAULT_EXECUTION, timeoutFor } from '../call/policy.ts';
import { pauseOf } from '../call/retry-after.ts';
import type { ActionContract } from '../cell/parameters.ts';
import type { ActionStep } from '../playbook/graph.ts';
import type { CellHost } from '../port/cell-host.ts';
import type { Clock, Entropy } from '../port/clock.ts';
import type { Effect, Input } from '../run/decision.ts';
import { openCalls } from '../run/open-work.ts';
import { isEnded, type Run } from '../run/state.ts';
import type { Breakers } from './breakers.ts';
import type { Broker } from './broker.ts';
import type { Driver } from './drive.ts';
import { type Answered, brokeOff, checkOf, endOf, failedBefore, outcomeOf, planOf, undoOf } from './outcome.ts';
import type { Registry } from './registry.ts';
import type { Scheduler } from './scheduler.ts';

/**
 * Carries out calls: a cell, with the broker as its one way out. What comes back becomes an input of the run.
 *
 * Calls wait until the limits of their org and connector (the execution policy) let them go; orgs take turns. While the
 * circuit of a connector is open its calls end at once. While an org is stopped nothing of it goes, and what was under
 * way is cut off.
 */
type Call = Extract<Effect, { kind: 'call' }>;
/** `connector`: the plugin that it calls. */
type Waiting = { readonly key: string; readonly run: Run; readonly call: Call; readonly connector: string };
/** `isCutOff`: by the stop switch, so that its run is told that nobody will answer. */
type UnderWay = { readonly org: OrgId; readonly abort: AbortController; isCutOff: boolean };

/** Between the soft deadline, which an author can see, and the kill. */
const GRACE_MS = 500;
/**
 * Calls handed to the cells at a time: enough to keep every cell busy, few enough to stop soon. The last quarter is for
 * orgs that have none there (see `turns.ts`).
 */
const IN_FLIGHT = LIMITS.callsUnderWay.value;

export type Worker = ReturnType<typeof openWorker>;

export function openWorker(deps: {
  cells: CellHost;
  broker: Broker;
  driver: Driver;
  registry: Registry;
  breakers: Breakers;
  isStopped: (org: OrgId) => boolean;
  clock: Clock;
  entropy: Entropy;
  scheduler: Scheduler;
  report: (defect: unknown) => void;
}) {
  const { cells, broker, driver, registry, breakers, isStopped, clock, entropy, scheduler, report } = deps;
  const inFlight = new Map<string, UnderWay>();
  /** Calls that wait for a place. Bounded by the runs in flight, which are bounded per org. */
  const waiting = new Map<string, Waiting>();
  const policyOf = (org: OrgId) => registry.org(org)?.execution ?? DEFAULT_EXECUTION;
  const turns = openTurns<OrgId, Waiting>(() => IN_FLIGHT, {
    ofOrg: (org) => (isStopped(org) ? 0 : policyOf(org).concurrency.org),
    ofWay: (org, connector) => callsFor(policyOf(org), connector),
  });
  const keyOf = ({ org, id }: Pick<Run, 'org' | 'id'>, step: string) => `${org}/${id}/${step}`;
  const stepOf = (run: Run, { step }: Call) =>
    registry.graph(run.org, run.playbook.name, run.playbook.digest)?.steps.get(partsOfStepRun(step).step);
  let isOver = false;
  let onQuiet: () => void = () => undefined;

  const carryOut = async ({ key, run, call }: Waiting) => {
    const underWay: UnderWay = { org: run.org, abort: new AbortController(), isCutOff: false };
    inFlight.set(key, underWay);
    try {
      const given = await inputOf(run, call, underWay).catch((defect) => {
        report(defect);
        return answerTo(call, brokeOff());
      });
      // Cut off by our own end, which says nothing of the target: the call stays open for the next start.
      if (!isOver) await driver.submit(run.org, run.id, given);
    } finally {
      if (inFlight.get(key) === underWay) inFlight.delete(key);
    }
  };

  /** Makes the call. @returns what its run is told. */
  const inputOf = async (run: Run, call: Call, underWay: UnderWay): Promise<Answer> => {
    const step = stepOf(run, call);
    const { org } = run;
    if (step?.kind !== 'action' || !registry.org(org))
      return answerTo(call, failedBefore('internal', 'the pinned step is not there'));
    const digest = own(run.plugins, step.plugin);
    const contract = digest && registry.plugin(digest)?.contracts.get(step.action);
    if (!digest || !contract)
      return answerTo(call, failedBefore('not_found', `${step.plugin}/${step.action} is not installed`));
    // What asks nothing of the target is not kept from it.
    const admitted = contract.action.effect === 'none' ? NO_BREAKER : breakers.admit(org, step.plugin);
    if (admitted.pass === null) return answerTo(call, failedBefore('unavailable', CIRCUIT_OPEN, admitted.retryAfterMs));
    let end: End = 'nothing';
    try {
      const answered = await callPlugin(run, call, step, digest, contract, underWay.abort.signal);
      const given = answerTo(call, answered);
      end = endOf(answered, given.result);
      const isCutOff = underWay.isCutOff && answered.outcome.kind !== 'replied';
      return isCutOff ? { kind: 'recovered', step: call.step, attempt: call.attempt, op: call.op, why: 'stop' } : given;
    } finally {
      breakers.ended(org, step.plugin, admitted.pass, end);
    }
  };

  /** @returns whether the run still wants it, once that is on disk: it may have ended while the call was on its way. */
  const leaving = async ({ org, id }: Run, { step, attempt }: Call): Promise<boolean> => {
    const submitted = await driver.submit(org, id, { kind: 'leaving', step, attempt });
    return submitted.ok && !isEnded(submitted.run);
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
      rules: grant?.rules ?? [],
      effect,
      methods: methodsOf(contract.action),
      op: call.op,
      idempotencyKey: call.key,
      traceparent: traceparentOf(run, call.step),
      timeoutMs,
      signal,
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

  const forget = (key: string) => {
    const forgotten = waiting.get(key);
    if (!forgotten) return;
    waiting.delete(key);
    turns.remove(forgotten);
  };

  /** Sends what waits, orgs in turn, as far as there is room. */
  const next = () => {
    // A turn that was on its way to the disk may ask for a call afterwards: it is for the next start.
    for (let taken = isOver ? undefined : turns.take(); taken; taken = turns.take()) {
      const { key, run, connector } = taken;
      waiting.delete(key);
      const over = () => {
        turns.done(run.org, connector);
        next();
      };
      // Rejects when the ledger failed, and then the process is on its way out, or on a defect of ours.
      carryOut(taken).catch(report).finally(over);
    }
    if (inFlight.size === 0) onQuiet();
  };

  return {
    /** Starts an effect. Its answer arrives at the run as an input; nothing is returned. */
    act(run: Run, effect: Extract<Effect, { kind: 'call' | 'abort' }>): void {
      const key = keyOf(run, effect.step);
      forget(key);
      if (effect.kind === 'abort') {
        inFlight.get(key)?.abort.abort();
        return;
      }
      const step = stepOf(run, effect);
      const call = { key, run, call: effect, connector: step?.kind === 'action' ? step.plugin : '' };
      waiting.set(key, call);
      turns.push(run.org, call, call.connector);
      next();
    },
    /** The stop switch of these orgs was turned: cuts off what is under way, or lets go what waits. */
    stopChanged(orgs: readonly OrgId[]): void {
      for (const org of orgs) turns.review(org);
      for (const call of inFlight.values()) {
        if (!isStopped(call.org)) continue;
        call.isCutOff = true;
        call.abort.abort();
      }
      next();
    },
    /** Calls of the connector that are carried out, and that wait. */
    loadOf: (org: OrgId, connector: string) => ({
      inFlight: turns.heldBy(org, connector),
      waiting: turns.waitingOf(org, connector),
    }),
    busy: () => inFlight.size + waiting.size,
    /** Whether the call of this step is carried out, or waits for a place. */
    has(org: OrgId, id: RunId, step: StepRunId): boolean {
      const key = keyOf({ org, id }, step);
      return inFlight.has(key) || waiting.has(key);
    },
    /**
     * Lets what is under way go on for `graceMs`, then stops it and hears no answer any more. Calls that are cut off
     * stay open on the record; the next start takes them up as it does after a crash.
     */
    async stop(graceMs: number): Promise<void> {
      const quiet = Promise.withResolvers<void>();
      onQuiet = quiet.resolve;
      const takeBack = scheduler.after(graceMs, quiet.resolve);
      next();
      await quiet.promise;
      takeBack();
      isOver = true;
      waiting.clear();
      turns.clear();
      for (const call of inFlight.values()) call.abort.abort();
    },
  };
}

/** Whether the run still waits for the answer: as it is staged, which may be a moment before the call is cut off. */
const isOwed = (run: Run | null, { step, op }: Call): boolean =>
  run !== null && openCalls(run).some((open) => open.step === step && open.op === op);

const CIRCUIT_OPEN = 'the connector has failed several times in a row, so nothing is sent to it for a while';
const NO_BREAKER = { pass: { round: null } } as const;

type Answer = Exclude<Input, { kind: 'start' }>;
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

function seedOf(entropy: Entropy): readonly [string, string] {
  const bytes = Buffer.from(entropy.nonce(16), 'base64');
  return [bytes.readBigUInt64LE(0).toString(), bytes.readBigUInt64LE(8).toString()];
}
