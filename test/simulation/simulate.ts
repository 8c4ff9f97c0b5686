import { openSeededEntropy } from '../../kernel/adapter/memory/clock.ts';
import type { Digest } from '../../kernel/base/id.ts';
import { openExport } from '../../kernel/flow/export.ts';
import { type Kernel, openKernel } from '../../kernel/flow/kernel.ts';
import type { ModuleStore, StoredModule } from '../../kernel/port/module-store.ts';
import { closureOf } from '../../kernel/run/open-work.ts';
import type { EgressPolicy } from '../../sdk/contract/egress.ts';
import { createVerifier } from '../../sdk/verify/verifier.ts';
import { cellsOf } from './cells.ts';
import { storeOf } from './disk.ts';
import { beginLife, type Life } from './life.ts';
import { BEHAVIOURS } from './orgs.ts';
import { openPeople } from './people.ts';
import { openRandom } from './random.ts';
import { secretsOf } from './secrets.ts';
import { openSenders } from './senders.ts';
import { egressOf } from './targets.ts';
import { openWorld, type Present, type World } from './world.ts';

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
  for (let i = chance.below(4); i > 0; i--)
    time.after(world.instant(chance), () => void lives.current().crash('is killed'));
  for (let i = chance.below(3); i > 0; i--) time.after(world.instant(chance), () => void lives.stop());
  for (let i = chance.below(3); i > 0; i--) {
    const byMs = chance.pick([1, 999, 60_000, 7_200_000]) * chance.pick([1, -1]);
    time.after(world.instant(chance), () => world.clock.set(byMs));
  }
  time.after(spanMs, () => {
    faults.cease();
    world.trace.say('troubles cease');
  });

  let steps = 0;
  lives.begin();
  while (!world.violation() && (await time.step()))
    if (++steps > MOST_STEPS) fail('R8', 'the world does not come to rest');
  if (!world.violation()) atTheEnd(world, present.kernel, senders.check);
  return {
    seed,
    violation: world.violation(),
    trace: world.trace.lines(),
    counts: { runs: world.watch.runs().length, deeds: world.deeds.size, lives: lives.count(), steps },
  };
}

/** One kernel after the other on the same disk. */
function openLives(world: World, present: Present) {
  const { time, trace, faults, fail, disk, watch } = world;
  const random = world.random.fork('lives');
  const modules = new Map<Digest, StoredModule>();
  const store: ModuleStore = {
    put: async (digest, module) => void modules.set(digest, module),
    get: async (digest) => modules.get(digest),
  };
  let count = 0;
  let life: Life;

  const begin = () => {
    present.kernel = undefined;
    for (const org of world.orgs) if (count > 0 && random.chance(0.1)) trace.say(org.edit(random));
    count++;
    const mine = beginLife(count, time, trace, () => {
      present.kernel = undefined;
      time.after(random.pick([0, 10, 1_000, 60_000]), begin);
    });
    life = mine;
    mine.say('starts');
    const kernel: Kernel = openKernel({
      store: storeOf({
        disk,
        life: mine,
        faults,
        random: random.fork(`disk ${count}`),
        committed: watch.committed,
        fail,
      }),
      clock: world.clock,
      entropy: openSeededEntropy(`${random.next()}`),
      cells: cellsOf(world, mine),
      egress: egressOf(world, mine),
      secrets: secretsOf(world, mine),
      modules: store,
      scheduler: mine.scheduler,
      report(defect) {
        if (kernel.healthy() && !mine.isOver())
          fail('defect', defect instanceof Error ? `${defect.stack}` : `${defect}`);
      },
    });
    void kernel.failure.then(() =>
      mine.scheduler.after(random.pick([0, 0, 20]), () => void mine.crash('ends: its record failed')),
    );
    const open = disk.range({ from: '!call/', to: '!call0', limit: 1_000 });
    const versions = new Map(watch.runs().map(({ id, version }) => [id as string, version]));
    void setUp(world, kernel, present.egress).then(
      () => {
        for (const { key } of open) {
          const [, , run = '', step] = key.split('/');
          if (disk.get(key) && watch.run(run)?.version === versions.get(run))
            fail('R8', `${trace.name(run)} ${step} waits for a call of an earlier life, and nobody took it up`);
        }
        mine.say('is up');
        present.kernel = kernel;
      },
      (error: unknown) => {
        if (kernel.healthy())
          fail('defect', `the kernel does not start: ${error instanceof Error ? error.stack : error}`);
      },
    );
  };

  return {
    begin,
    current: () => life,
    count: () => count,
    async stop() {
      const [kernel, mine] = [present.kernel, life];
      if (!kernel) return;
      present.kernel = undefined;
      mine.say('is asked to stop');
      kernel.endWaits();
      await kernel.stop();
      if (!mine.isOver()) void mine.crash('has stopped');
    },
  };
}

async function setUp(world: World, kernel: Kernel, egress: Map<string, EgressPolicy>): Promise<void> {
  for (const org of world.orgs) {
    const setup = org.setup();
    egress.set(org.id, setup.egress);
    const done = await kernel.setUpOrg(setup);
    if (!done.ok) throw new Error(done.error);
    for (const { name, text, other } of world.playbooks) {
      const known = kernel.query.playbook(org.id, name);
      if (known?.active) continue;
      const put = await kernel.playbooks.put(org.author, text);
      if (!put.ok) throw new Error(JSON.stringify(put.error));
      const by = org.people.find(({ id }) => id === 'ann');
      const active = by && (await kernel.playbooks.activate(by, name, put.value.digest));
      if (!active?.ok) throw new Error(`${name} is not activated`);
      if (other !== null) await kernel.playbooks.put(org.author, other);
    }
  }
  await kernel.begin();
}

/** Troubles have ceased, and all time has passed. */
function atTheEnd(world: World, kernel: Kernel | undefined, checkSenders: () => void): void {
  const { fail, trace, watch, disk, deeds, orgs } = world;
  if (!kernel) {
    fail('R8', 'no kernel is up');
    return;
  }
  if (kernel.stats().inFlight > 0) fail('R8', `${kernel.stats().inFlight} calls are still under way`);
  for (const run of watch.runs()) {
    const name = trace.name(run.id);
    if (!run.ended) fail('R8', `${name} has not ended: it is ${run.state}`);
    const stored = kernel.query.run(run.org, run.id);
    if (JSON.stringify(stored) !== watch.textAt(run.id, run.version))
      fail('R3', `${name} is another run when it is read`);
  }
  checkSenders();
  for (const { org, message, done, wasDenied } of deeds.values()) {
    const run = watch.run(message.run);
    const step = run?.steps[message.step as never];
    const what = `${trace.name(message.run)} ${message.step} was done`;
    if (!run || run.org !== org) fail('R7', `${what} for another org`);
    else if (done > 0 && !wasDenied && step?.state !== 'succeeded' && !watch.isSettled(run.id, message.step)) {
      // BUG: of several requests, one may have been done and a later one refused: the plugin says that it failed, and the
      // run is closed. So this is asked of actions of one request alone.
      const isAlone = BEHAVIOURS[message.action].sends.filter((sent) => sent === 'POST').length === 1;
      if (isAlone && closureOf(run) === 'closed')
        fail('R8', `${what}, and the run is closed with the step ${step?.state}`);
    }
  }
  for (const { id, secret } of orgs) {
    const { head, lines } = openExport({ store: { ...disk } as never, clock: world.clock as never })(id);
    const verifier = createVerifier({ scope: 'org', log: head.log, org: id });
    for (const line of lines) verifier.push(line);
    const { verdict, findings } = verifier.end(head);
    if (verdict !== 'valid') fail('R5', `the log of ${id} is ${verdict}: ${findings[0]?.code} ${findings[0]?.text}`);
    const leak = disk.rows().find(({ value }) => value.includes(secret));
    if (leak) fail('secret', `the secret of ${id} is on the disk in ${leak.key.split('/')[1]}`);
  }
}
