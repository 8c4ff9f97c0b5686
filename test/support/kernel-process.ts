import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dieWithParent } from '../../kernel/adapter/extism/cell-command.ts';

/**
 * The kernel as a process of its own, as an operator starts it. Owns the processes it starts: none outlives the process
 * that asked for it, whatever becomes of the test.
 */
export type KernelProcess = {
  readonly pid: number;
  /** Resolves with the address of the listener; rejects with what the kernel said when it ended before. */
  readonly listening: Promise<string>;
  readonly gone: Promise<Gone>;
  /** Everything that it wrote to stdout and stderr so far. */
  said(): string;
  /** Sends the signal (by default SIGKILL) and waits for the end. Harmless on a process that has ended. */
  end(signal?: NodeJS.Signals): Promise<Gone>;
};

export type Gone = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export type StartOptions = {
  /** Modules that Node loads first (`--import`). */
  readonly imports?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
};

const MAIN = join(import.meta.dirname, '../../kernel/main.ts');
/** The stripped sources, kept between starts: a test that starts the kernel fifty times spends its time on the kernel. */
const COMPILE_CACHE = join(tmpdir(), 'interlock-test-compiled');

export function startKernelProcess(config: string, options: StartOptions = {}): KernelProcess {
  const node = [process.execPath, ...(options.imports ?? []).flatMap((file) => ['--import', file])];
  const [file = process.execPath, ...args] = [...dieWithParent(), ...node, MAIN, '--config', config];
  const env = { PATH: process.env['PATH'] ?? '', NODE_COMPILE_CACHE: COMPILE_CACHE, ...options.env };
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const { pid } = child;
  if (pid === undefined) throw new Error('the kernel process was not started');
  const gone = new Promise<Gone>((resolve) => {
    // `close` and not `exit`: what it said last has been read.
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  let words = '';
  const listening = new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        words += chunk.toString('utf8');
        const url = /listening on (http:\S+)/.exec(words)?.[1];
        if (url) resolve(url);
      });
    gone.then(({ code, signal }) => reject(new Error(`the kernel ended (${code ?? signal}): ${words}`)));
  });
  // Whoever kills it while it starts does not ask for its address.
  listening.catch(() => undefined);
  return { pid, listening, gone, said: () => words, end: (signal = 'SIGKILL') => endOf(child, gone, signal) };
}

function endOf(child: ChildProcess, gone: Promise<Gone>, signal: NodeJS.Signals): Promise<Gone> {
  if (child.exitCode === null && child.signalCode === null) child.kill(signal);
  return gone;
}
