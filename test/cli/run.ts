import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import manifest from '../../sdk/package.json' with { type: 'json' };

/**
 * Runs the real command as a child process, with an environment of its own. Whatever it does, it must not print the
 * token: that is checked on every run, so that no test has to think of it.
 */
export const SECRET = 'zq7Lw0Yk3uXc9Vb5Nn1Mm8Jj2Hh4Gg6Ff0Dd3Ss5Aa7';
export const TOKEN = `ilk_acme_0123456789abcdef_${SECRET}`;

const ROOT = join(import.meta.dirname, '..', '..');
/** What the package installs as `interlock`. */
export const MAIN = join(ROOT, 'sdk', manifest.bin.interlock);
/** Compiled code is kept from one child to the next; it halves what each of them costs. */
const COMPILED = join(ROOT, 'node_modules', '.cache', 'interlock-cli');

/** Nothing of the environment of the tests but what a child needs to start. */
export const ENV: Readonly<Record<string, string>> = {
  PATH: process.env.PATH ?? '',
  NODE_COMPILE_CACHE: COMPILED,
  INTERLOCK_TOKEN: TOKEN,
};

export type Ran = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

export type RunOptions = {
  readonly url?: string | undefined;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  /** Options of Node itself. */
  readonly node?: readonly string[];
  /** Called with the process once it runs. */
  readonly started?: (child: ChildProcess) => void;
};

export async function interlock(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const env: Record<string, string> = {
    ...ENV,
    ...(options.url === undefined ? {} : { INTERLOCK_URL: options.url }),
    ...options.env,
  };
  const child = spawn(process.execPath, [...(options.node ?? []), MAIN, ...args], {
    env,
    cwd: options.cwd ?? import.meta.dirname,
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  // The command may end before it has read everything.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  options.started?.(child);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  const ran = { code, stdout: Buffer.concat(out).toString('utf8'), stderr: Buffer.concat(err).toString('utf8') };
  if (`${ran.stdout}${ran.stderr}`.includes(SECRET)) throw new Error(`the token was printed by: ${args.join(' ')}`);
  return ran;
}
