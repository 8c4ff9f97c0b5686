import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { LIMITS } from '../../base/limits.ts';
import { TOOLS } from './layers.ts';
import type { CellSettings } from './quota.ts';

/**
 * The command line of a cell: what the process may read, and how much the engine may take.
 *
 * The permission model is one layer (a seat belt, says its own documentation), the empty environment and the two
 * pipes another. Those of the operating system go in front (`layers.ts`).
 */
export type CellCommand = { readonly file: string; readonly args: readonly string[] };

const FOLDER = import.meta.dirname;
const ROOT = join(FOLDER, '../../..');

/**
 * A cell that waits ends when its kernel does, because its pipe closes. One that spins in its module cannot notice:
 * there the operating system must kill it with its parent (prctl PR_SET_PDEATHSIG, through util-linux).
 */
export const dieWithParent = (): readonly string[] =>
  existsSync(TOOLS.setpriv) ? [TOOLS.setpriv, '--pdeathsig', 'KILL', '--'] : [];

/**
 * @param entry   Program of the cell, by default `cell-main.ts`. Another one only to test how the kernel's side
 *                stands up to a cell that has gone over to the attacker.
 * @param wrapper Command put in front, as `probeLayers` finds it out. The cell must end with the process that
 *                was started, because a cell is killed by the id of that.
 */
export function cellCommand(
  settings: CellSettings,
  wrapper: readonly string[],
  entry = join(FOLDER, 'cell-main.ts'),
): CellCommand {
  const readable = [FOLDER, entry, join(ROOT, 'package.json'), join(ROOT, 'node_modules/@extism/extism')];
  const command = [
    ...wrapper,
    process.execPath,
    '--permission',
    ...readable.map((path) => `--allow-fs-read=${path}`),
    // Installed packages may be links; following them would need leave to read every folder on the way.
    '--preserve-symlinks',
    '--preserve-symlinks-main',
    '--disable-warning=ExperimentalWarning',
    '--expose-gc',
    '--disallow-code-generation-from-strings',
    `--wasm-max-mem-pages=${LIMITS.cellMemoryPages.value}`,
    '--max-old-space-size=64',
    '--max-semi-space-size=1',
    entry,
    JSON.stringify(settings),
  ];
  return { file: command[0] ?? process.execPath, args: command.slice(1) };
}
