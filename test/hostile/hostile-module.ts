import { execFile } from 'node:child_process';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { digestOf } from '../../kernel/base/digest.ts';

/**
 * The hostile modules, and a few well-behaved ones to compare with, assembled from `modules/*.wat` on first use.
 * Not admitted: they are what an attacker would upload. All export `execute` and `describe`.
 */
const ASSEMBLER = join(import.meta.dirname, '../../node_modules/binaryen/bin/wasm-as');
const FEATURES = ['--enable-exception-handling', '--enable-reference-types', '--enable-bulk-memory'];
const CACHE = join(tmpdir(), 'interlock-hostile');

const run = promisify(execFile);
const assembled = new Map<string, Promise<Uint8Array>>();

/** @param name File name in `modules/` without its ending, e.g. `endless-loop`. */
export async function hostileModule(name: string): Promise<Uint8Array> {
  const known = assembled.get(name) ?? assemble(name);
  assembled.set(name, known);
  return known;
}

async function assemble(name: string): Promise<Uint8Array> {
  const source = join(import.meta.dirname, 'modules', `${name}.wat`);
  const key = digestOf(`${FEATURES.join(' ')}\0${await readFile(source, 'utf8')}`).slice('sha256:'.length);
  const cached = join(CACHE, `${key}.wasm`);
  const found = await readFile(cached).catch(() => undefined);
  if (found) return new Uint8Array(found);
  await mkdir(CACHE, { recursive: true });
  // Written under another name first: several test files may assemble the same module at once.
  const fresh = join(CACHE, `${key}.${process.pid}.new`);
  await writeFile(fresh, '');
  await run(process.execPath, [ASSEMBLER, source, '-o', fresh, ...FEATURES]);
  await rename(fresh, cached);
  return new Uint8Array(await readFile(cached));
}
