import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OrgId } from '../../kernel/base/id.ts';
import { until, verifyExport } from '../support/api.ts';
import { addressOf, type Load, seeded, startLoad } from './load.ts';
import { disagreements, keysOf, readRecord, runsOf } from './record.ts';
import { type FaultWorld, ORG, openFaultWorld } from './world.ts';

/**
 * kill -9 at random moments under load, and what must be true all the same: what was taken is there, every run ends,
 * nothing is done twice, and the audit log is whole after every start.
 */
const KILLS = 50;
const SEED = Number(process.env['INTERLOCK_FAULT_SEED'] ?? Date.now() % 1_000_000);

describe(`a kernel that is killed ${KILLS} times under load`, () => {
  const random = seeded(SEED);
  let world: FaultWorld;
  let load: Load | undefined;

  beforeAll(async () => {
    world = await openFaultWorld();
  });
  afterAll(async () => {
    await world?.close();
  });

  it(`keeps every promise (seed ${SEED})`, { timeout: 150_000 }, async () => {
    const starts: number[] = [];
    const began = performance.now();
    // Stopped once in good order, so that the later starts find the sources compiled.
    starts.push(await world.start());
    await world.kernel().end('SIGTERM');
    await world.start();
    load = startLoad(world.api, 5, () => 20 + 160 * random());
    const bundle = join(world.folder.path, 'bundle');
    let pin = (await verifyExport(world.api, bundle)).verdict.head;
    for (let kill = 1; kill <= KILLS; kill++) {
      await pause(400 * random());
      await world.kernel().end();
      // One start in five is killed too, wherever it is: while it loads, while it recovers, or just listening.
      if (random() < 0.2) {
        const victim = world.launch();
        await pause(100 + 500 * random());
        await victim.end();
        kill++;
      }
      starts.push(await world.start());
      const { verdict } = await verifyExport(world.api, bundle, pin ? { pinnedHead: pin } : {});
      expect(verdict, `after kill ${kill} of seed ${SEED}`).toMatchObject({ verdict: 'valid', findings: [] });
      pin = verdict.head;
      if (kill % 10 <= 1 && kill >= 10)
        say(`${kill} kills, ${load.taken.size} events taken, ${verdict.records} records, ${seconds(began)}`);
    }
    await load.stop();
    const { taken } = load;
    await until(openRuns, (open) => open === 0, 30_000);
    const { verdict, records } = await verifyExport(world.api, bundle, pin ? { pinnedHead: pin } : {});
    expect(verdict).toMatchObject({ verdict: 'valid', findings: [] });
    expect(await world.kernel().end('SIGTERM')).toEqual({ code: 0, signal: null });

    await readRecord(world.folder.data, (store) => {
      const runs = runsOf(store, ORG as OrgId);
      const byId = new Map(runs.map((one) => [one.run.id as string, one.run]));
      expect(taken.size).toBeGreaterThan(100);
      const lost = [...taken].filter(([, { event }]) => store.get(`${ORG}/event/${event}`) === undefined);
      expect(lost, 'events that were taken and are not there').toEqual([]);
      const ends = [...taken].map(([n, { run }]) => ({ n, run, state: byId.get(run ?? '')?.state }));
      expect(
        ends.filter(({ state }) => state !== 'completed'),
        'runs that did not complete',
      ).toEqual([]);
      expect(runs.length, 'one run for each event').toBe(taken.size);

      const effects = world.firewall.log().entries.filter((entry) => !entry.repeat);
      const perKey = Map.groupBy(effects, (entry) => entry.key);
      expect([...perKey].filter(([key, list]) => key === null || list.length > 1)).toEqual([]);
      const perAddress = Map.groupBy(effects, (entry) => entry.ip);
      const done = [...taken.keys()].map((n) => perAddress.get(addressOf(n))?.length ?? 0);
      expect(
        done.filter((count) => count !== 1),
        'every run had exactly one effect',
      ).toEqual([]);
      expect(effects.length).toBe(taken.size);

      expect(keysOf(store, '!call'), 'calls left open').toEqual([]);
      expect(keysOf(store, '!timer'), 'timers left').toEqual([]);
      expect(disagreements(runs, records())).toEqual([]);

      const attempts = runs.flatMap(({ run }) => Object.values(run.steps).flatMap((step) => step.attempts));
      const cut = attempts.filter((attempt) => attempt.end === 'indeterminate').length;
      const repeats = world.firewall.log().entries.length - effects.length;
      starts.sort((a, b) => a - b);
      const median = starts[starts.length >> 1] ?? 0;
      say(`${cut} attempts were cut off, ${repeats} of their effects came a second time and were not done again`);
      say(`start: median ${median.toFixed(0)} ms, slowest ${(starts.at(-1) ?? 0).toFixed(0)} ms; ${seconds(began)} in all`);
      // Without this the kills hit nothing, and the rest proves nothing.
      expect(cut).toBeGreaterThan(5);
    });
  });

  const openRuns = async () => {
    const [running, waiting] = await Promise.all(
      ['running', 'waiting'].map((state) => world.api.runs(`?state=${state}&limit=200`)),
    );
    const next = [running, waiting].some((page) => JSON.parse(page?.text ?? '{}').page?.next);
    return (running?.data.length ?? 1) + (waiting?.data.length ?? 1) + (next ? 1 : 0);
  };
});

const say = (line: string) => console.log(`[kill, seed ${SEED}] ${line}`);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const seconds = (since: number) => `${((performance.now() - since) / 1_000).toFixed(1)} s`;
