import { existsSync, globSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bundleProgram } from '../sdk/build/bundle-program.ts';
import { builtProgram, PROGRAM_SOURCE } from './adapter/extism/program.ts';

/** Makes the program of cells, as one file of JavaScript. `npm ci` runs it; what is there and of these sources is kept. */
export async function prepareCells(say: (line: string) => void = () => undefined): Promise<void> {
  const program = builtProgram();
  if (existsSync(program)) return;
  await bundleProgram(PROGRAM_SOURCE, program);
  const folder = dirname(program);
  for (const former of globSync('cell-*.mjs', { cwd: folder }))
    if (join(folder, former) !== program) rmSync(join(folder, former));
  say('interlock: made the program of cells');
}

if (import.meta.main) await prepareCells((line) => console.error(line));
