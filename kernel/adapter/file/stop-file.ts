import { open } from 'node:fs/promises';

/** More of a reason nobody reads. */
const BYTES = 8_192;

/**
 * The stop switch of the machine: a file that is there or not. Whatever is there engages it, also a folder, or a file
 * that may not be read: only its absence lets the kernel send.
 * @returns what stands in it, or undefined when it is not there.
 */
export async function readStopFile(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path, 'r');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(BYTES), 0, BYTES, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : 'its file is there and cannot be read';
  }
}
