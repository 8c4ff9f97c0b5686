import { readSync, writeSync } from 'node:fs';
import { type Frame, frameLength, PAYLOAD_AT, readFrame, TO_CELL_BYTES_MAX, writeHead } from './frame.ts';
import { EXIT } from './quota.ts';

/**
 * The cell's ends of the two pipes: blocking, without an event loop. A closed pipe ends the process, so a cell never
 * outlives its kernel.
 */
export type Pipe = {
  /** Waits for the next frame. Its payload is valid until the next call. */
  receive(): Frame;
  /** @param payload Copied into the frame. */
  send(kind: number, id: number, payload: Uint8Array): void;
  /** A frame that `write` puts at the beginning of a buffer of at least `bytes` bytes. */
  sendWritten(bytes: number, write: (target: Buffer) => void): void;
};

const BUFFER_BYTES = 64 << 10;

export function openPipe(fromKernel: number, toKernel: number): Pipe {
  let input = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  let from = 0;
  let to = 0;
  let output = Buffer.allocUnsafeSlow(BUFFER_BYTES);

  /** Reads at least one more byte; makes room for a frame that begins at `from` and is longer than the buffer. */
  function fill(): void {
    if (from > 0) {
      input.copy(input, 0, from, to);
      to -= from;
      from = 0;
    }
    if (to === input.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(TO_CELL_BYTES_MAX + PAYLOAD_AT, input.length * 4));
      input.copy(grown, 0, 0, to);
      input = grown;
    }
    const count = readSync(fromKernel, input, to, input.length - to, null);
    if (count === 0) process.exit(EXIT.done);
    to += count;
  }

  function write(bytes: number): void {
    for (let at = 0; at < bytes; ) at += writeSync(toKernel, output, at, bytes - at);
  }

  return {
    receive() {
      for (;;) {
        const length = frameLength(input, from, to, TO_CELL_BYTES_MAX);
        if (length < 0) process.exit(EXIT.protocol);
        if (length > 0) {
          const frame = readFrame(input, from, length);
          from += length;
          if (from === to) from = to = 0;
          return frame;
        }
        if (to - from === 0 && input.length > BUFFER_BYTES) input = Buffer.allocUnsafeSlow(BUFFER_BYTES);
        fill();
      }
    },
    send(kind, id, payload) {
      this.sendWritten(PAYLOAD_AT + payload.length, (target) => {
        writeHead(target, kind, id, payload.length);
        target.set(payload, PAYLOAD_AT);
      });
    },
    sendWritten(bytes, writeTo) {
      if (bytes > output.length) output = Buffer.allocUnsafeSlow(bytes);
      writeTo(output);
      write(bytes);
      if (output.length > BUFFER_BYTES) output = Buffer.allocUnsafeSlow(BUFFER_BYTES);
    },
  };
}
