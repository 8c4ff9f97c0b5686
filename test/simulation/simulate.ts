import { openAgain } from './again.ts';
import { openClaimRules } from './claims.ts';
import { openCrossingRules } from './crossings.ts';
import { checkEnd } from './end.ts';
import { openLives } from './lives.ts';
import { openPaceRules } from './pace.ts';
import { openPeople } from './people.ts';
import { openRandom } from './random.ts';
import { openRules } from './rules.ts';
import { openRunEndRules } from './run-ends.ts';
import { openScheduleRules } from './schedules.ts';
import { openSenders } from './senders.ts';
import { openTold } from './told.ts';
import { openWaitRules } from './waits.ts';
import { openWorld, type Present } from './world.ts';

/**
 * One seed, one world: the whole kernel on doubles of its ports, in virtual time, through several lives. Troubles cease at
 * some point; then everything must come to an end.
 */
export type Simulated = {
  readonly seed: string;
  /** The first invariant that was broken, if one was. */
  readonly violation: { readonly rule: string; readonly text: string } | undefined;
  readonly trace: readonly string[];
  readonly counts: { readonly runs: number; readonly deeds: number; readonly lives: number; readonly steps: number };
};

/** Far more than any world takes: one that does not come to rest goes round in circles. */
const MOST_STEPS = 20_000;

export async function simulate(seed: string): Promise<Simulated> {
  const present: Present = { kernel: undefined, egress: new Map() };
  const chance = openRandom(`${seed} plan`);
  const spanMs = chance.pick([60_000, 600_000, 3_600_000]);
  const world = openWorld(seed, spanMs, present);
  const { time, faults, fail } = world;
  const lives = openLives(world, present);
  const senders = openSenders(world);
  openPeople(world);
  openAgain(world);
  openPaceRules(world);
  openRules(world);
  openWaitRules(world);
  openCrossingRules(world);
  openClaimRules(world);
  const checkTold = openTold(world);
  const checkEnds = openRunEndRules(world);
  const checkSchedules = openScheduleRules(world);
  for (let i = chance.below(4); i > 0; i--)
    time.after(world.instant(chance), () => void lives.current().crash('is killed'));
  for (let i = chance.below(3); i > 0; i--) time.after(world.instant(chance), () => void lives.stop());
  // At an instant of its own an end would seldom meet a time of a schedule.
  const missing = openRandom(`${seed} missing`);
  const minutes = world.playbooks.flatMap(({ schedule }) => schedule?.minutes ?? []);
  if (minutes.length > 0 && missing.chance(0.5))
    time.after(missing.pick(minutes) * 60_000 - missing.below(5_000), () => void lives.current().crash('is killed'));
  for (let i = chance.below(3); i > 0; i--) {
    const byMs = chance.pick([1, 999, 60_000, 7_200_000]) * chance.pick([1, -1]);
    time.after(world.instant(chance), () => world.clock.set(byMs));
  }
  time.after(spanMs, () => {
    faults.cease();
    world.stops.cease();
    world.trace.say('troubles cease');
  });

  let steps = 0;
  lives.begin();
  while (!world.violation() && (await time.step()))
    if (++steps > MOST_STEPS) fail('R8', 'the world does not come to rest');
  if (!world.violation()) checkEnd(world, present.kernel, senders.check);
  if (!world.violation()) checkSchedules();
  if (!world.violation()) checkEnds();
  if (!world.violation()) checkTold();
  return {
    seed,
    violation: world.violation(),
    trace: world.trace.lines(),
    counts: { runs: world.watch.runs().length, deeds: world.deeds.size, lives: lives.count(), steps },
  };
}
