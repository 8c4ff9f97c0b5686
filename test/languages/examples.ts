import { execFile, spawnSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** The example plugins in other languages, built by the commands that their READMEs name. */
export const FOLDER = join(import.meta.dirname, '../../docs/examples');
const run = promisify(execFile);

export type Example = {
  /** Its name in the manifest. */
  readonly name: string;
  readonly folder: string;
  /** Why it cannot be built on this machine, for the title of what is skipped; empty when it can. */
  readonly missing: string;
  readonly build: (out: string) => Promise<unknown>;
};

// Where every test has to run (CI=true), a compiler that is not there is a failure and no reason to skip.
const noClang = process.env['CI'] !== 'true' && spawnSync('clang', ['--version']).error !== undefined;

const c = join(FOLDER, 'plugin-c');
const assemblyScript = join(FOLDER, 'plugin-assemblyscript');
export const EXAMPLES: readonly Example[] = [
  {
    name: 'indicator-c',
    folder: c,
    missing: noClang ? '(skipped: clang is not installed)' : '',
    build: (out) => run(join(c, 'build.sh'), [out]),
  },
  {
    name: 'indicator-assemblyscript',
    folder: assemblyScript,
    missing: '',
    build: (out) => run(process.execPath, [join(assemblyScript, 'build.js'), out]),
  },
];

/** Builds it in a folder of its own, as a kernel can be given it. @returns that folder. */
export async function buildExample({ name, folder, build }: Example): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), `interlock-${name}-`));
  await mkdir(join(path, 'dist'));
  await copyFile(join(folder, 'manifest.json'), join(path, 'manifest.json'));
  await build(join(path, 'dist'));
  return path;
}
