import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { foldedText } from './fold.ts';
import { liveThrough, SCENARIOS } from './scenarios.ts';

/** The histories are of real lives; and what was kept once is never written again. */
const make = (...names: string[]) =>
  promisify(execFile)(process.execPath, [join(import.meta.dirname, 'make.ts'), ...names]).then(
    () => ({ code: 0, stderr: '' }),
    ({ code, stderr }: { code: number; stderr: string }) => ({ code, stderr }),
  );

test('a history that is there is refused, and a scenario that is not there too', async () => {
  expect(await make('rejected')).toEqual({ code: 1, stderr: expect.stringContaining('stays as it is') });
  expect(await make('constructor')).toEqual({ code: 2, stderr: expect.stringContaining('no scenario constructor') });
  expect(await make()).toEqual({ code: 0, stderr: '' });
});

test.each(Object.entries(SCENARIOS))('%s can be lived today, and ends', async (_, scenario) => {
  expect(foldedText(await liveThrough(scenario))).toContain('"ended": {');
});
