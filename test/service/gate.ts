import { request as ask, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * Stands between a caller and a target and can hold one exchange at a chosen point, so that a test can look, or kill the
 * caller, exactly there. What is not held passes unchanged.
 */
export type Point =
  /** The request has arrived here; the target knows nothing of it. */
  | 'request'
  /** The target has answered; the caller knows nothing of it. */
  | 'answer'
  /** The caller has the head of the answer and the first half of its body. */
  | 'half';

export type Gate = {
  readonly url: string;
  /** Holds the next requests of this method at this point, one if not said otherwise. Resolves when all are there. */
  hold(method: string, point: Point, count?: number): Promise<void>;
  /** Lets what is held at `request` go on. */
  pass(): void;
  /** Cuts the connection of what is held, and holds nothing more. */
  drop(): void;
  close(): Promise<void>;
};

type Answered = { readonly status: number; readonly headers: IncomingMessage['headers']; readonly body: Buffer };

/** @param lagMs how long each exchange takes on its way there, and again on its way back. */
export async function startGate(target: string, lagMs: () => number = () => 0): Promise<Gate> {
  let armed: { readonly method: string; readonly point: Point; left: number; readonly reached: () => void } | undefined;
  const held = new Set<ServerResponse>();
  const waiting = new Set<() => void>();

  /** @returns whether the exchange stays here. */
  const holds = (point: Point, method: string | undefined, outgoing: ServerResponse): boolean => {
    if (armed?.point !== point || armed.method !== method) return false;
    held.add(outgoing);
    if (--armed.left > 0) return true;
    const { reached } = armed;
    armed = undefined;
    reached();
    return true;
  };

  const exchange = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const body = await bodyOf(incoming);
    const { method, url, headers } = incoming;
    if (holds('request', method, outgoing)) await new Promise<void>((resolve) => waiting.add(resolve));
    if (outgoing.destroyed) return;
    await lag(lagMs());
    const answer = await forward(new URL(url ?? '/', target), method ?? 'GET', headers, body);
    if (holds('answer', method, outgoing)) return;
    await lag(lagMs());
    const { 'transfer-encoding': _, connection: __, ...passed } = answer.headers;
    outgoing.writeHead(answer.status, { ...passed, 'content-length': answer.body.length });
    if (armed?.point === 'half' && armed.method === method) {
      const half = answer.body.subarray(0, answer.body.length >> 1);
      outgoing.write(half, () => holds('half', method, outgoing));
    } else outgoing.end(answer.body);
  };

  const server = createServer((incoming, outgoing) => {
    exchange(incoming, outgoing).catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const pass = () => {
    for (const go of waiting) go();
    waiting.clear();
    held.clear();
  };
  const drop = () => {
    armed = undefined;
    for (const outgoing of held) outgoing.destroy();
    pass();
  };
  return {
    url: `http://127.0.0.1:${port}`,
    hold(method, point, count = 1) {
      const { promise, resolve } = Promise.withResolvers<void>();
      armed = { method, point, left: count, reached: resolve };
      return promise;
    },
    pass: pass,
    drop,
    close: () =>
      new Promise((resolve) => {
        drop();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const lag = (ms: number): Promise<void> | undefined =>
  ms > 0 ? new Promise((resolve) => setTimeout(resolve, ms)) : undefined;

function forward(url: URL, method: string, headers: IncomingMessage['headers'], body: Buffer): Promise<Answered> {
  const { host: _, connection: __, ...passed } = headers;
  return new Promise((resolve, reject) => {
    const outgoing = ask(url, { method, headers: passed, agent: false }, (incoming) => {
      bodyOf(incoming).then(
        (bytes) => resolve({ status: incoming.statusCode ?? 502, headers: incoming.headers, body: bytes }),
        reject,
      );
    });
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
}
