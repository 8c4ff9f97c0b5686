import { connect, type Socket } from 'node:net';

/**
 * The driver's HTTP client: keep-alive connections to one loopback address, one request at a time on each. It shares
 * two cores with what it measures, so it does the least that is correct: one write for a request, no streams, and
 * answers with a Content-Length only (RFC 9112, section 6.3); anything else is an error, never a guess.
 */
export type Answer = { readonly status: number; readonly body: string };

export type HttpClient = {
  /** @param body JSON text in ASCII; without one it is a GET. Rejects when the connection or the answer is broken. */
  readonly request: (path: string, body?: string) => Promise<Answer>;
  readonly close: () => void;
};

type Waiting = { readonly resolve: (answer: Answer) => void; readonly reject: (error: Error) => void };

/** More at once than any load here needs: more means that answers do not come. */
const CONNECTIONS = 4_000;

export function openHttpClient(url: string, token: string): HttpClient {
  const { hostname, port } = new URL(url);
  const fixed = ` HTTP/1.1\r\nhost: ${hostname}:${port}\r\nauthorization: Bearer ${token}\r\n`;
  const idle: Connection[] = [];
  const all = new Set<Connection>();

  const open = (): Connection => {
    if (all.size >= CONNECTIONS) throw new Error(`${CONNECTIONS} requests wait for an answer: the kernel is stuck`);
    const connection: Connection = openConnection(Number(port), hostname, {
      free: () => void idle.push(connection),
      gone: () => {
        all.delete(connection);
        const at = idle.indexOf(connection);
        if (at >= 0) idle.splice(at, 1);
      },
    });
    all.add(connection);
    return connection;
  };

  return {
    request: async (path, body) => {
      const rest =
        body === undefined ? '\r\n' : `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
      const connection = idle.pop() ?? open();
      return connection.send(`${body === undefined ? 'GET' : 'POST'} ${path}${fixed}${rest}`);
    },
    close: () => {
      for (const connection of all) connection.close();
    },
  };
}

type Connection = { readonly send: (request: string) => Promise<Answer>; readonly close: () => void };

function openConnection(port: number, host: string, tell: { free: () => void; gone: () => void }): Connection {
  const socket: Socket = connect({ port, host, noDelay: true });
  let waiting: Waiting | undefined;
  let received: Buffer = Buffer.alloc(0);

  const fail = (error: Error) => {
    tell.gone();
    socket.destroy();
    waiting?.reject(error);
    waiting = undefined;
  };
  socket.on('data', (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    const parsed = parseAnswer(received);
    if (parsed === undefined) return;
    if (parsed === 'broken' || waiting === undefined) return fail(new Error('the kernel sent what is no whole answer'));
    const { resolve } = waiting;
    waiting = undefined;
    received = Buffer.alloc(0);
    tell.free();
    resolve(parsed);
  });
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('the kernel closed the connection')));

  return {
    send: (request) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        socket.write(request, 'latin1');
      }),
    close: () => socket.destroy(),
  };
}

/** @returns undefined while bytes are missing. */
function parseAnswer(bytes: Buffer): Answer | 'broken' | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = bytes.toString('latin1', 0, end);
  const length = /\r\ncontent-length: *([0-9]+)/i.exec(head)?.[1];
  if (!head.startsWith('HTTP/1.1 ') || length === undefined) return 'broken';
  const whole = end + 4 + Number(length);
  if (bytes.length < whole) return undefined;
  return bytes.length > whole
    ? 'broken'
    : { status: Number(head.slice(9, 12)), body: bytes.toString('utf8', end + 4, whole) };
}
