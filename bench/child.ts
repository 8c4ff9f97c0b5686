import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openHttpClient } from './http-client.ts';
import type { FromNoise } from './noise.ts';
import type { Site } from './site.ts';
import type { FromStub, StubFault, ToStub } from './stub.ts';

/** Takes the processor away from a process, and gives it back. What it waits for goes on meanwhile. */
type Halt = { readonly begin: () => void; readonly end: () => void };

const haltOf = (child: ChildProcess): Halt => ({
  begin: () => void child.kill('SIGSTOP'),
  end: () => void child.kill('SIGCONT'),
});

/** The processes beside the driver: the kernel, as it runs in production, and the stub. */
export type KernelProcess = {
  readonly pid: number;
  readonly url: string;
  /** From spawn to the first 200 of /healthz, in milliseconds. */
  readonly coldMs: number;
  /** Asks the probe, if there is one. */
  readonly ask: () => Promise<unknown>;
  readonly halt: Halt;
  /** Ends it as an operator would. @throws Error when it does not end well. */
  readonly stop: () => Promise<void>;
};

/** Processes that must not outlive the bench. */
const living = new Set<ChildProcess>();

export function killChildren(): void {
  for (const child of living) child.kill('SIGKILL');
}

function keepTrack(child: ChildProcess): void {
  living.add(child);
  child.once('exit', () => living.delete(child));
}

const ROOT = join(import.meta.dirname, '..');
const START_MS = 30_000;
const STOP_MS = 15_000;
/** Lines of a failed process that are worth showing. */
const TAIL_CHARS = 2_000;
const LISTENING = /listening on (http:\/\/\S+)/;

/** A module that the kernel process loads first. It answers a message on the process channel with one. */
export type Probe = { readonly file: string; readonly args: readonly string[] };

/** @param profile Folder where the kernel leaves a CPU profile when it is stopped. */
export async function startKernelProcess(site: Site, profile?: string, probe?: Probe): Promise<KernelProcess> {
  const options = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  if (probe) options.push('--import', `${pathToFileURL(probe.file)}?${probe.args.join('&')}`);
  const args = [...options, join(ROOT, 'kernel/main.ts'), '--config', site.configFile];
  const started = performance.now();
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'pipe', ...(probe ? ['ipc' as const] : [])],
  });
  keepTrack(child);
  let said = '';
  const { promise: listening, resolve, reject } = Promise.withResolvers<string>();
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-TAIL_CHARS);
    const url = LISTENING.exec(said)?.[1];
    if (url) resolve(url);
  });
  child.once('error', reject);
  child.once('exit', (code, signal) => reject(new Error(`the kernel ended (${signal ?? code}): ${said}`)));
  const impatience = setTimeout(() => reject(new Error(`the kernel does not listen: ${said}`)), START_MS);
  try {
    const url = await listening;
    const client = openHttpClient(url, 'none');
    const { status } = await client.request('/healthz');
    const coldMs = performance.now() - started;
    client.close();
    if (status !== 200) throw new Error(`/healthz answered ${status}`);
    const ask = async () => {
      const answer = once(child, 'message');
      child.send('look');
      return (await answer)[0];
    };
    return { pid: child.pid ?? 0, url, coldMs, ask, halt: haltOf(child), stop: () => stopKernel(child, () => said) };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  } finally {
    clearTimeout(impatience);
  }
}

async function stopKernel(child: ChildProcess, said: () => string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    const impatience = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await exit;
    clearTimeout(impatience);
  }
  if (child.exitCode !== 0) throw new Error(`the kernel ended with ${child.signalCode ?? child.exitCode}: ${said()}`);
}

export type StubProcess = {
  readonly pid: number;
  readonly port: number;
  /** What has come in since the report before. */
  readonly report: () => Promise<Extract<FromStub, { kind: 'report' }>>;
  readonly stop: () => Promise<void>;
};

/** @param delayMs how long it takes to answer. */
export async function startStubProcess(fault: StubFault | undefined, delayMs = 0): Promise<StubProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'stub.ts'), fault ?? 'none', `${delayMs}`], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  keepTrack(child);
  const gone = new Promise<never>((_, reject) => {
    child.once('exit', (code, signal) => reject(new Error(`the stub ended (${signal ?? code})`)));
  });
  gone.catch(() => undefined);
  const next = async <Kind extends FromStub['kind']>(kind: Kind): Promise<Extract<FromStub, { kind: Kind }>> => {
    const [message] = (await Promise.race([once(child, 'message'), gone])) as [FromStub];
    if (message.kind !== kind) throw new Error(`the stub said ${message.kind} instead of ${kind}`);
    return message as Extract<FromStub, { kind: Kind }>;
  };
  const { port } = await next('listening');
  return {
    pid: child.pid ?? 0,
    port,
    report: () => {
      const report = next('report');
      child.send({ kind: 'report' } satisfies ToStub);
      return report;
    },
    stop: async () => {
      const exit = once(child, 'exit');
      child.disconnect();
      await exit;
    },
  };
}

export type NoiseProcess = {
  readonly halt: Halt;
  /** Ends it. @returns how many events the kernel took of it, and how many it turned away. */
  readonly stop: () => Promise<FromNoise>;
};

export async function startNoiseProcess(url: string, { org, token }: Site): Promise<NoiseProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'noise.ts'), url, org], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, BENCH_TOKEN: token },
  });
  keepTrack(child);
  return {
    halt: haltOf(child),
    stop: async () => {
      const exit = once(child, 'exit');
      const said = once(child, 'message');
      child.send('stop');
      const [message] = (await Promise.race([said, exit.then(() => Promise.reject(new Error('the noise ended')))])) as [
        FromNoise,
      ];
      await exit;
      return message;
    },
  };
}
