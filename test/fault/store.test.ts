import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openLmdbStore } from '../../kernel/adapter/lmdb/store.ts';
import type { Run } from '../../kernel/run/state.ts';
import { copyDisk, WRITE_ENDS } from './disk.ts';
import { type Life, live } from './life.ts';
import { disagreements, keysOf, runsOf } from './record.ts';
import { expectKept, SCRIPTS, type Script, type Told } from './script.ts';
import { auditVerdict, EVENT, ORG, SENDER, type Target } from './stand-in.ts';

/**
 * The disk fails, or the process ends, at every write of everything that a kernel is asked to do, on real LMDB files.
 * Whatever was on the way must not leave after it, and a kernel that starts on what is left must keep everything that
 * was answered, do nothing twice, and bring the work to its right end.
 */
const scratch = mkdtempSync(join(tmpdir(), 'interlock-writes-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A disk on which the script can begin. */
async function prepared({ playbook, target, isOpen }: Script): Promise<string> {
  const folder = mkdtempSync(join(scratch, 'base-'));
  if (playbook === undefined) return folder;
  await live(folder, target(), 0, { isOpen }, async () => undefined, [playbook]);
  return folder;
}

/** Plays the script while the write at `place` ends as told. @returns whether there was such a write. */
async function fail(script: Script, base: string, place: number, end: (typeof WRITE_ENDS)[number]): Promise<boolean> {
  const { play, ends, effects, isOpen } = script;
  const folder = copyDisk(base, mkdtempSync(join(scratch, 'life-')));
  const target = script.target();
  const told: Told = {};
  const at = `${end} at write ${place}`;
  let met = false;
  const endOf = (write: number) => {
    if (write !== place) return 'done';
    met = true;
    return end;
  };
  const ran = await live(folder, target, 1, { endOf, isOpen }, async (life) => {
    try {
      return await play(life, told, target);
    } catch (error) {
      if (met && end !== 'crash') await expectSilence(life, target, at);
      throw error;
    }
  }).catch((error) => {
    // What is expected of a kernel that fails is not what it fails with.
    if (!met || error?.name === 'AssertionError') throw error;
    return undefined;
  });
  if (!met) expectEnd(script, ran, target, `${at}, which there is not`);

  await expectIntended(folder, target, at);
  await live(folder, target, 2, { isOpen }, async (life) => {
    await expectKept(life, told);
    const run = await play(life, told, target);
    await expectKept(life, told);
    expectEnd(script, run, target, at);
    const { store } = life.disk;
    expect(auditVerdict(store), at).toMatchObject({ verdict: 'valid', findings: [] });
    const runs = runsOf(store, ORG);
    expect(runs, at).toHaveLength(script.runs ?? (ends.length === 0 ? 0 : 1));
    const lines = [...life.kernel.auditExport(ORG).lines].map((line) => JSON.parse(line));
    expect(disagreements(runs, lines), at).toEqual([]);
    expect([keysOf(store, '!call'), keysOf(store, '!timer')], at).toEqual([[], []]);
    expect(life.kernel.openWork(ORG, {}, 10).items, at).toEqual([]);
    expect(effects, at).toContain(target.effects().length);
  });
  rmSync(folder, { recursive: true });
  return met;
}

function expectEnd({ ends, effects }: Script, run: Run | undefined, target: Target, at: string): void {
  if (ends.length > 0) expect(ends, at).toContain(run?.state);
  expect(effects, at).toContain(target.effects().length);
  if (run?.state === 'completed') expect(target.effects(), at).toHaveLength(1);
}

/** Whatever has arrived at the target was on the disk before it left. */
async function expectIntended(folder: string, { arrived }: Target, at: string): Promise<void> {
  const store = openLmdbStore(folder);
  const events = runsOf(store, ORG).flatMap(({ turns }) => turns.flatMap((turn) => turn.events));
  const keys = new Set(events.map((event) => (event.kind === 'step-intended' ? event.key : undefined)));
  expect(
    [...arrived].filter((key) => !keys.has(key)),
    at,
  ).toEqual([]);
  await store.close();
}

/** It says so, takes nothing more, and nothing more leaves. */
async function expectSilence({ kernel, clock, calls }: Life, target: Target, at: string): Promise<void> {
  await kernel.failure;
  const left = [target.arrived.length, calls()];
  expect(kernel.healthy(), at).toBe(false);
  await expect(kernel.ingest(SENDER, { ...EVENT, sourceId: 'e2' })).rejects.toThrow(/record/);
  clock.advance(3_600_000);
  await new Promise((resolve) => setTimeout(resolve, 120));
  expect([target.arrived.length, calls()], at).toEqual(left);
}

/** Places that are tried at the same time: most of each is waiting for the disk. */
const AT_ONCE = 6;

describe.each(SCRIPTS)('$name', (script) => {
  test.each(WRITE_ENDS)('every write is %s', { timeout: 120_000 }, async (end) => {
    const base = await prepared(script);
    let place = 0;
    for (let met = true; met; place += AT_ONCE) {
      const places = Array.from({ length: AT_ONCE }, (_, i) => place + i);
      const all = await Promise.all(places.map((at) => fail(script, base, at, end)));
      met = all.every(Boolean);
    }
    // Without these the table is empty, and proves nothing.
    expect(place).toBeGreaterThan(AT_ONCE);
  });
});
