import type { OrgId, RunId, StepRunId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import { openTurns } from '../base/turns.ts';
import { callsFor, DEFAULT_EXECUTION, rateFor } from '../call/policy.ts';
import type { Effect, StopOf } from '../run/decision.ts';
import type { Run } from '../run/state.ts';
import { type Call, type Caller, stepOf } from './caller.ts';
import type { Driver } from './drive.ts';
import { openPaces } from './paces.ts';
import type { Registry } from './registry.ts';
import type { Scheduler } from './scheduler.ts';

/**
 * Which calls go, and when. They wait until the limits and the rate of their org and connector (the execution policy) let them go; orgs
 * take turns. While an org is stopped nothing of it goes, and what was under way is cut off. What comes back becomes an
 * input of the run.
 */

/** `connector`: the plugin that it calls. */
type Waiting = { readonly key: string; readonly run: Run; readonly call: Call; readonly connector: string };
/** `stop`: whose cut it off, so that its run is told that nobody will answer. */
type UnderWay = { readonly org: OrgId; readonly abort: AbortController; stop: StopOf | null };

/**
 * Calls handed to the cells at a time: enough to keep every cell busy, few enough to stop soon. The last quarter is for
 * orgs that have none there (see `turns.ts`).
 */
const IN_FLIGHT = LIMITS.callsUnderWay.value;

export type Worker = ReturnType<typeof openWorker>;

export function openWorker(deps: {
  caller: Caller;
  driver: Pick<Driver, 'submit'>;
  registry: Registry;
  stopOf: (org: OrgId) => StopOf | null;
  scheduler: Scheduler;
  report: (defect: unknown) => void;
}) {
  const { caller, driver, registry, stopOf, scheduler, report } = deps;
  const inFlight = new Map<string, UnderWay>();
  /** Calls that wait for a place. Bounded by the runs in flight, which are bounded per org. */
  const waiting = new Map<string, Waiting>();
  const policyOf = (org: OrgId) => registry.org(org)?.execution ?? DEFAULT_EXECUTION;
  const paces = openPaces({
    rateOf: (org, connector) => rateFor(policyOf(org), connector),
    scheduler,
    onRoom: (org) => {
      turns.review(org);
      next();
    },
  });
  const turns = openTurns<OrgId, Waiting>(() => IN_FLIGHT, {
    ofOrg: (org) => (stopOf(org) === null ? policyOf(org).concurrency.org : 0),
    ofWay: (org, connector) => (paces.isFull(org, connector) ? 0 : callsFor(policyOf(org), connector)),
  });
  const keyOf = ({ org, id }: Pick<Run, 'org' | 'id'>, step: string) => `${org}/${id}/${step}`;
  let isOver = false;
  let onQuiet: () => void = () => undefined;

  const carryOut = async ({ key, run, call }: Waiting) => {
    const underWay: UnderWay = { org: run.org, abort: new AbortController(), stop: null };
    inFlight.set(key, underWay);
    try {
      const given = await caller.call(run, call, underWay);
      // Cut off by our own end, which says nothing of the target: the call stays open for the next start.
      if (!isOver) await driver.submit(run.org, run.id, given);
    } finally {
      if (inFlight.get(key) === underWay) inFlight.delete(key);
    }
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
      if (paces.begin(run.org, connector)) turns.review(run.org);
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
      const step = stepOf(registry, run, effect);
      const call = { key, run, call: effect, connector: step?.kind === 'action' ? step.plugin : '' };
      waiting.set(key, call);
      turns.push(run.org, call, call.connector);
      next();
    },
    /** The stop switch of these orgs was turned: cuts off what is under way, or lets go what waits. */
    stopChanged(orgs: readonly OrgId[]): void {
      for (const org of orgs) turns.review(org);
      for (const call of inFlight.values()) {
        const stop = stopOf(call.org);
        if (stop === null) continue;
        // The first that came: the next finds it cut off.
        call.stop ??= stop;
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
      paces.stop();
      waiting.clear();
      turns.clear();
      for (const call of inFlight.values()) call.abort.abort();
    },
  };
}
