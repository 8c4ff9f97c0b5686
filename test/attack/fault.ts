import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Fault, Row } from './row.ts';
import type { Seen } from './rows.ts';

/** Whether a row notices that the defence it is about is gone: it is run in a process of its own, with the defect in it. */

/** `BROKEN` is good: the row noticed. */
export type Tried = { readonly verdict: 'BROKEN' | 'not noticed' | 'no proof'; readonly happened: string };
/** What `faulty.ts` prints. `served` is whether honest plugins were, all the same: else more than a defence is gone. */
export type Faulty = { readonly planted: boolean; readonly served: boolean; readonly seen: Seen };

const ROOT = join(import.meta.dirname, '../..');
/** What one process has compiled, the next need not: most of its time would go there. Kept by the text that was compiled. */
const COMPILED = join(tmpdir(), 'interlock-attack-compiled');
const run = promisify(execFile);
export const noProof = (happened: string): Tried => ({ verdict: 'no proof', happened });

export async function tryFault(row: Row, fault: Fault): Promise<Tried> {
  for (const { file, text } of fault) {
    const times = (await readFile(join(ROOT, file), 'utf8')).split(text).length - 1;
    if (times !== 1) return noProof(`the text stands ${times} times in ${file}: the fault has to follow the code`);
  }
  const faulty = await inProcess(row.id, fault).catch(() => undefined);
  if (!faulty) return noProof('nothing runs with the defect');
  const { planted, served, seen } = faulty;
  if (!planted) return noProof('the row never meets the defect');
  if (!served) return noProof('honest plugins are not served either');
  if (seen.verdict === 'failed') return noProof(seen.happened);
  return { verdict: seen.verdict === 'BROKEN' ? 'BROKEN' : 'not noticed', happened: seen.happened };
}

async function inProcess(id: string, fault: Fault): Promise<Faulty> {
  const program = join(import.meta.dirname, 'faulty.ts');
  const { stdout } = await run(process.execPath, [program, id, JSON.stringify(fault)], {
    env: { ...process.env, NODE_COMPILE_CACHE: COMPILED },
  });
  return JSON.parse(stdout) as Faulty;
}
