import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import type { CellCommand } from './cell-command.ts';
import { FROM_CELL_BYTES_MAX, type Frame, frameSplitter } from './frame.ts';
import { EXIT } from './quota.ts';

/**
 * The child process of one cell: starts it, writes frames, cuts what it sends into frames, tells how it went.
 * Knows nothing of calls.
 */
export type CellChild = {
  send(frame: Uint8Array): void;
  /** SIGKILL. What it sent and nobody read is lost. */
  kill(): void;
  readonly gone: Promise<void>;
};

export type CellExit = {
  /** Why, in words that hold nothing of the plugin. */
  readonly text: string;
  /** It found state of a call that it had already answered. */
  readonly stateLeft: boolean;
};

const BOOT_WORDS_MAX = 1_000;
/** How an engine ends that is out of memory or failed; `SIGSEGV` where it is the first process of its namespace. */
const ENGINE_SIGNALS: readonly string[] = ['SIGABRT', 'SIGTRAP', 'SIGILL', 'SIGSEGV'];
const ENGINE_CODES: readonly number[] = [132, 133, 134, 139];

/**
 * @param onFrame Gives false to hear no more. Gets `undefined`, last, when the rest of the bytes are not heard.
 * @param onExit  Once, after the last frame.
 */
export function spawnCell(
  command: CellCommand,
  onFrame: (frame: Frame | undefined) => boolean,
  onExit: (exit: CellExit) => void,
): CellChild {
  const child = spawn(command.file, command.args, {
    env: {},
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
    // A group of its own, by which it is killed together with whatever stands above or below it.
    detached: true,
  });
  /**
   * To kill the process that was started would leave the cell below it alone wherever that had not yet asked the system to
   * die with it. The group lives as long as one of them, so its number is nobody else's.
   */
  const killGroup = () => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // All of it is gone already.
    }
  };
  const [words, toCell, fromCell] = child.stdio.slice(2) as unknown as [Socket, Socket, Socket];
  let bootWords = '';
  let heard = true;

  // Only what a cell says before its first frame is kept: it explains why it does not start. Later words could be a plugin's.
  words.on('data', (chunk: Buffer) => {
    if (bootWords.length < BOOT_WORDS_MAX) bootWords += chunk.toString('latin1');
  });
  const split = frameSplitter(FROM_CELL_BYTES_MAX, onFrame);
  fromCell.on('data', (chunk: Buffer) => {
    if (!words.destroyed) words.destroy();
    if (!heard) return;
    heard = split(chunk);
    if (!heard) onFrame(undefined);
  });
  // A cell that is gone shows as `close` of the child; errors of its pipes only say the same earlier.
  for (const pipe of [words, toCell, fromCell]) pipe.on('error', () => undefined);

  let failure = '';
  child.once('error', (fault: NodeJS.ErrnoException) => {
    failure = `It cannot be started (${fault.code ?? 'unknown'}).`;
  });
  // The one above ended, by whatever hand: what is below holds the pipes, and would keep `close` from coming.
  child.once('exit', killGroup);
  const gone = new Promise<void>((resolve) => {
    child.once('close', (code, signal) => {
      onExit({ text: failure || exitText(code, signal, bootWords), stateLeft: code === EXIT.stateLeft });
      resolve();
    });
  });
  return {
    send: (frame) => toCell.write(frame),
    kill: killGroup,
    gone,
  };
}

function exitText(code: number | null, signal: string | null, bootWords: string): string {
  if (ENGINE_SIGNALS.includes(signal ?? '') || ENGINE_CODES.includes(code ?? 0))
    return 'The engine of the cell ran out of memory or failed.';
  if (signal !== null) return `The cell was ended by ${signal} from outside.`;
  const firstWords = bootWords.split('\n').find((line) => /error/i.test(line)) ?? '';
  return `The cell ended with code ${code}. ${firstWords.slice(0, 300)}`.trim();
}
