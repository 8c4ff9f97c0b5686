import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hostileModule } from '../../test/hostile/hostile-module.ts';
import { faultOfFeatures } from './features.ts';

/** Instructions that sections do not show. What we ship and what is written in other languages must do without them. */
const ROOT = join(import.meta.dirname, '../..');

test('the shipped plugins use only what plugins may use', async () => {
  const files = globSync('plugins/*/dist/plugin.wasm', { cwd: ROOT });
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) expect(await faultOfFeatures(readFileSync(join(ROOT, file))), file).toBeUndefined();
});

test.each(['echo', 'requester', 'wasi-clock'])('so does the module %s', async (name) => {
  expect(await faultOfFeatures(await hostileModule(name))).toBeUndefined();
});

test.each(['catch-and-continue', 'catch-and-spin', 'catch-quota'])(
  'a module that catches is refused: %s',
  async (name) => {
    expect(await faultOfFeatures(await hostileModule(name))).toMatch(
      /^its code is not taken: [\x20-\x7e]{1,200}\. Turn the feature off/,
    );
  },
);

test('a module that was changed after it was built is not told to turn something off', async () => {
  const wasm = Uint8Array.from(readFileSync(join(ROOT, 'plugins/webhook/dist/plugin.wasm')));
  // In the middle of the code.
  wasm.fill(0x98, 200_000, 200_016);
  expect(await faultOfFeatures(wasm)).toMatch(/^its code is not valid: .* damaged or changed after it was built/);
});

test('what is no module is refused', async () => {
  expect(await faultOfFeatures(new Uint8Array(0))).toBeDefined();
  expect(await faultOfFeatures(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 3, 1, 1))).toBeDefined();
});
