import { type FileHandle, open, stat } from 'node:fs/promises';
import { cannot, ok, type Result } from './ending.ts';
import { clean, note } from './print.ts';

/** Reads what a command is given to send, bounded: the server takes at most this much in one request. */
const INPUT_BYTES = 1_048_576;

/** @param path A file, or `-` for standard input. */
export async function readInput(path: string, limit = INPUT_BYTES): Promise<Result<Buffer<ArrayBuffer>>> {
  if (path === '-' && process.stdin.isTTY) note('reading from the terminal; end with Ctrl-D on a line of its own');
  if (path === '-') return readStream(process.stdin, 'standard input', limit);
  const name = clean(path, 200);
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return cannot(
      `${name} ${code === 'ENOENT' ? 'does not exist' : 'cannot be opened'}. Name a file, or - for standard input.`,
    );
  }
  if ((await file.stat()).isDirectory()) {
    await file.close();
    return cannot(`${name} is a folder. Name a file, or - for standard input.`);
  }
  return readStream(file.createReadStream(), name, limit);
}

async function readStream(
  stream: AsyncIterable<Buffer>,
  name: string,
  limit: number,
): Promise<Result<Buffer<ArrayBuffer>>> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of stream) {
      size += chunk.length;
      if (size > limit) return cannot(`${name} is larger than ${limit} bytes; nothing was sent.`);
      chunks.push(chunk);
    }
  } catch {
    return cannot(`${name} cannot be read. Name a file, or - for standard input.`);
  }
  return size > 0 ? ok(Buffer.concat(chunks)) : cannot(`${name} is empty; nothing was sent.`);
}

/** Strict: an invalid byte would arrive as another text than was meant. */
export function toText(bytes: Uint8Array, name: string): Result<string> {
  try {
    return ok(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return cannot(`${name} is not UTF-8 text.`);
  }
}

/** What keeps a path from being a folder that can be looked into, as the beginning of a sentence; or undefined. */
export async function folderFault(path: string): Promise<string | undefined> {
  const status = await stat(path).catch((error: NodeJS.ErrnoException) => error.code ?? '');
  if (typeof status !== 'string') return status.isDirectory() ? undefined : `${clean(path, 200)} is not a folder`;
  return `${clean(path, 200)} ${status === 'ENOENT' ? 'does not exist' : 'cannot be opened'}`;
}

/** The same for a file that must hold something. */
export async function fileFault(path: string): Promise<string | undefined> {
  const status = await stat(path).catch((error: NodeJS.ErrnoException) => error.code ?? '');
  const name = clean(path, 200);
  if (typeof status === 'string') return `${name} ${status === 'ENOENT' ? 'does not exist' : 'cannot be opened'}`;
  if (!status.isFile()) return `${name} is not a file`;
  return status.size === 0 ? `${name} is empty` : undefined;
}
