import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What a demo leaves in its folder while it runs: where it listens. The command line takes its token there only. */
export type RunningDemo = { readonly url: string; readonly pid: number };

const fileIn = (folder: string): string => join(folder, 'running.json');

export const noteRunning = (folder: string, running: RunningDemo): Promise<void> =>
  writeFile(fileIn(folder), `${JSON.stringify(running)}\n`, { mode: 0o600 });

export const forgetRunning = (folder: string): Promise<void> => rm(fileIn(folder), { force: true });

/** The demo that runs in the folder. A file that one left behind when it was killed is not taken for it. */
export async function findRunning(folder: string): Promise<RunningDemo | undefined> {
  try {
    const running = JSON.parse(await readFile(fileIn(folder), 'utf8')) as RunningDemo;
    process.kill(running.pid, 0);
    const health = await fetch(`${running.url}/healthz`, { signal: AbortSignal.timeout(5_000) });
    return health.ok ? running : undefined;
  } catch {
    return undefined;
  }
}
