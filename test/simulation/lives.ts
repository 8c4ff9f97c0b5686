import { openSeededEntropy } from '../../kernel/adapter/memory/clock.ts';
import type { Digest } from '../../kernel/base/id.ts';
import type { Kernel } from '../../kernel/flow/kernel.ts';
import { openKernel } from '../../kernel/flow/open-kernel.ts';
import type { ModuleStore, StoredModule } from '../../kernel/port/module-store.ts';
import type { OpenCall } from '../../kernel/run/open-work.ts';
import type { EgressPolicy } from '../../sdk/contract/egress.ts';
import { cellsOf } from './cells.ts';
import { storeOf } from './disk.ts';
import { beginLife, type Life } from './life.ts';
import { secretsOf } from './secrets.ts';
import { egressOf } from './targets.ts';
import type { Present, World } from './world.ts';

/** One kernel after the other on the same disk. */
export function openLives(world: World, present: Present) {
  const { time, trace, faults, fail, disk, watch } = world;
  const random = world.random.fork('lives');
  const modules = new Map<Digest, StoredModule>();
  const store: ModuleStore = {
    put: async (digest, module) => void modules.set(digest, module),
    get: async (digest) => modules.get(digest),
  };
  // Where something is due by the clock, some are away for so long that it is missed.
  const awayMs = [0, 10, 1_000, 60_000, ...(world.playbooks.some(({ schedule }) => schedule) ? [240_000] : [])];
  let count = 0;
  let life: Life;

  const begin = () => {
    present.kernel = undefined;
    for (const org of world.orgs) if (count > 0 && random.chance(0.1)) trace.say(org.edit(random));
    count++;
    const mine = beginLife(count, time, trace, () => {
      present.kernel = undefined;
      time.after(random.pick(awayMs), begin);
    });
    life = mine;
    watch.acknowledged();
    world.stops.began();
    world.pauses.began();
    mine.say('starts');
    const kernel: Kernel = openKernel({
      store: storeOf({
        disk,
        life: mine,
        faults,
        random: random.fork(`disk ${count}`),
        watch,
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
        for (const { key, value } of open) {
          const [, , run = '', step] = key.split('/');
          const { op } = JSON.parse(value) as OpenCall;
          const isHeard =
            op === 'run' && watch.runs().some(({ parent }) => parent?.run === run && parent.step === step);
          if (disk.get(key) && !isHeard && watch.run(run)?.version === versions.get(run))
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
