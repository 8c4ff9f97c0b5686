import type { IncomingMessage, RequestListener, Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Keeps anybody from holding all connections. Owns the account of connections that rest, which is all but those on which
 * a request that has come whole is being answered. So these rest: one that has sent nothing, half a head or half a body;
 * one whose last request is answered; one that does not take its answer.
 *
 * | a connection | then makes room |
 * | --- | --- |
 * | more rests than one address may hold | the one of that address that has rested longest |
 * | more is open than there may be | the one that has rested longest, from anywhere; none rests: the new one |
 * | more requests wait behind an answer than anybody sends | itself |
 *
 * Whoever means to send something gets the time to do it, and what is being answered is never cut off here; it has limits
 * of its own. A connection is answered one request at a time: what is sent ahead makes no answers that nobody takes.
 */
export type ConnectionBounds = {
  readonly connections: number;
  /** Resting connections of one address. */
  readonly restingPerAddress: number;
};

/** Requests that may wait on one connection behind the one that is being answered. */
const WAITING = 16;

type Held = { readonly place: string; readonly waiting: (() => void)[]; isAnswering: boolean };

/** @returns the listener to give to the server, which calls `answer` when a request's turn has come. */
export function boundConnections(
  server: Server,
  { connections, restingPerAddress }: ConnectionBounds,
  answer: RequestListener,
): RequestListener {
  const held = new Map<Socket, Held>();
  /** In both, what has rested longest comes first. */
  const resting = new Set<Socket>();
  const restingByPlace = new Map<string, Set<Socket>>();

  const wake = (socket: Socket, { place }: Held): void => {
    const here = restingByPlace.get(place);
    resting.delete(socket);
    here?.delete(socket);
    if (here?.size === 0) restingByPlace.delete(place);
  };
  const rest = (socket: Socket, one: Held): void => {
    if (!held.has(socket)) return;
    wake(socket, one);
    const here = restingByPlace.get(one.place) ?? new Set();
    restingByPlace.set(one.place, here.add(socket));
    resting.add(socket);
    if (here.size > restingPerAddress) hangUp(here);
  };
  const forget = (socket: Socket): void => {
    const one = held.get(socket);
    if (one) wake(socket, one);
    held.delete(socket);
  };
  /** On the first of them. */
  const hangUp = ([socket]: Iterable<Socket>): void => {
    if (!socket) return;
    forget(socket);
    socket.destroy();
  };

  server.on('connection', (socket: Socket) => {
    const one: Held = { place: placeOf(socket.remoteAddress ?? ''), waiting: [], isAnswering: false };
    held.set(socket, one);
    socket.once('close', () => forget(socket));
    rest(socket, one);
    if (held.size > connections) hangUp(resting);
  });

  return (request, response) => {
    const { socket } = request;
    const one = held.get(socket);
    if (!one) return;
    const begin = (): void => {
      one.isAnswering = true;
      if (isWhole(request)) wake(socket, one);
      else {
        rest(socket, one);
        request.once('end', () => response.writableEnded || wake(socket, one));
      }
      // Made, and from here on the client's to take.
      response.once('prefinish', () => rest(socket, one));
      response.once('close', () => {
        one.isAnswering = false;
        rest(socket, one);
        if (socket.writable) one.waiting.shift()?.();
      });
      answer(request, response);
    };
    if (!one.isAnswering) begin();
    else if (one.waiting.push(begin) > WAITING) hangUp([socket]);
  };
}

/** RFC 9112, section 6.3: without either header a request has no body. */
const isWhole = ({ complete, headers }: IncomingMessage): boolean =>
  complete || (headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0');

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
