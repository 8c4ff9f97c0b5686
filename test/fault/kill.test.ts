import { rm } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { crashLoop, openDistantWorld, summaryText } from './crash-loop.ts';
import { pause, seeded, startLoad } from './load.ts';
import { defects, openPromises } from './promises.ts';
import { readRecord } from './record.ts';
import { type FaultWorld, ORG } from './world.ts';

/**
 * Kills under load at random moments, and what must be true all the same: what was taken is there, every run ends,
 * nothing is done twice, and the audit log is whole after every start. More kills: test/fault/crash-loop.ts.
 */
const KILLS = 50;
const STOPS = 5;
const SEED = Number(process.env['INTERLOCK_FAULT_SEED'] ?? Date.now() % 1_000_000);

let world: FaultWorld;
beforeEach(async () => {
  world = await openDistantWorld();
});
afterEach(() => world?.close());

describe(`a kernel under load (seed ${SEED})`, () => {
  it(`that is killed ${KILLS} times keeps every promise`, { timeout: 400_000 }, async () => {
    const say = (line: string) => console.log(`[kill, seed ${SEED}] ${line}`);
    const summary = await crashLoop(world, { kills: KILLS, seed: SEED, say });
    say(summaryText(summary));
    // Without these the kills hit nothing, and the rest proves nothing.
    expect(summary.events).toBeGreaterThan(100);
    expect(summary.cut).toBeGreaterThan(5);
    expect(summary.votes).toBeGreaterThan(5);
  });

  it('that is killed again and again during its very first start comes up whole', { timeout: 60_000 }, async () => {
    const random = seeded(SEED + 2);
    await rm(world.folder.data, { recursive: true });
    for (let kill = 0; kill < 6; kill++) {
      const victim = world.launch();
      await pause(250 + 450 * random());
      await victim.end();
    }
    await world.start();
    expect(defects(world)).toEqual([]);
    await world.kernel().end('SIGTERM');
    await readRecord(world.folder.data, (store) => {
      expect(store.get(`${ORG}/plugin/edge-firewall`)).toBeDefined();
      expect(store.get(`${ORG}/policies`)).toBeDefined();
    });
  });

  it(`that is stopped in good order ${STOPS} times loses nothing and fails nothing`, { timeout: 200_000 }, async () => {
    const random = seeded(SEED + 1);
    await world.start();
    const load = startLoad(world.api, 5, () => 20 + 40 * random());
    const promises = openPromises(world, load);
    for (let stop = 1; stop <= STOPS; stop++) {
      await pause(400 * random());
      const gone = await world.kernel().end('SIGTERM');
      expect({ ...gone, said: defects(world) }).toEqual({ code: 0, signal: null, said: [] });
      await promises.onDisk(`after stop ${stop}`);
      await world.start();
      await promises.afterStart(`after stop ${stop}`);
    }
    await promises.atEnd();
  });
});
