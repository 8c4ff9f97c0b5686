import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OrgId } from '../../kernel/base/id.ts';
import type { AuditRecord } from '../../sdk/contract/audit.ts';
import { type CheckedExport, until, verifyExport } from '../support/api.ts';
import { addressOf, type Load, seeded, startLoad } from './load.ts';
import { disagreements, keysOf, readRecord, runsOf } from './record.ts';
import { type FaultWorld, ORG, openFaultWorld } from './world.ts';

/**
 * Kills under load at random moments, and what must be true all the same: what was taken is there, every run ends,
 * nothing is done twice, and the audit log is whole after every start.
 */
const KILLS = 50;
const STOPS = 5;
const SEED = Number(process.env['INTERLOCK_FAULT_SEED'] ?? Date.now() % 1_000_000);

let world: FaultWorld;
beforeEach(async () => {
  world = await openFaultWorld();
});
afterEach(() => world?.close());

describe(`a kernel under load (seed ${SEED})`, () => {
  it(`that is killed ${KILLS} times keeps every promise`, { timeout: 400_000 }, async () => {
    const random = seeded(SEED);
    const began = performance.now();
    const starts: number[] = [];
    // Stopped once in good order, so that the later starts find the sources compiled.
    await world.start();
    await world.kernel().end('SIGTERM');
    await world.start();
    const load = startLoad(world.api, 3, () => 40 + 160 * random());
    const check = auditChecks(world);
    for (let kill = 1; kill <= KILLS; kill++) {
      await pause(400 * random());
      await world.kernel().end();
      // One start in five is killed too, wherever it is: while it loads, while it recovers, or just listening.
      if (random() < 0.2 && kill < KILLS) {
        const victim = world.launch();
        await pause(100 + 500 * random());
        await victim.end();
        kill++;
      }
      starts.push(await world.start());
      const { records } = await check(`after kill ${kill}`);
      if (kill % 10 === 0) say(`${kill} kills, ${load.taken.size} events, ${records} records, ${seconds(began)}`);
    }
    const end = await settled(world, load, check);
    starts.sort((a, b) => a - b);
    const median = starts[starts.length >> 1] ?? 0;
    say(`${end.cut} attempts were cut off; ${end.repeats} effects were asked for again and not done again`);
    say(`start: median ${median.toFixed(0)} ms, slowest ${starts.at(-1)?.toFixed(0)} ms; ${seconds(began)} in all`);
    // Without these the kills hit nothing, and the rest proves nothing.
    expect(load.taken.size).toBeGreaterThan(100);
    expect(end.cut).toBeGreaterThan(5);
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
    const check = auditChecks(world);
    for (let stop = 1; stop <= STOPS; stop++) {
      await pause(400 * random());
      const gone = await world.kernel().end('SIGTERM');
      expect({ ...gone, said: defects(world) }).toEqual({ code: 0, signal: null, said: [] });
      await world.start();
      await check(`after stop ${stop}`);
    }
    await settled(world, load, check);
  });
});

type Check = (when: string) => Promise<{ readonly records: number }>;

/** Verifies the log as it is now, state checks included, and that it goes on from where it was the last time. */
function auditChecks(world: FaultWorld): Check & { readonly records: () => readonly AuditRecord[] } {
  let pin: string | null = null;
  let last: CheckedExport | undefined;
  const check: Check = async (when) => {
    last = await verifyExport(world.api, join(world.folder.path, 'bundle'), pin ? { pinnedHead: pin } : {});
    expect(last.verdict, `${when}, seed ${SEED}`).toMatchObject({ verdict: 'valid', findings: [] });
    pin = last.verdict.head;
    return { records: last.verdict.records };
  };
  return Object.assign(check, { records: () => last?.records() ?? [] });
}

/** Waits until all runs have ended, stops the kernel, and compares what was promised, what is stored and what was done. */
async function settled(world: FaultWorld, load: Load, check: ReturnType<typeof auditChecks>) {
  await load.stop();
  const { taken } = load;
  await until(
    () => openRuns(world),
    (open) => open === 0,
    // What was cut off again and again waits for about as long as the kills went on.
    150_000,
  );
  await check('at the end');
  expect((await world.kernel().end('SIGTERM')).code).toBe(0);

  return readRecord(world.folder.data, (store) => {
    const runs = runsOf(store, ORG as OrgId);
    const byId = new Map(runs.map((one) => [one.run.id as string, one.run]));
    const lost = [...taken].filter(([, { event }]) => store.get(`${ORG}/event/${event}`) === undefined);
    expect(lost, 'events that were taken and are not there').toEqual([]);
    const ends = [...taken].map(([n, { run }]) => ({ n, run, state: byId.get(run ?? '')?.state }));
    const others = ends.filter(({ state }) => state !== 'completed');
    expect(others, 'runs that did not complete').toEqual([]);
    expect(runs.length, 'one run for each event').toBe(taken.size);

    const { entries } = world.firewall.log();
    const effects = entries.filter((entry) => !entry.repeat);
    const perKey = [...Map.groupBy(effects, (entry) => entry.key)];
    expect(perKey.filter(([key, list]) => key === null || list.length > 1)).toEqual([]);
    const perAddress = Map.groupBy(effects, (entry) => entry.ip);
    const wrong = [...taken.keys()].filter((n) => perAddress.get(addressOf(n))?.length !== 1);
    expect(wrong, 'runs that had not exactly one effect').toEqual([]);
    expect(effects.length).toBe(taken.size);

    expect(keysOf(store, '!call'), 'calls left open').toEqual([]);
    expect(keysOf(store, '!timer'), 'timers left').toEqual([]);
    expect(disagreements(runs, check.records())).toEqual([]);

    const attempts = runs.flatMap(({ run }) => Object.values(run.steps).flatMap((step) => step.attempts));
    const cut = attempts.filter((attempt) => attempt.end === 'indeterminate').length;
    return { cut, repeats: entries.length - effects.length };
  });
}

async function openRuns({ api }: FaultWorld): Promise<number> {
  const pages = await Promise.all(['running', 'waiting'].map((state) => api.runs(`?state=${state}&limit=200`)));
  return pages.reduce((sum, { data, text }) => sum + data.length + (JSON.parse(text).page.next === null ? 0 : 1), 0);
}

/** What the kernel said that it should never have to say. */
const defects = (world: FaultWorld) =>
  world
    .kernel()
    .said()
    .split('\n')
    .filter((line) => /defect|error|at file:/i.test(line));
const say = (line: string) => console.log(`[kill, seed ${SEED}] ${line}`);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const seconds = (since: number) => `${((performance.now() - since) / 1_000).toFixed(1)} s`;
