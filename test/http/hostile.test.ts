import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { callsOf, NOWHERE } from './calls.ts';
import { event, type House, openHouse, type Reply } from './kit.ts';

/** Bodies and connections that mean no good: each is refused with its own problem, and nothing else happens. */
let house: House;
beforeAll(async () => {
  house = await openHouse();
});
afterAll(() => house.close());

const kindOf = (reply: Reply): string => String(reply.json?.type).replace('urn:interlock:problem:', '');
const deep = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
const bytes = (...parts: (string | readonly number[])[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));

type Hostile = readonly [what: string, body: string | Uint8Array, form: string, event: string];
/** With what a form refuses it, and with what the intake of events does. */
const BODIES: readonly Hostile[] = [
  ['nothing', '', 'malformed-body', 'malformed-body'],
  ['half a document', '{"reason": "cut', 'malformed-body', 'malformed-body'],
  ['two documents', '{}{}', 'malformed-body', 'malformed-body'],
  ['bytes that are not UTF-8', bytes('{"reason":"', [0xff, 0xfe], '"}'), 'malformed-body', 'malformed-body'],
  ['a lone surrogate', '{"reason":"\\ud800"}', 'malformed-body', 'malformed-body'],
  ['a byte order mark', bytes([0xef, 0xbb, 0xbf], '{}'), 'malformed-body', 'malformed-body'],
  ['10,000 levels', deep(10_000), 'invalid-body', 'invalid-event'],
  ['a prototype', '{"__proto__":{"roles":["admin"]}}', 'invalid-body', 'invalid-event'],
  ['a prototype further down', '{"reason":{"x":[{"__proto__":1}]}}', 'invalid-body', 'invalid-event'],
  ['null', 'null', 'invalid-body', 'invalid-event'],
  ['a number', '7', 'invalid-body', 'invalid-event'],
  ['a list', '[]', 'invalid-body', 'invalid-event'],
  ['an empty object', '{}', 'invalid-body', 'invalid-event'],
  [
    '30,000 bytes of keys',
    `{${Array.from({ length: 3_000 }, (_, i) => `"k${i}":1`).join()}}`,
    'invalid-body',
    'invalid-event',
  ],
  ['25,000 items', `{"x":[${Array(25_000).fill(0).join()}]}`, 'body-too-large', 'invalid-event'],
  ['10 MB', Buffer.alloc(10_000_000, 0x20), 'body-too-large', 'body-too-large'],
];

describe.each(BODIES)('%s', (_, body, formKind, eventKind) => {
  test.each(callsOf(NOWHERE).filter(({ body, type }) => body !== undefined && type !== 'text/yaml'))(
    '$operation',
    async ({ operation, method, path }) => {
      const isEvents = ['publishEvents', 'explainTriggers'].includes(operation);
      const type = isEvents ? 'application/cloudevents+json' : 'application/json';
      const records = house.records().length;
      const reply = await house.ask('all@acme', method, path.replace('{org}', 'acme'), { body, type });
      expect(kindOf(reply)).toBe(isEvents ? eventKind : formKind);
      expect(house.records()).toHaveLength(records);
      expect(house.logged).toEqual([]);
    },
  );
});

describe('a body without a length', () => {
  /** Sent in chunks, with a pause between them. */
  const chunked = (chunk: Uint8Array, count: number) =>
    new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (count-- <= 0) return controller.close();
        await new Promise((resolve) => setImmediate(resolve));
        controller.enqueue(chunk);
      },
    });
  const events = { type: 'application/cloudevents+json' };

  test('is taken when it is small', async () => {
    const body = chunked(Buffer.from(JSON.stringify(event('chunked'))), 1);
    expect((await house.ask('source@acme', 'POST', '/v1/orgs/acme/events', { body, ...events })).status).toBe(202);
  });

  test('is refused once it is too large, and the connection is good for another', async () => {
    for (let i = 0; i < 3; i++) {
      const body = chunked(Buffer.alloc(65_536, 0x20), 160);
      const reply = await house.ask('source@acme', 'POST', '/v1/orgs/acme/events', { body, ...events });
      expect(kindOf(reply)).toBe('body-too-large');
    }
    const form = { body: chunked(Buffer.alloc(1_000, 0x20), 40) };
    expect(kindOf(await house.ask('admin@acme', 'PUT', '/v1/orgs/acme/secrets/x', form))).toBe('body-too-large');
  });
});

describe('forms of a body that are not read', () => {
  const form = JSON.stringify({ reason: 'x' });
  const path = `/v1/orgs/acme/runs/${NOWHERE.run}/cancel`;
  const types: [string, Record<string, string>][] = [
    ['a web form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['plain text', { 'content-type': 'text/plain' }],
    ['another charset', { 'content-type': 'application/json; charset=utf-16' }],
    ['no type', { 'content-type': '' }],
    ['YAML where a form is wanted', { 'content-type': 'application/yaml' }],
    ['a packed body', { 'content-type': 'application/json', 'content-encoding': 'gzip' }],
  ];
  test.each(types)('%s', async (_, headers) => {
    const asked = { body: form, headers };
    expect(kindOf(await house.ask('all@acme', 'POST', path, asked))).toBe('unsupported-media-type');
    expect(kindOf(await house.ask('all@acme', 'POST', '/v1/orgs/acme/events', asked))).toBe('unsupported-media-type');
    const put = await house.ask('all@acme', 'POST', '/v1/orgs/acme/playbooks', asked);
    expect([415, 422]).toContain(put.status);
  });

  test('YAML that is not UTF-8, or too large', async () => {
    const put = (body: Uint8Array) =>
      house.ask('author@acme', 'POST', '/v1/orgs/acme/playbooks', { body, type: 'text/yaml' });
    expect(kindOf(await put(bytes('title: ', [0xff])))).toBe('malformed-body');
    expect(kindOf(await put(Buffer.alloc(131_073, 0x20)))).toBe('body-too-large');
    const bomb = 'a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: [*b,*b,*b]\n';
    expect(kindOf(await put(Buffer.from(bomb)))).toBe('invalid-playbook');
  });
});

describe('queries', () => {
  const queries: [string, string, string][] = [
    ['/runs?stat=running', '?', 'a filter with a slip of the pen'],
    ['/runs?state=done', '?state', 'a state that there is not'],
    ['/runs?state=', '?state', 'an empty state'],
    ['/runs?state=failed&state=running', '?state', 'two states'],
    ['/runs?playbook=Not%20A%20Name', '?playbook', 'a playbook that cannot be'],
    ['/runs?limit=0', '?limit', 'no rows'],
    ['/runs?limit=-1', '?limit', 'fewer rows than none'],
    ['/runs?limit=1e3', '?limit', 'a number that is written in another way'],
    ['/approvals?state=open', '?state', 'a state of something else'],
    [`/runs/${NOWHERE.run}?wait=61s`, '?wait', 'too long a wait'],
    [`/runs/${NOWHERE.run}?wait=5`, '?wait', 'a wait without a unit'],
    ['/runs?__proto__=x', '?', 'a prototype'],
  ];
  test.each(queries)('%s', async (path, pointer) => {
    const reply = await house.ask('all@acme', 'GET', `/v1/orgs/acme${path}`);
    expect([kindOf(reply), reply.json.errors[0].pointer]).toEqual(['invalid-query', pointer]);
  });
});

describe('ids and names that cannot be', () => {
  const ids = [
    'x',
    'run_XYZ',
    '..%2f..%2fglobex',
    '%00',
    'constructor',
    '__proto__',
    `run_${'0'.repeat(33)}`,
    '%E0%A4%A',
  ];
  test.each(ids)('%s', async (id) => {
    for (const path of [`runs/${id}`, `events/${id}`, `approvals/${id}`, `playbooks/${id}`, `incidents/${id}`])
      expect(kindOf(await house.ask('all@acme', 'GET', `/v1/orgs/acme/${path}`))).toBe('not-found');
    for (const path of [`secrets/${id}`, `tokens/${id}`])
      expect(kindOf(await house.ask('all@acme', 'DELETE', `/v1/orgs/acme/${path}`))).toBe('not-found');
    expect(house.logged).toEqual([]);
  });
});

describe('connections', () => {
  let house: House;
  beforeAll(async () => {
    house = await openHouse({ limits: { requestMs: 400, headersMs: 400, checkMs: 50, headerBytes: 8_192 } });
  });
  afterAll(() => house.close());

  /** Sends bytes, and gives all that comes back until the server hangs up. */
  const raw = (...parts: readonly string[]) =>
    new Promise<string>((resolve, reject) => {
      const { port, hostname } = new URL(house.url);
      const socket = connect({ port: Number(port), host: hostname });
      let answer = '';
      socket.on('data', (chunk) => (answer += chunk));
      socket.on('error', reject);
      socket.on('close', () => resolve(answer));
      for (const part of parts) socket.write(part);
    });
  const problemOf = (answer: string) => {
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    const { type } = JSON.parse(body);
    expect(head.toLowerCase()).toContain('content-type: application/problem+json');
    expect(head.toLowerCase()).toContain("content-security-policy: default-src 'none'");
    return [Number(head.slice(9, 12)), String(type).replace('urn:interlock:problem:', '')];
  };
  const LINE = 'POST /v1/orgs/acme/events HTTP/1.1\r\nHost: x\r\n';
  const token = () => `Authorization: Bearer ${house.tokens.get('source@acme')}\r\n`;
  const JSON_TYPE = 'Content-Type: application/json\r\n';
  const CLOSE = 'Connection: close\r\n';

  test('what is no HTTP', async () => {
    expect(problemOf(await raw('EHLO mail.example\r\n\r\n'))).toEqual([400, 'malformed-request']);
  });
  test('no host', async () => {
    expect(problemOf(await raw(`GET /healthz HTTP/1.1\r\n${CLOSE}\r\n`))).toEqual([400, 'malformed-request']);
  });
  test('a host that is none', async () => {
    expect(problemOf(await raw(`GET /healthz HTTP/1.1\r\nHost: a b/\r\n${CLOSE}\r\n`))).toEqual([
      400,
      'malformed-request',
    ]);
  });
  test('headers that do not end', async () => {
    expect(problemOf(await raw(`${LINE}X: ${'x'.repeat(9_000)}\r\n\r\n`))).toEqual([431, 'headers-too-large']);
  });
  test('a length and chunks at once', async () => {
    const request = `${LINE}${token()}${JSON_TYPE}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`;
    expect(problemOf(await raw(request))).toEqual([400, 'malformed-request']);
  });
  test('a length that is none', async () => {
    expect(problemOf(await raw(`${LINE}${token()}${JSON_TYPE}Content-Length: -1\r\n\r\n`))).toEqual([
      400,
      'malformed-request',
    ]);
  });
  test('what is no HTTP, behind a request that was', async () => {
    const answers = await raw('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n', 'what now\r\n\r\n');
    expect(answers).toMatch(/^HTTP\/1.1 200 /);
    expect(problemOf(answers.slice(answers.lastIndexOf('HTTP/1.1 ')))).toEqual([400, 'malformed-request']);
  });
  test('headers that come slowly', async () => {
    expect(problemOf(await raw(LINE))).toEqual([408, 'request-timeout']);
  });
  test('a body that comes slowly', async () => {
    const answer = await raw(`${LINE}${token()}${JSON_TYPE}Content-Length: 1000\r\n\r\n`, '{"a":');
    expect(problemOf(answer)).toEqual([408, 'request-timeout']);
    expect(house.logged).toEqual([]);
  });
  test('a body that is said to be too large is refused before it comes', async () => {
    const answer = await raw(`${LINE}${token()}${JSON_TYPE}Content-Length: 10000000\r\n\r\n`);
    expect(problemOf(answer)).toEqual([413, 'body-too-large']);
  });
  test('a body that turns out too large is refused before it ends', async () => {
    const piece = `10000\r\n${' '.repeat(65_536)}\r\n`;
    const answer = await raw(`${LINE}${token()}${JSON_TYPE}Transfer-Encoding: chunked\r\n\r\n`, piece.repeat(5));
    expect(problemOf(answer)).toEqual([413, 'body-too-large']);
  });
  test('a body that stops, and a client that has gone', async () => {
    const { port, hostname } = new URL(house.url);
    const socket = connect({ port: Number(port), host: hostname });
    socket.write(`${LINE}${token()}${JSON_TYPE}Content-Length: 1000\r\n\r\n{"a":`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
    expect((await house.ask(null, 'GET', '/healthz')).status).toBe(200);
    expect(house.logged).toEqual([]);
  });
  test('an expectation that nobody knows is passed over', async () => {
    const answer = await raw(`GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n${CLOSE}\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
  });
  test('dots in a path do not lead into another org', async () => {
    const path = '/v1/orgs/globex/../acme/audit/head';
    const as = `Authorization: Bearer ${house.tokens.get('all@globex')}\r\n`;
    const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: x\r\n${as}${CLOSE}\r\n`);
    expect(problemOf(answer)).toEqual([404, 'not-found']);
  });
});
