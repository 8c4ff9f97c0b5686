import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Keeps one address from holding all connections. Owns the account of connections that rest: no request is under way on
 * them, because none has begun, its head is not whole, or the last one was answered.
 *
 * Past the bound the one that rested longest makes room, so whoever means to send something gets the time to do it. What
 * is under way is never cut off here; it has limits of its own.
 */
export function boundResting(server: Server, perAddress: number): void {
  /** By place; in each the one that has rested longest comes first. */
  const resting = new Map<string, Set<Socket>>();

  const rest = (place: string, socket: Socket): void => {
    if (socket.destroyed) return;
    const here = resting.get(place) ?? new Set();
    resting.set(place, here.add(socket));
    const [oldest] = here;
    if (here.size <= perAddress || !oldest) return;
    here.delete(oldest);
    oldest.destroy();
  };
  const wake = (place: string, socket: Socket): void => {
    const here = resting.get(place);
    here?.delete(socket);
    if (here?.size === 0) resting.delete(place);
  };

  /** Remembered, because a socket that is closed has no address any more. */
  const places = new WeakMap<Socket, string>();
  server.on('connection', (socket: Socket) => {
    const place = placeOf(socket.remoteAddress ?? '');
    places.set(socket, place);
    rest(place, socket);
    socket.once('close', () => wake(place, socket));
  });
  const onRequest = ({ socket }: IncomingMessage, response: ServerResponse): void => {
    const place = places.get(socket) ?? '';
    wake(place, socket);
    response.once('close', () => rest(place, socket));
  };
  server.prependListener('request', onRequest);
  server.prependListener('checkExpectation', onRequest);
}

/** An IPv4 address, or the network of 64 bits that one subscriber of IPv6 has at least. */
export function placeOf(address: string): string {
  if (!address.includes(':')) return address;
  const mapped = /^::ffff:([0-9.]+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail = ''] = address.split('::');
  const groupsOf = (part: string) => part.split(':').filter((group) => group !== '');
  const [first, last] = [groupsOf(head), groupsOf(tail)];
  const zeros = Array<string>(Math.max(0, 8 - first.length - last.length)).fill('0');
  return [...first, ...zeros, ...last].slice(0, 4).join(':');
}
