import { type CallEnvelope, methodsOf } from '../../sdk/contract/plugin.ts';
import { digestOf } from '../base/digest.ts';
import type { OrgId, RunId, StepRunId } from '../base/id.ts';
import { partsOfStepRun } from '../base/id.ts';
import { own } from '../base/own.ts';
import { openTurns } from '../base/turns.ts';
import { DEFAULT_TIMEOUT } from '../playbook/compile.ts';
import type { CellHost } from '../port/cell-host.ts';
import type { Clock, Entropy } from '../port/clock.ts';
import type { Effect, Input } from '../run/decision.ts';
import { isEnded, type Run } from '../run/state.ts';
import type { Broker } from './broker.ts';
import type { Driver } from './drive.ts';
import { type Answered, brokeOff, checkOf, failedBefore, outcomeOf, planOf, undoOf } from './outcome.ts';
import type { Registry } from './registry.ts';
import type { Scheduler } from './scheduler.ts';

/**
 * Carries out calls: a cell, with the broker as its one way out. What comes back becomes an input of the run.
 */
type Call = Extract<Effect, { kind: 'call' }>;
type Waiting = { readonly key: string; readonly run: Run; readonly call: Call };

/** Between the soft deadline, which an author can see, and the kill. */
const GRACE_MS = 500;
/**
 * Calls handed to the cells at a time: enough to keep every cell busy, few enough to stop soon. The last quarter is for
 * orgs that have none there (see `turns.ts`).
 */
const IN_FLIGHT = 512;

export function openWorker(deps: {
  cells: CellHost;
  broker: Broker;
  driver: Driver;
  registry: Registry;
  clock: Clock;
  entropy: Entropy;
  scheduler: Scheduler;
  report: (defect: unknown) => void;
}) {
  const { cells, broker, driver, registry, clock, entropy, scheduler, report } = deps;
  const inFlight = new Map<string, AbortController>();
  /** Calls that wait for a place. Bounded by the runs in flight, which are bounded per org. */
  const waiting = new Map<string, Waiting>();
  const turns = openTurns<OrgId, Waiting>(IN_FLIGHT);
  const keyOf = ({ org, id }: Pick<Run, 'org' | 'id'>, step: string) => `${org}/${id}/${step}`;
  let stopped = false;
  let onQuiet: () => void = () => undefined;

  const carryOut = async (run: Run, call: Call) => {
    const stop = new AbortController();
    const key = keyOf(run, call.step);
    inFlight.set(key, stop);
    try {
      const answered = await callPlugin(run, call, stop.signal).catch((defect) => {
        report(defect);
        return brokeOff();
      });
      // Cut off by our own end, which says nothing of the target: the call stays open for the next start.
      if (stopped) return;
      await driver.submit(run.org, run.id, answerTo(call, answered));
    } finally {
      if (inFlight.get(key) === stop) inFlight.delete(key);
    }
  };

  /** @returns whether the run still wants it, once that is on disk: it may have ended while the call was on its way. */
  const leaving = async ({ org, id }: Run, { step, attempt }: Call): Promise<boolean> => {
    const submitted = await driver.submit(org, id, { kind: 'leaving', step, attempt });
    return submitted.ok && !isEnded(submitted.run);
  };

  const callPlugin = async (run: Run, call: Call, signal: AbortSignal): Promise<Answered> => {
    const step = registry
      .graph(run.org, run.playbook.name, run.playbook.digest)
      ?.steps.get(partsOfStepRun(call.step).step);
    const org = registry.org(run.org);
    if (step?.kind !== 'action' || !org) return failedBefore('internal', 'the pinned step is not there');
    const digest = own(run.plugins, step.plugin);
    const contract = digest && registry.plugin(digest)?.contracts.get(step.action);
    if (!digest || !contract) return failedBefore('not_found', `${step.plugin}/${step.action} is not installed`);
    // Grants are those of now, not of the start: what an operator takes back is gone at once.
    const grant = org.egress.grants.find(({ plugin }) => plugin === step.plugin);
    const { effect } = contract.action;
    const timeout = step.timeout ?? DEFAULT_TIMEOUT[step.type];
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
      timeoutMs: timeout,
      signal,
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
      softDeadlineMs: timeout,
      hardDeadlineMs: timeout + GRACE_MS,
      broker: way.handle,
      signal,
    });
    const use = await way.close();
    return { outcome, use, effect, checkOutput: contract.checkOutput };
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
    for (let taken = stopped ? undefined : turns.take(); taken; taken = turns.take()) {
      const { key, run, call } = taken;
      waiting.delete(key);
      const over = () => {
        turns.done(run.org);
        next();
      };
      // Rejects when the ledger failed, and then the process is on its way out, or on a defect of ours.
      carryOut(run, call).catch(report).finally(over);
    }
    if (inFlight.size === 0) onQuiet();
  };

  return {
    /** Starts an effect. Its answer arrives at the run as an input; nothing is returned. */
    act(run: Run, effect: Extract<Effect, { kind: 'call' | 'abort' }>): void {
      const key = keyOf(run, effect.step);
      forget(key);
      if (effect.kind === 'abort') {
        inFlight.get(key)?.abort();
        return;
      }
      const call = { key, run, call: effect };
      waiting.set(key, call);
      turns.push(run.org, call);
      next();
    },
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
      stopped = true;
      waiting.clear();
      turns.clear();
      for (const call of inFlight.values()) call.abort();
    },
  };
}

/** What came back, as the input that it is for the run. */
function answerTo({ op, step, attempt }: Call, answered: Answered): Exclude<Input, { kind: 'start' }> {
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
