import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { builtProgram, cellProgram } from './program.ts';

it('a cell runs the one file that was made of these sources, and reads no other', async () => {
  const built = builtProgram();
  expect(existsSync(built)).toBe(true);
  expect(cellProgram()).toEqual({ entry: built, reads: [built] });
  const imports = [...(await readFile(built, 'utf8')).matchAll(/^import .* from ["']([^"']+)["'];?$/gm)];
  expect(imports.length).toBeGreaterThan(0);
  for (const [, name] of imports) expect(name).toMatch(/^(?:node:)?[a-z_/]+$/);
});
