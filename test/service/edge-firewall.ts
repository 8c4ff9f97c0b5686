import { hash, timingSafeEqual } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import { parseArgs } from 'node:util';

/**
 * A small edge firewall with an HTTP API: bans addresses for a time. It is real in what matters to its callers (a
 * bearer token, limits, idempotency keys, state that survives a kill) and keeps a log of what it did, by which a test
 * proves that one key had one effect.
 *
 * Alone: node edge-firewall.ts --port 9100 --token-file FILE [--host 127.0.0.1] [--log-file FILE]
 */

export type FirewallOptions = {
  readonly token: string;
  /** 0, the default, takes a free port. */
  readonly port?: number;
  readonly host?: string;
  /** Effects and repeats are appended here before they are answered, and read back at the start. */
  readonly logFile?: string;
};

export type Ban = {
  readonly ip: string;
  readonly seconds: number;
  readonly reason: string;
  readonly since: string;
  readonly until: string;
};

export type LogEntry = {
  readonly effect: 'ban' | 'unban';
  readonly ip: string;
  /** Idempotency-Key of the request; null when it had none. */
  readonly key: string | null;
  /** True when the key had been used for the same request before: nothing was done, the first answer was given again. */
  readonly repeat: boolean;
};

export type FirewallLog = {
  /** Every request since the start, also refused ones. */
  readonly received: number;
  readonly entries: readonly LogEntry[];
};

type Answer = { readonly status: number; readonly body: unknown; readonly headers?: Readonly<Record<string, string>> };
/** What is written to the file: the entry, and what must be known again after a restart. */
type Stored = LogEntry & { readonly request: string; readonly answer: Answer; readonly ban: Ban | null };
type Request = { readonly method: string; readonly path: string; readonly key: string | null; readonly body: string };

const BODY_BYTES_MAX = 16_384;
const SECONDS_MAX = 366 * 24 * 3_600;

export async function startEdgeFirewall(options: FirewallOptions) {
  const bans = new Map<string, Ban>();
  const keys = new Map<string, { readonly request: string; readonly answer: Answer }>();
  const entries: LogEntry[] = [];
  let received = 0;

  const apply = (stored: Stored) => {
    const { effect, ip, key, repeat, request, answer, ban } = stored;
    entries.push({ effect, ip, key, repeat });
    if (repeat) return;
    if (key !== null) keys.set(key, { request, answer });
    if (ban) bans.set(ip, ban);
    else bans.delete(ip);
  };
  const record = (stored: Stored) => {
    if (options.logFile !== undefined) appendFileSync(options.logFile, `${JSON.stringify(stored)}\n`);
    apply(stored);
  };
  if (options.logFile !== undefined) for (const stored of readBack(options.logFile)) apply(stored);

  const log = (): FirewallLog => ({ received, entries: [...entries] });

  function banOf(ip: string): Ban | undefined {
    const ban = bans.get(ip);
    return ban && Date.parse(ban.until) > Date.now() ? ban : undefined;
  }

  /** Does a change once per key: the same request again gets the first answer, another request under it a refusal. */
  function once(
    { method, path, key, body }: Request,
    ip: string,
    act: () => { readonly effect: LogEntry['effect']; readonly ban: Ban | null; readonly answer: Answer } | Answer,
  ): Answer {
    const request = `${method} ${path}\n${body}`;
    const first = key === null ? undefined : keys.get(key);
    if (first && first.request !== request) return problem(422, 'this Idempotency-Key was used for another request');
    if (first) {
      const effect = method === 'DELETE' ? 'unban' : 'ban';
      record({ effect, ip, key, repeat: true, request, answer: first.answer, ban: null });
      return { ...first.answer, headers: { 'idempotency-replayed': 'true' } };
    }
    const result = act();
    if ('status' in result) return result;
    record({ ip, key, repeat: false, request, ...result });
    return result.answer;
  }

  function createBan(request: Request): Answer {
    const parsed = parseBan(request.body);
    if ('status' in parsed) return parsed;
    const { ip, seconds, reason } = parsed;
    return once(request, ip, () => {
      const replaced = banOf(ip) !== undefined;
      const now = Date.now();
      const until = new Date(now + seconds * 1_000).toISOString();
      const ban: Ban = { ip, seconds, reason, since: new Date(now).toISOString(), until };
      return { effect: 'ban', ban, answer: { status: replaced ? 200 : 201, body: { ...ban, replaced } } };
    });
  }

  function removeBan(request: Request, ip: string): Answer {
    return once(request, ip, () =>
      banOf(ip)
        ? { effect: 'unban', ban: null, answer: { status: 200, body: { ip, removed: true } } }
        : problem(404, 'no ban for this address'),
    );
  }

  function route(request: Request): Answer {
    const { method, path } = request;
    if (path === '/v1/log') return method === 'GET' ? { status: 200, body: log() } : notAllowed('GET');
    if (path === '/v1/bans') {
      if (method === 'POST') return createBan(request);
      if (method !== 'GET') return notAllowed('GET, POST');
      return { status: 200, body: { bans: [...bans.keys()].map(banOf).filter((ban) => ban !== undefined) } };
    }
    const ip = /^\/v1\/bans\/([^/]{1,128})$/.exec(path)?.[1];
    if (ip === undefined) return problem(404, 'no such resource');
    const address = decoded(ip);
    if (isIP(address) === 0) return problem(404, 'not an IP address');
    if (method === 'DELETE') return removeBan(request, address);
    if (method !== 'GET') return notAllowed('GET, DELETE');
    const ban = banOf(address);
    return ban ? { status: 200, body: ban } : problem(404, 'no ban for this address');
  }

  const server = createServer(async (incoming, outgoing) => {
    received++;
    const { method = 'GET', url = '/', headers } = incoming;
    if (!isToken(headers.authorization, options.token)) {
      incoming.resume();
      return send(outgoing, {
        ...problem(401, 'a valid bearer token is missing'),
        headers: { 'www-authenticate': 'Bearer' },
      });
    }
    const body = await readBody(incoming);
    if (body === undefined)
      return send(outgoing, { ...problem(413, 'the body is too large'), headers: { connection: 'close' } });
    const key = headers['idempotency-key'];
    const path = url.split('?', 1)[0] ?? '/';
    return send(outgoing, route({ method, path, key: typeof key === 'string' ? key : null, body }));
  });
  server.requestTimeout = 10_000;
  const host = options.host ?? '127.0.0.1';
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, host, resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    log,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Entries of the file, without a last line that was cut off by a kill: it was never answered. */
function readBack(file: string): readonly Stored[] {
  if (!existsSync(file)) return [];
  const text = readFileSync(file, 'utf8');
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  if (whole.length < text.length) writeFileSync(file, whole);
  return whole
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Stored);
}

function parseBan(body: string): { readonly ip: string; readonly seconds: number; readonly reason: string } | Answer {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return problem(400, 'the body is not JSON');
  }
  const { ip, seconds, reason = '' } = (value ?? {}) as Record<string, unknown>;
  if (typeof ip !== 'string' || isIP(ip) === 0) return problem(422, 'ip: an IPv4 or IPv6 address');
  if (typeof seconds !== 'number' || !Number.isInteger(seconds) || seconds < 1 || seconds > SECONDS_MAX) {
    return problem(422, `seconds: a whole number from 1 to ${SECONDS_MAX}`);
  }
  if (typeof reason !== 'string' || reason.length > 500) return problem(422, 'reason: text of at most 500 characters');
  return { ip, seconds, reason };
}

/** Compares digests, so that the time it takes tells nothing about the token. */
function isToken(header: string | undefined, token: string): boolean {
  const digest = (text: string) => hash('sha256', text, 'buffer');
  return timingSafeEqual(digest(header ?? ''), digest(`Bearer ${token}`));
}

/** The body as text; undefined when it is too large. */
async function readBody(incoming: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

const problem = (status: number, detail: string): Answer => ({ status, body: { status, detail } });
const notAllowed = (allow: string): Answer => ({
  ...problem(405, 'this method is not allowed here'),
  headers: { allow },
});

function send(outgoing: ServerResponse, { status, body, headers = {} }: Answer): void {
  const type = status >= 400 ? 'application/problem+json' : 'application/json';
  outgoing.writeHead(status, { 'content-type': type, ...headers });
  outgoing.end(JSON.stringify(body));
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '9100' },
      host: { type: 'string', default: '127.0.0.1' },
      'token-file': { type: 'string' },
      'log-file': { type: 'string' },
    },
  });
  const tokenFile = values['token-file'];
  const token = tokenFile === undefined ? '' : readFileSync(tokenFile, 'utf8').trim();
  if (token === '') {
    console.error('edge-firewall: --token-file FILE is needed, and the file must hold the bearer token');
    process.exit(2);
  }
  const logFile = values['log-file'];
  const started = await startEdgeFirewall({
    token,
    port: Number(values.port),
    host: values.host,
    ...(logFile === undefined ? {} : { logFile }),
  });
  console.log(`edge-firewall listens on ${started.url}`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void started.close());
}
