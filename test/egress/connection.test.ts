/** Which requests share a connection, what a dead one does, and when a failed request may have left. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type EgressOptions, openEgressClient } from '../../kernel/adapter/undici/egress-client.ts';
import type { EgressClient } from '../../kernel/port/egress.ts';
import { bodyOf, gist, requestFor, ruleFor } from './ask.ts';
import { answer, answerOk, openUpstream, type Script, type Upstream } from './upstream.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

async function start(script: Script = answerOk, options: EgressOptions = {}): Promise<[Upstream, EgressClient]> {
  const upstream = await openUpstream(script);
  const client = openEgressClient({ resolve: async () => ['127.0.0.1'], ...options });
  open.push(client, upstream);
  return [upstream, client];
}

describe('a connection', () => {
  it('is used again by the same pool under the same rule', async () => {
    const [upstream, client] = await start(answerOk, { limits: { idleMs: 30_000 } });
    for (let i = 0; i < 3; i++) {
      await client.send(requestFor({ ...ruleFor(upstream.port) }));
      // It is free again one turn of the event loop after its answer.
      await sleep(5);
    }
    expect([upstream.requests.length, upstream.connections.length]).toEqual([3, 1]);
  });

  it.each([
    ['another pool', {}, { pool: 'globex/tracker' }],
    ['a rule with other addresses', { addresses: ['127.0.0.0/8'] }, {}],
    ['a rule with another secret', { secret: { name: 'k', header: 'x-key', format: '{}' } }, {}],
    ['a rule with another path', { pathPrefix: '/v1' }, {}],
  ])('is never used by %s', async (_, rulePart, part) => {
    const [upstream, client] = await start(answerOk, { limits: { idleMs: 30_000 } });
    await client.send(requestFor(ruleFor(upstream.port)));
    // By now it would be used again: see above.
    await sleep(5);
    expect(gist(await client.send(requestFor(ruleFor(upstream.port, rulePart), part)))).toBe('200');
    expect(upstream.connections.length).toBe(2);
  });

  it('of a rule that grants the address does not help one that does not', async () => {
    const [upstream, client] = await start(answerOk, { limits: { idleMs: 30_000 } });
    await client.send(requestFor(ruleFor(upstream.port)));
    await sleep(5);
    expect(gist(await client.send(requestFor(ruleFor(upstream.port, { addresses: [] }))))).toBe('denied');
    expect([upstream.requests.length, upstream.connections.length]).toEqual([1, 1]);
  });

  it('is not used after its life, so that the name is judged again', async () => {
    const answers = [['127.0.0.1'], ['10.0.0.1']];
    const [upstream, client] = await start(answerOk, {
      resolve: async () => answers.shift() ?? [],
      limits: { lifetimeMs: 20 },
    });
    const rule = ruleFor(upstream.port);
    expect(gist(await client.send(requestFor(rule)))).toBe('200');
    await sleep(60);
    expect(gist(await client.send(requestFor(rule)))).toBe('denied');
  });

  it('of the pool used longest ago is closed when there are too many pools, after its work', async () => {
    const waiting = Promise.withResolvers<() => void>();
    const [upstream, client] = await start(
      (request, socket) => {
        if (request.path === '/slow') waiting.resolve(() => socket.write(answer(200, {}, 'slow')));
        else socket.write(answer(200, {}, 'quick'));
      },
      { limits: { pools: 1 } },
    );
    const rule = ruleFor(upstream.port);
    const slow = client.send(requestFor(rule, { pool: 'a', url: new URL(`http://api.test:${upstream.port}/slow`) }));
    const finish = await waiting.promise;
    expect(bodyOf(await client.send(requestFor(rule, { pool: 'b' })))).toBe('quick');
    finish();
    expect(bodyOf(await slow)).toBe('slow');
    expect(bodyOf(await client.send(requestFor(rule, { pool: 'a' })))).toBe('quick');
    expect(upstream.connections.length).toBe(3);
  });
});

describe('a server that closes its idle connections whenever it likes', () => {
  const endings: readonly ((socket: Parameters<Script>[1]) => void)[] = [
    (socket) => socket.end(),
    (socket) => socket.destroy(),
    (socket) => socket.resetAndDestroy(),
    (socket) => setImmediate(() => socket.end()),
    (socket) => setTimeout(() => socket.destroy(), 1),
    (socket) => setTimeout(() => socket.resetAndDestroy(), 2),
    () => undefined,
  ];

  it('gets no request twice, and what is called unsent never arrived', async () => {
    const arrivals = new Map<string, number>();
    const [upstream, client] = await start(
      (request, socket, n) => {
        arrivals.set(request.path, (arrivals.get(request.path) ?? 0) + 1);
        socket.write(answer(200, {}, 'ok'));
        endings[n % endings.length]?.(socket);
      },
      { limits: { connections: 3 } },
    );
    const rule = ruleFor(upstream.port);
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < 600) {
        const path = `/${next++}`;
        const method = next % 3 === 0 ? 'GET' : 'POST';
        const url = new URL(`http://api.test:${upstream.port}${path}`);
        const got = await client.send(requestFor(rule, { url, method, body: method === 'POST' ? '{}' : null }));
        const arrived = arrivals.get(path) ?? 0;
        expect(arrived).toBeLessThanOrEqual(1);
        if (got.kind === 'answered') expect(arrived).toBe(1);
        else expect(got).toMatchObject({ kind: 'failed', sent: true });
        if (next % 7 === 0) await sleep(2);
      }
    };
    await Promise.all(Array.from({ length: 6 }, worker));
  });
});

describe('a failed request', () => {
  const hang: Script = () => undefined;
  const gone = async () => {
    const closed = await openUpstream();
    await closed.close();
    return closed.port;
  };

  it('that nobody listened to was not sent', async () => {
    const [, client] = await start();
    expect(gist(await client.send(requestFor(ruleFor(await gone()))))).toBe('unavailable, not sent');
  });

  it.each<[string, string, EgressOptions]>([
    ['does not resolve', 'unavailable', { resolve: async () => Promise.reject(new Error('ENOTFOUND')) }],
    ['has no address', 'unavailable', { resolve: async () => [] }],
    [
      'takes too long to resolve',
      'timeout',
      { resolve: () => new Promise(() => undefined), limits: { connectMs: 50 } },
    ],
  ])('whose name %s was not sent', async (_, errorClass, options) => {
    const [upstream, client] = await start(answerOk, options);
    expect(gist(await client.send(requestFor(ruleFor(upstream.port))))).toBe(`${errorClass}, not sent`);
    expect(upstream.connections).toEqual([]);
  });

  it('that was stopped before it began was not sent', async () => {
    const [upstream, client] = await start();
    const request = requestFor(ruleFor(upstream.port), { signal: AbortSignal.abort() });
    expect(gist(await client.send(request))).toBe('unavailable, not sent');
    expect(upstream.connections).toEqual([]);
  });

  it('that was stopped on its way may have left, and its socket is closed', async () => {
    const stop = new AbortController();
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    const [upstream, client] = await start((_, socket) => {
      socket.on('close', () => resolve());
      stop.abort();
    });
    const request = requestFor(ruleFor(upstream.port), { signal: stop.signal });
    expect(gist(await client.send(request))).toBe('unavailable, may have left');
    await closed;
  });

  it('that gave up while it waited for a connection was not sent, and never is', async () => {
    const first = Promise.withResolvers<() => void>();
    const [upstream, client] = await start(
      (request, socket) => {
        if (request.path === '/1') first.resolve(() => socket.write(answer(200)));
        else socket.write(answer(200));
      },
      { limits: { connections: 1 } },
    );
    const rule = ruleFor(upstream.port);
    const to = (path: string) => new URL(`http://api.test:${upstream.port}${path}`);
    const one = client.send(requestFor(rule, { url: to('/1') }));
    const finish = await first.promise;
    const two = await client.send(requestFor(rule, { url: to('/2'), method: 'POST', body: '{}', timeoutMs: 30 }));
    expect(gist(two)).toBe('timeout, not sent');
    finish();
    expect(gist(await one)).toBe('200');
    expect(gist(await client.send(requestFor(rule, { url: to('/3') })))).toBe('200');
    expect(upstream.requests.map(({ path }) => path)).toEqual(['/1', '/3']);
  });

  it('that gave up while the name was being resolved was not sent, and never is', async () => {
    const name = Promise.withResolvers<string[]>();
    const [upstream, client] = await start(answerOk, { resolve: () => name.promise });
    const rule = ruleFor(upstream.port);
    expect(gist(await client.send(requestFor(rule, { timeoutMs: 30 })))).toBe('timeout, not sent');
    name.resolve(['127.0.0.1']);
    const url = new URL(`http://api.test:${upstream.port}/after`);
    expect(gist(await client.send(requestFor(rule, { url })))).toBe('200');
    expect(upstream.requests.map(({ path }) => path)).toEqual(['/after']);
  });

  it('of a client that closes may have left; one after that was not sent', async () => {
    const arrived = Promise.withResolvers<void>();
    const [upstream, client] = await start((...given) => {
      arrived.resolve();
      hang(...given);
    });
    const request = requestFor(ruleFor(upstream.port));
    const pending = client.send(request);
    await arrived.promise;
    await client.close();
    expect(gist(await pending)).toBe('unavailable, may have left');
    expect(gist(await client.send(request))).toBe('unavailable, not sent');
  });
});
