import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLmdbStore } from '../../kernel/adapter/lmdb/store.ts';
import type { Row } from '../../kernel/port/store.ts';
import { copyDisk } from './disk.ts';
import { live } from './life.ts';
import { seeded } from './load.ts';
import { disagreements, runsOf } from './record.ts';
import { expectKept, SCRIPTS, type Script, type Told } from './script.ts';
import { auditVerdict, ORG, openTarget, type Target } from './stand-in.ts';

/**
 * The power goes at a commit. What is left is the data file as it was before it, as it is after it, or in between: some
 * pages of the commit have reached the disk, in any order, and the page that makes them valid has not (LMDB writes that
 * one last, after a sync of all others). Each image is opened as a restart opens it.
 */
const scratch = mkdtempSync(join(tmpdir(), 'interlock-power-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const SCRIPT = SCRIPTS[0] as Script;

type Image = {
  readonly folder: string;
  /** What the world had seen, and people had been told, at that moment. */
  readonly arrived: readonly string[];
  readonly told: Told;
};

/** Images of the disk before and after every commit of a run from the first start to its end. */
const commits: { readonly before: Image; readonly after: Image }[] = [];

beforeAll(async () => {
  const folder = mkdtempSync(join(scratch, 'life-'));
  const target = SCRIPT.target();
  const told: Told = {};
  const image = (name: string): Image => ({
    folder: copyDisk(folder, join(scratch, name)),
    arrived: [...target.arrived],
    told: { ...told },
  });
  let before: Image | undefined;
  const watch = (write: number, when: 'before' | 'after') => {
    if (when === 'before') before = image(`${write}-before`);
    else if (before) commits.push({ before, after: image(`${write}-after`) });
  };
  await live(folder, target, 0, { watch }, (life) => SCRIPT.play(life, told, target));
});

const worldAt = ({ arrived }: Image): Target => {
  const target = openTarget();
  target.arrived.push(...arrived);
  return target;
};

/** A restart on the image: everything that was answered is there, and the run comes to its right end. */
async function goOn({ folder, told, ...image }: Image, at: string): Promise<void> {
  const target = worldAt({ folder, told, ...image });
  const now: Told = { ...told };
  await live(folder, target, 1, {}, async (life) => {
    await expectKept(life, now);
    const run = await SCRIPT.play(life, now, target);
    expect([run?.state, target.effects().length], at).toEqual(['completed', 1]);
    const { store } = life.disk;
    expect(auditVerdict(store), at).toMatchObject({ verdict: 'valid', findings: [] });
    const lines = [...life.kernel.auditExport(ORG).lines].map((line) => JSON.parse(line));
    expect(disagreements(runsOf(store, ORG), lines), at).toEqual([]);
  });
}

const PAGE = 4_096;
/** LMDB's two meta pages: which of them is newer says which tree is valid. */
const META_PAGES = 2;

const pageOf = (file: Buffer, n: number) => file.subarray(n * PAGE, (n + 1) * PAGE);
const read = (folder: string) => readFileSync(join(folder, 'data.mdb'));

/** The image before the commit, with those pages of the commit that `reached` says. */
function torn({ before, after }: (typeof commits)[number], name: string, reached: () => boolean): Image {
  const old = read(before.folder);
  const fresh = read(after.folder);
  const mixed = Buffer.alloc(Math.max(old.length, fresh.length));
  old.copy(mixed);
  for (let page = META_PAGES; page * PAGE < fresh.length; page++)
    if (reached()) pageOf(fresh, page).copy(mixed, page * PAGE);
  const folder = mkdtempSync(join(scratch, name));
  writeFileSync(join(folder, 'data.mdb'), mixed);
  return { ...before, folder };
}

async function rowsOf(folder: string): Promise<readonly Row[]> {
  const store = openLmdbStore(folder);
  const rows = store.range({ from: '', to: '\u{7f}', limit: Number.MAX_SAFE_INTEGER });
  await store.close();
  return rows;
}

describe('the power goes', () => {
  test('the images differ, so that there is something to lose', () => {
    expect(commits.length).toBeGreaterThan(12);
    for (const { before, after } of commits.slice(1))
      expect(read(after.folder).equals(read(before.folder)), 'every commit has written').toBe(false);
  });

  test('in the middle of a commit: the record is as it was before it', { timeout: 60_000 }, async () => {
    const random = seeded(1);
    // Before the first there is no file, and nothing to be whole.
    for (const [at, commit] of commits.entries()) {
      if (at === 0) continue;
      const expected = await rowsOf(copyDisk(commit.before.folder, mkdtempSync(join(scratch, 'whole-'))));
      for (const share of [0.3, 0.7, 1])
        expect(await rowsOf(torn(commit, 'torn-', () => random() < share).folder), `commit ${at}`).toEqual(expected);
    }
  });

  test('before, in, and after each commit: a restart goes on from there', { timeout: 120_000 }, async () => {
    const random = seeded(2);
    for (const [at, commit] of commits.entries()) {
      const half =
        at === 0
          ? []
          : [
              goOn(
                torn(commit, 'half-', () => random() < 0.5),
                `in commit ${at}`,
              ),
            ];
      await Promise.all([
        goOn(commit.before, `before commit ${at}`),
        goOn(commit.after, `after commit ${at}`),
        ...half,
      ]);
    }
  });
});
