/** What a hostile server can do to the client: nothing but fail its own request. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type EgressLimits, openEgressClient } from '../../kernel/adapter/undici/egress-client.ts';
import type { EgressClient } from '../../kernel/port/egress.ts';
import { bodyOf, gist, requestFor, ruleFor } from './ask.ts';
import { say, UNUSABLE } from './hostile-answers.ts';
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

describe('an answer that cannot be used fails its request, which is not sent again', () => {
  it.each(UNUSABLE)('%s: %s', async (_, errorClass, script) => {
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
