import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A small real reputation service for the demo and the tests: `GET /v1/reputation/{ip}` answers `{ ip, score, seen }`.
 * Addresses of 203.0.113.0/24 (RFC 5737) are bad, all others are fine.
 */
export type Reputation = { readonly url: string; requests(): number; close(): Promise<void> };

export async function startReputation(options: { port?: number } = {}): Promise<Reputation> {
  let requests = 0;
  const server = createServer((request, response) => {
    requests++;
    const ip = /^\/v1\/reputation\/([0-9a-fA-F.:]{2,45})$/.exec(request.url ?? '')?.[1];
    response.setHeader('content-type', 'application/json');
    if (request.method !== 'GET' || !ip) {
      response.statusCode = 404;
      response.end('{}');
      return;
    }
    const bad = ip.startsWith('203.0.113.');
    response.end(JSON.stringify({ ip, score: bad ? 95 : 5, seen: bad ? ['c2'] : [] }));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests: () => requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
