import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../../base/digest.ts';

/**
 * Which file a cell runs. Its program in TypeScript, as it lies here, takes more than twice as long to start as the same
 * in one file of JavaScript, which `npm ci` makes (kernel/prepare.ts). The name of that file holds a digest of everything
 * it was made of, so that none is run that is not of these sources.
 */
const FOLDER = import.meta.dirname;
const DIST = join(FOLDER, 'dist');
const ROOT = join(FOLDER, '../../..');
const SDK = join(ROOT, 'node_modules/@extism/extism');
export const PROGRAM_SOURCE = join(FOLDER, 'cell-main.ts');

/** Where the program of these sources is, or would be. */
export function builtProgram(): string {
  const sources = readdirSync(FOLDER)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .sort()
    .map((name) => `${name}\0${readFileSync(join(FOLDER, name), 'utf8')}`);
  const sdk = readFileSync(join(SDK, 'package.json'), 'utf8');
  return join(DIST, `cell-${digestOf(`${sdk}\0${sources.join('\0')}`).slice(7, 23)}.mjs`);
}

export type Program = {
  readonly entry: string;
  /** What the process must be able to read, beside the runtime. */
  readonly reads: readonly string[];
};

/** The built program where it is there, else the sources. */
export function cellProgram(): Program {
  const built = builtProgram();
  return existsSync(built) ? { entry: built, reads: [built] } : sourceProgram(PROGRAM_SOURCE);
}

export const sourceProgram = (entry: string): Program => ({
  entry,
  reads: [FOLDER, entry, join(ROOT, 'package.json'), SDK],
});
