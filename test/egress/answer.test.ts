/** What a hostile server can do to the client: nothing but fail its own request. */
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { type EgressLimits, openEgressClient } from '../../kernel/adapter/undici/egress-client.ts';
import type { EgressClient } from '../../kernel/port/egress.ts';
import { bodyOf, gist, requestFor, ruleFor } from './ask.ts';
import { answer, openUpstream, type Script, type Upstream } from './upstream.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

async function start(script: Script, limits: Partial<EgressLimits> = {}): Promise<[Upstream, EgressClient]> {
  const upstream = await openUpstream(script);
  const client = openEgressClient({ resolve: async () => ['127.0.0.1'], limits });
  open.push(client, upstream);
  return [upstream, client];
}
const GZIP_HEAD = 'HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n';
const say =
  (text: string | Buffer): Script =>
  (_, socket) =>
    socket.end(text);

describe('an answer that cannot be used fails its request, which is not sent again', () => {
  const chunked = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';
  it.each<[string, string, Script]>([
    ['nothing', 'unavailable', (_, socket) => socket.end()],
    ['a reset', 'unavailable', (_, socket) => socket.resetAndDestroy()],
    ['no HTTP', 'upstream_error', say('hello\r\n\r\n')],
    ['HTTP/0.9', 'upstream_error', say('<html>')],
    ['half a head', 'unavailable', say('HTTP/1.1 200 OK\r\ncontent-le')],
    ['a body shorter than announced', 'unavailable', say('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc')],
    ['chunks that stop', 'unavailable', say(`${chunked}5\r\nabc`)],
    ['a chunk size that is no number', 'upstream_error', say(`${chunked}zz\r\nabc\r\n0\r\n\r\n`)],
    ['two lengths', 'upstream_error', say('HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd')],
    ['a negative length', 'upstream_error', say('HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nabc')],
    [
      'a length and chunks',
      'upstream_error',
      say('HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'),
    ],
    ['a header with a NUL', 'upstream_error', say('HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 0\r\n\r\n')],
    ['a header without a colon', 'upstream_error', say('HTTP/1.1 200 OK\r\nnonsense\r\ncontent-length: 0\r\n\r\n')],
    ['headers of 100 KB', 'upstream_error', say(answer(200, { 'x-large': 'a'.repeat(100_000) }))],
    ['3000 early hints', 'upstream_error', say('HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n'.repeat(3_000))],
    ['an upgrade', 'unavailable', say('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n')],
    ['a continue that nobody waited for', 'unavailable', say(`HTTP/1.1 100 Continue\r\n\r\n${answer(200)}`)],
    [
      'gzip',
      'upstream_error',
      say(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n'), gzipSync('x')])),
    ],
    ['an unknown encoding', 'upstream_error', say(answer(200, { 'content-encoding': 'zstd' }, 'x'))],
    [
      'an encoded transfer',
      'upstream_error',
      say('HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n'),
    ],
    ['a length over the limit', 'upstream_error', say('HTTP/1.1 200 OK\r\ncontent-length: 100001\r\n\r\n')],
    ['a body over the limit', 'upstream_error', say(`HTTP/1.1 200 OK\r\n\r\n${'a'.repeat(100_001)}`)],
    [
      'gzip of 50 MiB',
      'upstream_error',
      say(Buffer.concat([Buffer.from(GZIP_HEAD), gzipSync(Buffer.alloc(52_428_800))])),
    ],
    ['gzip behind another word', 'upstream_error', say(answer(200, { 'content-encoding': 'identity, gzip' }, 'x'))],
    ['GZIP', 'upstream_error', say(answer(200, { 'Content-Encoding': 'GZIP' }, 'x'))],
    [
      'the same length twice',
      'upstream_error',
      say('HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc'),
    ],
    ['a list of lengths', 'upstream_error', say('HTTP/1.1 200 OK\r\ncontent-length: 3, 3\r\n\r\nabc')],
    ['a signed length', 'upstream_error', say('HTTP/1.1 200 OK\r\ncontent-length: +3\r\n\r\nabc')],
    [
      'a length beyond counting',
      'upstream_error',
      say(`HTTP/1.1 200 OK\r\ncontent-length: ${'9'.repeat(23)}\r\n\r\nabc`),
    ],
    ['a chunk beyond counting', 'upstream_error', say(`${chunked}${'F'.repeat(17)}\r\nabc\r\n0\r\n\r\n`)],
    ['chunks twice over', 'upstream_error', say(`${chunked.slice(0, -2)}transfer-encoding: chunked\r\n\r\n0\r\n\r\n`)],
    ['almost chunks', 'upstream_error', say('HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n')],
    ['lines that end in LF', 'upstream_error', say('HTTP/1.1 200 OK\ncontent-length: 3\n\nabc')],
    ['one line that ends in LF', 'upstream_error', say('HTTP/1.1 200 OK\r\nx: y\ncontent-length: 3\r\n\r\nabc')],
    ['chunks that end in LF', 'upstream_error', say(`${chunked}3\nabc\n0\n\n`)],
    ['a CR inside a header', 'upstream_error', say('HTTP/1.1 200 OK\r\nx: a\rb\r\ncontent-length: 0\r\n\r\n')],
    ['a header over two lines', 'upstream_error', say('HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 0\r\n\r\n')],
    ['a space before a colon', 'upstream_error', say('HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n')],
    ['20,000 headers', 'upstream_error', say(`HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(20_000)}\r\n`)],
    ['trailers of 100 KB', 'upstream_error', say(`${chunked}0\r\nx: ${'a'.repeat(100_000)}\r\n\r\n`)],
    ['20,000 trailers', 'upstream_error', say(`${chunked}0\r\n${'x: y\r\n'.repeat(20_000)}\r\n`)],
    ['a status of two digits', 'unavailable', say('HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n')],
    [
      'an upgrade with what follows it',
      'unavailable',
      say(`HTTP/1.1 101 Switching\r\nupgrade: websocket\r\n\r\n${answer(200)}`),
    ],
  ])('%s: %s', async (_, errorClass, script) => {
    const [upstream, client] = await start(script);
    const request = requestFor(ruleFor(upstream.port), { method: 'POST', body: '{}' });
    expect(gist(await client.send(request))).toBe(`${errorClass}, may have left`);
    expect(upstream.requests.length).toBe(1);
  });

  const HEAD = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';
  it.each<[string, string, string]>([
    ['the extension of one chunk', `${HEAD}3;`, 'a'.repeat(65_536)],
    ['extensions of small chunks', HEAD, `1;${'a'.repeat(65_536)}\r\nb\r\n`],
    ['a reason phrase', 'HTTP/1.1 200 ', 'a'.repeat(65_536)],
    ['white space before the answer', '', '\r\n'.repeat(32_768)],
  ])('%s without an end: cut off, although nothing of it is kept', async (_, before, more) => {
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    let written = 0;
    const [upstream, client] = await start((_, socket) => {
      socket.on('close', () => resolve());
      socket.write(before);
      const go = () => {
        do written += more.length;
        while (!socket.destroyed && socket.write(more));
      };
      socket.on('drain', go);
      go();
    });
    const request = requestFor(ruleFor(upstream.port), { timeoutMs: 60_000 });
    expect(await client.send(request)).toMatchObject({ class: 'upstream_error', sent: true });
    await closed;
    expect(written).toBeLessThan(64 * 1_048_576);
  });

  it('endless chunks: cut off at the limit, and the server sees the socket close', async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    const [upstream, client] = await start((_, socket) => {
      socket.on('close', () => resolve());
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
      const more = () => {
        while (!socket.destroyed && socket.write('400\r\n'.concat('a'.repeat(1_024), '\r\n')));
      };
      socket.on('drain', more);
      more();
    });
    expect(gist(await client.send(requestFor(ruleFor(upstream.port))))).toBe('upstream_error, may have left');
    await closed;
  });
});

describe('an answer that is used', () => {
  it.each<[string, string, string]>([
    ['one of exactly the limit', answer(200, {}, 'a'.repeat(100_000)), 'a'.repeat(100_000)],
    [
      'one in chunks',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nx-trailer: t\r\n\r\n',
      'abcde',
    ],
    ['one until the end of the connection', 'HTTP/1.1 200 OK\r\n\r\nabc', 'abc'],
    ['one after a hint', `HTTP/1.1 103 Early Hints\r\n\r\n${answer(200, {}, 'abc')}`, 'abc'],
    [
      'one with a long extension',
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;${'a'.repeat(20_000)}\r\nabc\r\n0\r\n\r\n`,
      'abc',
    ],
    ['one that says it is not encoded', answer(200, { 'content-encoding': 'identity' }, 'abc'), 'abc'],
    ['one that breaks off late', answer(500, {}, 'broken'), 'broken'],
  ])('%s', async (_, text, body) => {
    const [upstream, client] = await start(say(text));
    expect(bodyOf(await client.send(requestFor(ruleFor(upstream.port))))).toBe(body);
  });

  it('has its repeated headers joined, and a header called __proto__ is only a header', async () => {
    const [upstream, client] = await start(
      say('HTTP/1.1 200 OK\r\nlink: <a>\r\nLink: <b>\r\n__proto__: x\r\ncontent-length: 0\r\n\r\n'),
    );
    const got = await client.send(requestFor(ruleFor(upstream.port)));
    expect(got.kind === 'answered' && got.headers['link']).toBe('<a>, <b>');
    expect(got.kind === 'answered' && Object.getPrototypeOf(got.headers)).toBe(Object.prototype);
  });

  it('to HEAD may announce any length', async () => {
    const [upstream, client] = await start(
      say('HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\ncontent-encoding: gzip\r\n\r\n'),
    );
    expect(gist(await client.send(requestFor(ruleFor(upstream.port), { method: 'HEAD' })))).toBe('200');
  });

  it('counts each for itself, however many come over one connection', async () => {
    const body = 'a'.repeat(90_000);
    const [upstream, client] = await start((_, socket) => socket.write(answer(200, {}, body)), {
      wireBytes: 100_000,
      idleMs: 30_000,
    });
    for (let i = 0; i < 4; i++) {
      expect(gist(await client.send(requestFor(ruleFor(upstream.port))))).toBe('200');
      // The connection is free again one turn of the event loop after its answer.
      await sleep(5);
    }
    expect(upstream.connections.length).toBe(1);
  });

  it('with a second one behind it: that one never answers the next request', async () => {
    const [upstream, client] = await start((_, socket, n) =>
      socket.write(n === 1 ? answer(200, {}, 'first') + answer(200, {}, 'smuggled') : answer(200, {}, 'second')),
    );
    const rule = ruleFor(upstream.port);
    expect(bodyOf(await client.send(requestFor(rule)))).toBe('first');
    expect(bodyOf(await client.send(requestFor(rule)))).toBe('second');
  });

  it('was asked for without compression', async () => {
    const [upstream, client] = await start(say(answer(200)));
    await client.send(requestFor(ruleFor(upstream.port)));
    expect(upstream.requests[0]?.headers['accept-encoding']).toBe('identity');
  });
});

describe('a redirect is handed over, not followed', () => {
  it.each([301, 302, 303, 307, 308])('%i', async (status) => {
    const elsewhere = await openUpstream();
    open.push(elsewhere);
    const location = `http://api.test:${elsewhere.port}/metadata`;
    const [upstream, client] = await start(say(answer(status, { location })));
    const headers = { authorization: 'Bearer canary-canary' };
    const got = await client.send(requestFor(ruleFor(upstream.port), { method: 'POST', body: '{}', headers }));
    expect(got).toMatchObject({ kind: 'answered', status, headers: { location } });
    expect([upstream.requests.length, elsewhere.connections.length]).toEqual([1, 0]);
  });
});

describe('time', () => {
  const timeout = 'timeout, may have left';
  it('no answer', async () => {
    const [upstream, client] = await start(() => undefined);
    expect(gist(await client.send(requestFor(ruleFor(upstream.port), { timeoutMs: 100 })))).toBe(timeout);
  });

  it('a drip of one byte after another does not extend it', async () => {
    const [upstream, client] = await start((_, socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const drip = setInterval(() => socket.write('a'), 20);
      socket.on('close', () => clearInterval(drip));
    });
    expect(gist(await client.send(requestFor(ruleFor(upstream.port), { timeoutMs: 200 })))).toBe(timeout);
  });

  it('a head that never ends', async () => {
    const [upstream, client] = await start((_, socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      const drip = setInterval(() => socket.write('x: y\r\n'), 20);
      socket.on('close', () => clearInterval(drip));
    });
    expect(gist(await client.send(requestFor(ruleFor(upstream.port), { timeoutMs: 200 })))).toBe(timeout);
  });

  it('no head in its own time', async () => {
    const [upstream, client] = await start(() => undefined, { headersMs: 100 });
    expect(await client.send(requestFor(ruleFor(upstream.port)))).toMatchObject({ reason: 'no answer began in time' });
  });

  it('a body that pauses too long', async () => {
    const [upstream, client] = await start((_, socket) => void socket.write('HTTP/1.1 200 OK\r\n\r\na'), {
      bodyIdleMs: 100,
    });
    expect(await client.send(requestFor(ruleFor(upstream.port)))).toMatchObject({
      reason: 'the answer stopped in the middle',
    });
  });
});
