import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import type { ProblemKind } from '../../sdk/contract/problem.ts';
import { LIMITS } from '../base/limits.ts';
import { problem, rawProblem } from './answer.ts';
import { boundConnections, type ConnectionBounds } from './resting.ts';

/**
 * Listens. Owns what happens before a request is one and after it is answered: time and size limits of connections, and
 * the end of them all. TLS is the business of whatever stands in front.
 */
export type ServeOptions = {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly limits?: Partial<ConnectionLimits>;
};

export type ConnectionLimits = ConnectionBounds & {
  /** From the first byte of a request to the end of its headers. */
  readonly headersMs: number;
  /** From the first byte of a request to its last. Not the time that the answer takes. */
  readonly requestMs: number;
  /** How long an idle connection is kept. Above what proxies use, so that they and not we give up a connection. */
  readonly idleMs: number;
  /** How long a connection may stand still, mostly because nobody reads the answer. Above the longest wait for a run. */
  readonly stallMs: number;
  /** How often the first two are looked at. */
  readonly checkMs: number;
  readonly headerBytes: number;
  /** How long close waits for answers that are under way. */
  readonly graceMs: number;
};

const CONNECTION_LIMITS: ConnectionLimits = {
  headersMs: 10_000,
  requestMs: 30_000,
  idleMs: 75_000,
  stallMs: 120_000,
  checkMs: 2_000,
  headerBytes: 16_384,
  connections: LIMITS.connections.value,
  restingPerAddress: LIMITS.restingPerAddress.value,
  graceMs: 5_000,
};

export type Listening = {
  readonly url: string;
  /** Takes no more requests, waits for the answers under way, then ends every connection. */
  readonly close: () => Promise<void>;
};

/** @throws Error with the system's code when the address cannot be listened on. */
export async function serve(app: Hono, options: ServeOptions): Promise<Listening> {
  const limits = { ...CONNECTION_LIMITS, ...options.limits };
  const answer = getRequestListener(app.fetch, { errorHandler: () => problem('malformed-request') });
  /** The latest answer that was begun on each connection. */
  const latest = new WeakMap<Duplex, ServerResponse>();
  const server = createServer({
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.idleMs,
    connectionsCheckingInterval: limits.checkMs,
    maxHeaderSize: limits.headerBytes,
    // The listener answers it as a problem; Node would send a bare status.
    requireHostHeader: false,
  });
  const listener = boundConnections(server, limits, (request, response) => {
    latest.set(request.socket, response);
    return answer(request, response);
  });
  server.on('request', listener);
  server.setTimeout(limits.stallMs);
  server.on('clientError', (error, socket) => refuseConnection(error, socket, latest.get(socket)));
  // RFC 9110, section 10.1.1: an expectation that is not understood may be passed over.
  server.on('checkExpectation', listener);
  await listen(server, options);
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : options.port;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return { url: `http://${host}:${port}`, close: () => close(server, limits.graceMs) };
}

function listen(server: Server, { host, port }: ServeOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** How often a closing listener looks for connections that have come to rest. */
const SWEEP_MS = 20;

async function close(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // A connection that is kept ends with its next answer, or as soon as it rests; a busy client would else be served on.
  server.prependListener('request', (_, response) => response.setHeader('connection', 'close'));
  server.closeIdleConnections();
  const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
  const impatience = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(impatience);
}

const KINDS: Readonly<Record<string, ProblemKind>> = {
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'body-too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
};

/** What came is no request of HTTP, or did not come in time: says so, unless it has its answer already, and hangs up. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Duplex, last: ServerResponse | undefined): void {
  const isNext = last?.writableEnded === true && last.req.complete;
  const isFree = socket.writable && (!last?.headersSent || isNext);
  if (isFree && error.code !== 'ECONNRESET') socket.write(rawProblem(KINDS[error.code ?? ''] ?? 'malformed-request'));
  socket.destroy();
}
