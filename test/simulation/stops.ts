import type { Stop } from '../../kernel/flow/stop.ts';
import type { StoredEvent } from '../../kernel/flow/stored-event.ts';
import type { WorldOrg } from './orgs.ts';
import type { Pauses } from './pauses.ts';
import type { Random } from './random.ts';
import type { Bare } from './world.ts';

/**
 * The stop switch of an org: somebody engages it at any time, and releases it some time after, whatever has become of the
 * kernel meanwhile. What the disk says is in force, in the order in which it was staged: while it says stopped, nothing is
 * sent, nothing is about to be sent, and no event starts a run; and nothing stays parked after the release.
 */
export type Stops = {
  /** A kernel starts: what the last one was asked for and has not done is forgotten, and its requests are nobody's. */
  began(): void;
  /** A request is handed to the network. @returns what is called when it is answered. */
  leaving(org: string, what: string, signal: AbortSignal | undefined): () => void;
  /** Troubles cease, and so do the stops. */
  cease(): void;
};

/** Of what is parked: longer than any kernel is away, in elapsed time. */
const LATE_MS = 600_000;
const PATIENCE_MS = 10_000;
/** What is about to be sent when it is on the disk. */
const INTENTS: readonly string[] = ['step-ready', 'step-intended', 'step-checking', 'undo-intended'];

export function openStops(world: Bare, pauses: Pick<Pauses, 'overSince'>): Stops {
  const { fail, trace, time, watch } = world;
  const random = world.random.fork('stops');
  /** Orgs that are stopped on the disk. */
  const stopped = new Set<string>();
  /** Orgs whose release is asked for: from then on it may be in force before it is on the disk. */
  const releasing = new Set<string>();
  /** Requests that are under way. */
  const open = new Set<{ readonly org: string; readonly what: string; readonly signal: AbortSignal | undefined }>();
  const releasedAt = new Map<string, number>();
  /** Steps that are parked, by run. */
  const parked = new Map<string, Map<string, number>>();

  const engage = async (org: WorldOrg) => {
    const kernel = world.kernel();
    if (!kernel) return;
    releasing.delete(org.id);
    const done = await world.answer(kernel, kernel.stops.engage(by(org), 'something is wrong'));
    trace.say(`person: ${org.id} is ${done ? 'stopped' : 'to be stopped: no answer'}`);
    if (done && !stopped.has(org.id) && !releasing.has(org.id) && !releasedAt.has(org.id))
      fail('R5', `${org.id} is said to be stopped, and the disk does not say so`);
  };
  const release = async (org: WorldOrg) => {
    const kernel = world.kernel();
    if (!kernel) return;
    releasing.add(org.id);
    const done = await world.answer(kernel, kernel.stops.release(by(org)));
    trace.say(`person: ${org.id} is ${done ? 'released' : 'to be released: no answer'}`);
  };
  const releaseUntilItIs = (org: WorldOrg) => {
    if (stopped.has(org.id)) void release(org);
    time.after(PATIENCE_MS, () => stopped.has(org.id) && releaseUntilItIs(org));
  };

  const onEvent = (org: string, { id, triggers }: StoredEvent) => {
    const isStopped = stopped.has(org);
    for (const { outcome, reason } of triggers) {
      const name = `${org} ${trace.name(id)}`;
      if (isStopped && (outcome === 'matched' || outcome === 'queued' || outcome === 'absorbed'))
        fail('stop', `${name} is ${outcome} while the org is stopped`);
      if (outcome === 'suppressed' && reason === 'stopped' && !isStopped)
        fail('stop', `${name} starts nothing because of a stop that there is not`);
    }
  };

  watch.listenRows((org, what, _, value) => {
    if (what === 'event' && value !== null) onEvent(org, JSON.parse(value) as StoredEvent);
    if (what !== 'stop' || value === null) return;
    if ((JSON.parse(value) as Stop).released === null) {
      stopped.add(org);
      for (const { org: its, what, signal } of open)
        if (its === org && !signal?.aborted && !releasing.has(org))
          fail('stop', `${what} is not cut off, and ${org} is stopped`);
      releasedAt.delete(org);
    } else {
      stopped.delete(org);
      releasing.delete(org);
      releasedAt.set(org, time.elapsed());
    }
  });

  watch.listen((run, event) => {
    const name = trace.name(run.id);
    if (stopped.has(run.org)) {
      if (INTENTS.includes(event.kind)) fail('stop', `${name} ${event.kind} while ${run.org} is stopped`);
      if (event.kind === 'run-started' && !run.parent && !run.startedBy)
        fail('stop', `${name} is started while ${run.org} is stopped`);
    }
    const its = parked.get(run.id) ?? new Map<string, number>();
    parked.set(run.id, its);
    const goOn = (step: string) => {
      const over = pauses.overSince(run);
      const since = Math.max(its.get(step) ?? Infinity, releasedAt.get(run.org) ?? (over > 0 ? 0 : Infinity), over);
      its.delete(step);
      if (!stopped.has(run.org) && time.elapsed() > since + LATE_MS)
        fail('stop', `${name} ${step} stays parked although nothing has kept it for long`);
    };
    if (event.kind === 'steps-skipped' && event.reason.startsWith('join-'))
      for (const step of event.steps) its.delete(step);
    if (event.kind === 'run-ended') for (const step of [...its.keys()]) goOn(step);
    if (!('step' in event)) return;
    goOn(event.step);
    if (event.kind === 'step-parked' || event.kind === 'undo-parked') its.set(event.step, time.elapsed());
  });

  if (random.chance(0.3))
    for (let i = 1 + random.below(3); i > 0; i--) {
      const org = random.pick(world.orgs);
      const at = world.instant(random);
      time.after(at, () => void engage(org));
      if (random.chance(0.8)) time.after(at + lengthOf(random), () => void release(org));
    }

  /** One stop, in some worlds, just after a request has left: at an instant of its own it would seldom meet one. */
  const midway = world.random.fork('midway');
  let isDueMidway = midway.chance(0.15);
  const stopMidway = (id: string) => {
    const org = world.orgs.find((one) => one.id === id);
    if (!org || !isDueMidway || !midway.chance(0.3)) return;
    isDueMidway = false;
    time.after(midway.below(20), () => void engage(org));
    time.after(20 + lengthOf(midway), () => void release(org));
  };

  return {
    began() {
      releasing.clear();
      open.clear();
    },
    leaving(org, what, signal) {
      if (stopped.has(org) && !releasing.has(org)) fail('stop', `${what} leaves while ${org} is stopped`);
      const request = { org, what, signal };
      open.add(request);
      stopMidway(org);
      return () => void open.delete(request);
    },
    cease() {
      for (const org of world.orgs) releaseUntilItIs(org);
    },
  };
}

const by = ({ people }: WorldOrg) => people.find(({ roles }) => roles.includes('operator')) as WorldOrg['source'];
const lengthOf = (random: Random) => random.below(random.pick([20, 2_000, 60_000, 600_000]));
