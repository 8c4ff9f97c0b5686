/** A scripted server on 127.0.0.1 over raw sockets: it sends exactly the bytes it is told to, and counts what reached it. */
import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';

type Received = {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

export type Upstream = {
  readonly port: number;
  /** Local addresses at which connections arrived, one each. */
  readonly connections: readonly string[];
  /** Server names that TLS clients asked for. */
  readonly serverNames: readonly (string | false)[];
  readonly requests: readonly Received[];
  close(): Promise<void>;
};

/** Is called for every whole request; writes the answer to the socket. */
export type Script = (request: Received, socket: net.Socket, n: number) => void;

export const answer = (status: number, headers: Readonly<Record<string, string>> = {}, body = ''): string =>
  [
    `HTTP/1.1 ${status} Status`,
    ...Object.entries({ 'content-length': `${Buffer.byteLength(body)}`, ...headers }).map(
      ([name, value]) => `${name}: ${value}`,
    ),
    '',
    body,
  ].join('\r\n');

export const answerOk: Script = (_, socket) =>
  socket.write(answer(200, { 'content-type': 'application/json' }, '{"ok":true}'));

export async function openUpstream(
  script: Script = answerOk,
  options: { readonly tls?: tls.TlsOptions; readonly host?: string } = {},
): Promise<Upstream> {
  const connections: string[] = [];
  const serverNames: (string | false)[] = [];
  const requests: Received[] = [];
  const sockets = new Set<net.Socket>();

  const serve = (socket: net.Socket): void => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    let pending = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      pending += chunk;
      for (let parsed = parse(pending); parsed; parsed = parse(pending)) {
        pending = parsed.rest;
        requests.push(parsed.request);
        script(parsed.request, socket, requests.length);
      }
    });
  };
  const server = options.tls ? tls.createServer(options.tls) : net.createServer();
  server.on('connection', (socket: net.Socket) => {
    connections.push(socket.localAddress ?? '');
    socket.on('error', () => undefined);
    if (!options.tls) serve(socket);
  });
  server.on('secureConnection', (socket: tls.TLSSocket) => {
    serverNames.push((socket as tls.TLSSocket & { servername: string | false }).servername);
    serve(socket);
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, options.host ?? '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    serverNames,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function parse(text: string): { readonly request: Received; readonly rest: string } | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const [line = '', ...fields] = text.slice(0, end).split('\r\n');
  const [method = '', path = ''] = line.split(' ');
  const headers = Object.fromEntries(
    fields.map((field) => [
      field.slice(0, field.indexOf(':')).toLowerCase(),
      field.slice(field.indexOf(':') + 1).trim(),
    ]),
  );
  const length = Number(headers['content-length'] ?? 0);
  const from = end + 4;
  if (text.length < from + length) return undefined;
  return { request: { method, path, headers, body: text.slice(from, from + length) }, rest: text.slice(from + length) };
}
