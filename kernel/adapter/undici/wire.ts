/**
 * Bounds what one answer may take on the wire. Owns what no other bound sees: bytes around a body (extensions of chunks, a
 * reason phrase) that a parser throws away, and that would keep it busy for as long as a server likes to send.
 */
import type { Socket } from 'node:net';
import { failed } from './failure.ts';

/** To be called when undici reads the socket already: the first listener decides how a socket is read. */
export function boundWire(socket: Socket, limit: number): void {
  let written = socket.bytesWritten;
  let from = socket.bytesRead;
  let read = from;
  socket.on('readable', () => {
    // Whatever was written begins another exchange, for which nothing has been read yet.
    if (socket.bytesWritten !== written) {
      written = socket.bytesWritten;
      from = read;
    }
    read = socket.bytesRead;
    if (read - from > limit) socket.destroy(failed('upstream_error', 'the answer takes too many bytes on the wire'));
  });
}
