import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Asked = {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
};
export type Reply = { readonly status: number; readonly body?: string; readonly type?: string };

/** A server on a real socket that answers as it is told, and remembers what it was asked. */
export async function startDouble(answer: (asked: Asked) => Reply | Promise<Reply>) {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const one = { method: request.method ?? '', path: request.url ?? '/', headers: request.headers, body };
    asked.push(one);
    const reply = await answer(one);
    response.writeHead(reply.status, { 'content-type': reply.type ?? 'application/json', 'cache-control': 'no-store' });
    response.end(reply.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export const json = (status: number, body: unknown): Reply => ({ status, body: JSON.stringify(body) });
