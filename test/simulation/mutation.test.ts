import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { MUTATIONS } from './mutation.ts';
import { simulate } from './simulate.ts';

/** The simulation itself: it repeats itself, and it finds what is planted. */
const SEEDS = 300;
/** Only ends what hangs: so many seeds take some seconds. */
const PATIENCE_MS = 240_000;
const run = promisify(execFile);
const mutant = async (name: string, seeds: number) => {
  const { stdout } = await run(process.execPath, [join(import.meta.dirname, 'mutant.ts'), name, String(seeds)], {
    maxBuffer: 64 * 1_024 * 1_024,
  });
  return JSON.parse(stdout) as {
    readonly planted: number;
    readonly found: { readonly seed: number; readonly rule: string; readonly text: string } | null;
    readonly traces: readonly string[];
  };
};

test('the same seed makes the same world, in another process too', async () => {
  const { found, traces } = await mutant('none', 10);
  const here: string[] = [];
  for (let seed = 1; seed <= 10; seed++) here.push(...(await simulate(String(seed))).trace);
  expect(found).toBeNull();
  expect(traces).toEqual(here);
});

test('a soak tells what it did', async () => {
  const soak = (...options: string[]) => run(process.execPath, [join(import.meta.dirname, 'soak.ts'), ...options]);
  const { stdout } = await soak('--seeds', '3', '--minutes', '1', '--from', '7');
  expect(stdout).toMatch(/^3 seeds from 7 on: [0-9]+ runs/);
  await expect(soak('--seeds', 'many')).rejects.toMatchObject({ code: 2 });
});

// With SEED only that seed is run (seeds.ts).
describe.skipIf(process.env.SEED !== undefined)('a planted defect is found', () => {
  test.each(MUTATIONS)(
    '$name ($breaks)',
    async ({ name, breaks }) => {
      const { planted, found } = await mutant(name, SEEDS);
      // The text that is replaced stands there exactly once: else the mutation has to follow the code.
      expect(planted).toBe(1);
      expect(breaks).toContain(found?.rule);
    },
    PATIENCE_MS,
  );
});
