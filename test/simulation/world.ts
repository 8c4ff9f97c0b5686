import { unixMs } from '../../kernel/base/time.ts';
import type { Kernel } from '../../kernel/flow/kernel.ts';
import { KEYS } from '../../kernel/flow/keys.ts';
import type { Run } from '../../kernel/run/state.ts';
import type { EgressPolicy } from '../../sdk/contract/egress.ts';
import type { Message } from './cells.ts';
import { type Disk, openDisk } from './disk.ts';
import { type Faults, openFaults } from './faults.ts';
import { checkLeaving } from './leaving.ts';
import { makeOrg, type WorldOrg } from './orgs.ts';
import { openPauses, type Pauses } from './pauses.ts';
import { type MadePlaybook, makePlaybook } from './playbooks.ts';
import { openRandom, type Random } from './random.ts';
import { openStops, type Stops } from './stops.ts';
import type { Deeds } from './targets.ts';
import { openTime, type Time } from './time.ts';
import { openTrace, type Trace } from './trace.ts';
import { openWatch, type Watch } from './watch.ts';

/** Everything around the kernel that one seed makes, and what everyone in it may ask for. */
export type World = {
  readonly random: Random;
  readonly time: Time;
  readonly trace: Trace;
  readonly faults: Faults;
  readonly disk: Disk;
  readonly watch: Watch;
  readonly stops: Stops;
  readonly pauses: Pauses;
  readonly deeds: Deeds;
  readonly orgs: readonly WorldOrg[];
  /** The same in every org. */
  readonly playbooks: readonly MadePlaybook[];
  /** When somebody does something: anywhere in the span, and often when others do something, too. */
  instant(random: Random): number;
  readonly clock: {
    now(): ReturnType<typeof unixMs>;
    set(byMs: number): void;
    /** How often it was set. */
    sets(): number;
  };
  /** An invariant is broken. The first one is what the world ends with. */
  fail(rule: string, text: string): void;
  violation(): { readonly rule: string; readonly text: string } | undefined;
  /** A request is handed to the network. */
  leaving(message: Message, key: string | null): void;
  /** The kernel, when there is one that takes requests. */
  kernel(): Kernel | undefined;
  /** The grants of the org as the kernel read them. */
  egressOf(org: string): EgressPolicy;
  /** Waits for the end of the run, as a client would. */
  follow(org: string, run: string): void;
  /** What the kernel answers; undefined where it has failed. It has no other reason not to answer. */
  answer<T>(kernel: Kernel, asked: Promise<T>): Promise<T | undefined>;
  /** A run as the kernel has it is the run that its stored turns make. */
  compare(run: Run): void;
};

/** The world before anyone is in it. */
export type Bare = Omit<World, 'stops' | 'pauses'>;

/** What the lives of the kernel tell the world. */
export type Present = { kernel: Kernel | undefined; readonly egress: Map<string, EgressPolicy> };

const DAY = 86_400_000;
const START = 1_800_000_000_000;
/** Longer than any run may last. */
const FOLLOW_MS = 40 * 86_400_000;

export function openWorld(seed: string, spanMs: number, present: Present): World {
  const random = openRandom(seed);
  const busy = Array.from({ length: 4 }, () => random.below(spanMs));
  const disk = openDisk();
  let offset = 0;
  let sets = 0;
  const firstDue = () => {
    const first = (what: string, to: string) => {
      const [row] = disk.range({ from: `!${what}/`, to, limit: 1 });
      return row ? Number(row.key.split('/')[1]) : Infinity;
    };
    // An end that is to be told is due at once.
    if (disk.range({ from: '!end/', to: '!end0', limit: 1 }).length > 0) return 0;
    // Schedules have a day, and are due again in a year: no world lasts so long.
    const at = Math.min(first('timer', '!timer0'), first('due', KEYS.dueUntil(unixMs(START + DAY))));
    return at === Infinity ? undefined : Math.max(0, at - START - offset);
  };
  const time = openTime(random.fork('time'), firstDue);
  const trace = openTrace(time.elapsed);
  const made = random.fork('made');
  const orgs = made.chance(0.65) ? ['acme'] : ['acme', 'globex'];
  // The first may start the second, so the second is there first.
  const second = made.chance(0.4) ? [makePlaybook('pb-2', made.fork('second'))] : [];
  const first = makePlaybook(
    'pb-1',
    made.fork('first'),
    second.map(({ name }) => name),
  );
  // Behind what they answer, of which one may be the other.
  const count = made.chance(0.3) ? made.pick([1, 1, 2]) : 0;
  const answers = ['pb-3', 'pb-4'].slice(0, count).map((name) => makePlaybook(name, made.fork(name), [], 'ends'));
  const playbooks = [...second, first, ...answers];
  let violation: { rule: string; text: string } | undefined;
  const fail = (rule: string, text: string) => {
    if (!violation) trace.say(`BROKEN ${rule}: ${text}`);
    violation ??= { rule, text };
  };
  const watch = openWatch({
    disk,
    trace,
    fail,
    elapsed: time.elapsed,
    windowOf(name) {
      const made = playbooks.find((one) => one.name === name);
      return made?.repeat === 'drop' || made?.repeat === 'coalesce' ? made.windowMs : null;
    },
  });
  const world: Bare = {
    random,
    time,
    trace,
    faults: openFaults(random.fork('faults')),
    disk,
    watch,
    deeds: new Map(),
    orgs: orgs.map((name) => makeOrg(name, made.fork(name))),
    playbooks,
    instant: (chance) => (chance.chance(0.4) ? chance.pick(busy) : chance.below(spanMs)),
    clock: {
      now: () => unixMs(START + Math.floor(time.elapsed()) + offset),
      set(byMs) {
        offset += byMs;
        sets++;
        trace.say(`the clock is set ${byMs < 0 ? 'back' : 'forward'} by ${Math.abs(byMs)} ms`);
      },
      sets: () => sets,
    },
    fail,
    violation: () => violation,
    leaving: (message, key) => void checkLeaving(world, message, key),
    kernel: () => present.kernel,
    egressOf: (org) => present.egress.get(org) as EgressPolicy,
    follow(org, run) {
      const { kernel } = present;
      void kernel?.waitForRun(org as never, run as never, FOLLOW_MS).then((ended) => ended && world.compare(ended));
    },
    answer: (kernel, asked) =>
      asked.catch((error: unknown) => {
        if (kernel.healthy()) fail('defect', error instanceof Error ? `${error.stack}` : `${error}`);
        return undefined;
      }),
    compare(run) {
      const text = watch.textAt(run.id, run.version);
      if (text === undefined)
        fail('durable', `${trace.name(run.id)} is shown at turn ${run.version}, which is not on the disk`);
      else if (text !== JSON.stringify(run))
        fail('R3', `${trace.name(run.id)} is another run in the kernel than on the disk, at turn ${run.version}`);
    },
  };
  // Pauses first: whether a stop leaves something parked depends on them.
  const pauses = openPauses(world);
  return { ...world, pauses, stops: openStops(world, pauses) };
}
