import { describe, expect, test } from 'vitest';
import { failureText } from './failure.ts';
import { simulate } from './simulate.ts';

/** Seeds of one `npx vitest run test/simulation`; `soak.ts` runs as many as one likes. */
const SEEDS = 2_000;
const PER_TEST = 50;
/** Only ends what hangs: they take a second or two where the machine has nothing else to do. */
const PATIENCE_MS = 240_000;
/** Files that share them, so that they run side by side. */
const FILES = 2;

/** @param file which of the files this is, from 0. With SEED in the environment only that seed is run, and told. */
export function testSeeds(file: number): void {
  const only = process.env.SEED;
  if (only !== undefined) {
    test.skipIf(file !== 0)(`seed ${only}`, async () => {
      const { violation, trace } = await simulate(only);
      process.stdout.write(`${trace.join('\n')}\n`);
      expect(violation).toBeUndefined();
    });
    return;
  }
  describe('every invariant holds, whatever fails', () => {
    const firsts = Array.from({ length: SEEDS / PER_TEST }, (_, i) => 1 + i * PER_TEST);
    test.each(firsts.filter((_, i) => i % FILES === file))(
      `${PER_TEST} seeds from %i on`,
      async (first) => {
        for (let seed = first; seed < first + PER_TEST; seed++) {
          const { violation, trace } = await simulate(String(seed));
          if (violation) throw new Error(failureText(String(seed), violation, trace));
        }
      },
      PATIENCE_MS,
    );
  });
}
