import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/**
 * A double of the API on a real socket: it answers what a test told it to, well or badly, and keeps what it was asked.
 * It knows nothing of the kernel; the real server is exercised with the real command in the end-to-end tests.
 */
type Asked = {
  readonly method: string;
  /** Path and query as they came. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
};

export type Reply =
  | { readonly kind: 'data'; readonly data: unknown; readonly next?: string | null; readonly status?: number }
  | { readonly kind: 'problem'; readonly problem: ProblemText; readonly headers?: Readonly<Record<string, string>> }
  | {
      readonly kind: 'raw';
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: string | Uint8Array;
    }
  /** Takes the request and never answers. */
  | { readonly kind: 'silence' }
  /** Sends a whole head and a part of the body, then breaks the connection. */
  | { readonly kind: 'cut'; readonly headers: Readonly<Record<string, string>>; readonly body: string };

export type ProblemText = {
  readonly status: number;
  readonly kind: string;
  readonly title: string;
  readonly detail?: string;
  readonly errors?: readonly { readonly pointer: string; readonly text: string }[];
};

export const data = (value: unknown, next?: string | null): Reply => ({
  kind: 'data',
  data: value,
  ...(next === undefined ? {} : { next }),
});
export const problem = (status: number, kind: string, title: string, rest: Partial<ProblemText> = {}): Reply => ({
  kind: 'problem',
  problem: { status, kind, title, ...rest },
});

export type Double = {
  readonly url: string;
  /** Everything that was asked since the last `answers`. */
  readonly asked: readonly Asked[];
  /** `METHOD /path` (without query) to its replies, one after the other; the last one stays. Replaces all earlier. */
  readonly answers: (table: Readonly<Record<string, Reply | readonly Reply[]>>) => void;
  /** Resolves when this has been asked. */
  readonly until: (route: string) => Promise<void>;
  readonly close: () => Promise<void>;
};

export async function openDouble(): Promise<Double> {
  let table = new Map<string, Reply[]>();
  let asked: Asked[] = [];
  const sockets = new Set<Socket>();
  const waiters = new Map<string, () => void>();

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      asked.push({ method, path: url, headers, body: Buffer.concat(chunks).toString('utf8') });
      const route = `${method} ${url.split('?', 1)[0]}`;
      const replies = table.get(route) ?? [];
      const reply =
        (replies.length > 1 ? replies.shift() : replies[0]) ?? problem(404, 'not-found', 'There is nothing here');
      send(response, reply);
      waiters.get(route)?.();
    });
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${port}`,
    get asked() {
      return asked;
    },
    answers(entries) {
      asked = [];
      table = new Map(
        Object.entries(entries).map(([route, reply]) => [route, Array.isArray(reply) ? [...reply] : [reply as Reply]]),
      );
    },
    until: (route) => new Promise((resolve) => waiters.set(route, resolve)),
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function send(response: ServerResponse, reply: Reply): void {
  switch (reply.kind) {
    case 'data': {
      const page = reply.next === undefined ? {} : { page: { next: reply.next } };
      response.writeHead(reply.status ?? 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ data: reply.data, ...page }));
      return;
    }
    case 'problem': {
      const { kind, ...body } = reply.problem;
      response.writeHead(body.status, { 'content-type': 'application/problem+json', ...reply.headers });
      response.end(
        JSON.stringify({ type: `urn:interlock:problem:${kind}`, detail: '', instance: 'urn:uuid:1', ...body }),
      );
      return;
    }
    case 'raw':
      response.writeHead(reply.status, reply.headers);
      response.end(reply.body);
      return;
    case 'cut':
      response.writeHead(200, { 'transfer-encoding': 'chunked', ...reply.headers });
      response.write(reply.body, () => response.destroy());
      return;
    case 'silence':
  }
}
