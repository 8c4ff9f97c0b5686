import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * An upstream that gives back whatever it was sent, in every place where an answer can hold it and in every form. It
 * stands for the careless and the malicious ones alike.
 */
export type Echo = {
  readonly url: string;
  /** Header values that arrived, by path. */
  readonly received: ReadonlyMap<string, readonly string[]>;
  /** Bodies that arrived. */
  readonly bodies: readonly string[];
  close(): Promise<void>;
};

/** Paths below the prefix that decides which secret rides along. */
export const ECHO_PATHS = [
  'plain',
  'forms',
  'nested',
  'headers',
  'error',
  'page',
  'redirect',
  'not-json',
  'torn',
  'reason',
  'late',
] as const;

export async function startEcho(): Promise<Echo> {
  const received = new Map<string, string[]>();
  const bodies: string[] = [];

  const answer = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const { url = '/', headers, rawHeaders } = incoming;
    let body = '';
    for await (const chunk of incoming) body += chunk;
    if (body !== '') bodies.push(body);
    received.set(url, [...(received.get(url) ?? []), ...rawHeaders.filter((_, index) => index % 2 === 1)]);
    const credential = String(headers['x-api-key'] ?? headers.authorization ?? '');
    const value = credential.replace(/^(?:Bearer|Basic) /, '');
    const bytes = Buffer.from(value);
    const json = (status: number, content: unknown, more: Record<string, string> = {}) => {
      outgoing.writeHead(status, { 'content-type': 'application/json', ...more });
      outgoing.end(JSON.stringify(content));
    };
    // To whoever asks: what it was sent by others.
    if (url === '/open/kept') return json(200, { kept: [...received.values()].flat() });
    if (url.startsWith('/v1/bans')) return json(200, { until: value.slice(0, 64), ip: '20.1.1.1' });
    switch (url.split('/').at(-1) as (typeof ECHO_PATHS)[number]) {
      case 'plain':
        return json(200, { headers: rawHeaders, key: { [value]: true } });
      case 'forms':
        return json(200, {
          hex: bytes.toString('hex'),
          spaced: bytes.toString('hex').replaceAll(/../g, '$& '),
          base64: [0, 1, 2].map((n) => Buffer.concat([Buffer.from('xyz').subarray(0, n), bytes]).toString('base64')),
          url: [0, 1, 2].map((n) => Buffer.concat([Buffer.from('xyz').subarray(0, n), bytes]).toString('base64url')),
          percent: [encodeURIComponent(value), encodeURIComponent(encodeURIComponent(value))],
          form: new URLSearchParams({ key: value }).toString(),
          html: value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;'),
        });
      case 'nested':
        return json(200, { log: JSON.stringify({ request: JSON.stringify({ credential }) }) });
      case 'headers':
        return json(
          200,
          {},
          {
            etag: `"${value}"`,
            link: `<http://x/?k=${encodeURIComponent(value)}>; rel=next`,
            'x-request-id': bytes.toString('base64'),
            'x-other': value,
            'set-cookie': `session=${encodeURIComponent(value)}`,
          },
        );
      case 'error':
        return json(500, { error: `bad credential ${credential}` }, { 'retry-after': '1', 'x-request-id': value });
      case 'page':
        outgoing.writeHead(401, { 'content-type': 'text/html', 'www-authenticate': `Bearer realm="${value}"` });
        return outgoing.end(`<html><body>Denied: ${credential}</body></html>`);
      case 'redirect':
        outgoing.writeHead(302, { location: `/login?key=${encodeURIComponent(value)}` });
        return outgoing.end();
      case 'not-json':
        outgoing.writeHead(200, { 'content-type': 'application/json' });
        return outgoing.end(`${credential} is not JSON`);
      case 'torn':
        outgoing.writeHead(200, { 'content-type': 'application/json', 'content-length': '9999' });
        outgoing.write(`{"credential":${JSON.stringify(credential)}`);
        setTimeout(() => outgoing.destroy(), 20);
        return;
      case 'reason':
        return incoming.socket.end(`HTTP/1.1 500 ${value}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
      case 'late':
        // Half an answer, and then nothing.
        outgoing.writeHead(200, { 'content-type': 'application/json' });
        return outgoing.write(JSON.stringify({ credential }));
      default:
        return json(200, {});
    }
  };

  const server = createServer((incoming, outgoing) => {
    answer(incoming, outgoing).catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    bodies,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
