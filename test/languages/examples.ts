import { execFile, spawnSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { blocksOf, ROOT, readDocument } from '../docs/documents.ts';

/** The example plugins in other languages, built by the commands of their READMEs. */
const run = promisify(execFile);

export type Example = {
  /** Its name in the manifest. */
  readonly name: string;
  /** From the root of the repository. */
  readonly folder: string;
  /** Why it cannot be built on this machine, for the title of what is skipped; empty when it can. */
  readonly missing: string;
  /** What its module says of its makers. */
  readonly producers: RegExp;
};

// Where every test has to run (CI=true), a compiler that is not there is a failure and no reason to skip.
const noClang = process.env['CI'] !== 'true' && spawnSync('clang', ['--version']).error !== undefined;

export const EXAMPLES: readonly Example[] = [
  {
    name: 'indicator-c',
    folder: 'docs/examples/plugin-c',
    missing: noClang ? '(skipped: clang is not installed)' : '',
    producers: /clang [0-9.]+/,
  },
  {
    name: 'indicator-assemblyscript',
    folder: 'docs/examples/plugin-assemblyscript',
    missing: '',
    producers: /^null$/,
  },
];

/** Builds it in a folder of its own, as a kernel can be given it. @returns that folder. */
export async function buildExample({ name, folder }: Example): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), `interlock-${name}-`));
  await mkdir(join(path, 'dist'));
  await copyFile(join(ROOT, folder, 'manifest.json'), join(path, 'manifest.json'));
  const [command] = blocksOf(readDocument(`${folder}/README.md`)).filter(({ language }) => language === 'sh');
  if (!command?.text.includes(folder)) throw new Error(`${folder}/README.md does not say how to build it`);
  const env = { ...process.env, PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter) };
  await run('sh', ['-c', `${command.text.trim()} "$0"`, join(path, 'dist')], { cwd: ROOT, env });
  return path;
}
