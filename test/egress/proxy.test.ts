/** Requests through the proxy of an org: what it is told, what it is believed, and what it never gets. */
import { afterEach, describe, expect, it } from 'vitest';
import { type EgressOptions, openEgressClient } from '../../kernel/adapter/undici/egress-client.ts';
import type { OutboundProxy, OutboundRequest } from '../../kernel/port/egress.ts';
import { bodyOf, gist, requestFor, ruleFor } from './ask.ts';
import { CERTIFICATE, KEY } from './certificate.ts';
import { leadTo, openProxyDouble, type ProxyScript, targetOf, tunnel } from './proxy-double.ts';
import { CANARY, openSteps, to } from './steps.ts';
import { answer, answerOk, openUpstream } from './upstream.ts';

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});
const keep = <T extends { close(): Promise<unknown> }>(one: T): T => {
  open.push(one);
  return one;
};

const viaOf = (port: number, part: Partial<OutboundProxy> = {}): OutboundProxy => ({
  host: 'proxy.test',
  port,
  addresses: ['127.0.0.1/32'],
  authorization: null,
  resolve: 'kernel',
  ...part,
});

async function start(script: ProxyScript = tunnel, options: EgressOptions = {}) {
  const proxy = keep(await openProxyDouble(script));
  const upstream = keep(await openUpstream(answerOk));
  const resolved: string[] = [];
  const resolve = async (host: string) => {
    resolved.push(host);
    return ['127.0.0.1'];
  };
  const client = keep(openEgressClient({ resolve, limits: { connectMs: 500 }, ...options }));
  const send = (part: Partial<OutboundProxy> = {}, rule = {}, request: Partial<OutboundRequest> = {}) =>
    client.send(
      requestFor(ruleFor(upstream.port, rule), {
        method: 'POST',
        body: '{}',
        proxy: viaOf(proxy.port, part),
        ...request,
      }),
    );
  return { proxy, upstream, resolved, client, send };
}

describe('a request through the proxy', () => {
  it('is not dialled where its own address is not public, and the hint is for the proxy, not for a rule', async () => {
    const { proxy, send } = await start();
    const answer = await send({ addresses: [] });
    expect(answer).toMatchObject({
      kind: 'denied',
      reason: 'E_PRIVATE_ADDRESS: proxy.test resolved to an address that is not public or is this machine',
      hint: 'it resolved to 127.0.0.1; to allow it, add to the proxy: "addresses":["127.0.0.1/32"]',
    });
    expect([answer, proxy.connections()]).toEqual([expect.not.objectContaining({ block: expect.anything() }), 0]);
  });

  it('goes through a tunnel to the judged address, and the host hears nothing of the proxy', async () => {
    const { proxy, upstream, resolved, send } = await start();
    const answered = await send({ authorization: 'Basic canary' });
    expect(bodyOf(answered)).toBe('{"ok":true}');
    expect(proxy.heads).toEqual([
      [
        `CONNECT 127.0.0.1:${upstream.port} HTTP/1.1`,
        `Host: 127.0.0.1:${upstream.port}`,
        'Proxy-Authorization: Basic canary',
        '',
        '',
      ].join('\r\n'),
    ]);
    expect(upstream.requests).toMatchObject([{ method: 'POST', path: '/v1/items', body: '{}' }]);
    expect(upstream.requests[0]?.headers['host']).toBe(`api.test:${upstream.port}`);
    expect(JSON.stringify(upstream.requests)).not.toMatch(/proxy|canary/i);
    expect(resolved.sort()).toEqual(['api.test', 'proxy.test']);
  });

  it('with `resolve: proxy` asks for the name, which nobody here resolves', async () => {
    const { proxy, upstream, resolved, send } = await start();
    expect(gist(await send({ resolve: 'proxy' }, { addresses: [] }))).toBe('200');
    expect([proxy.heads.map(targetOf), resolved]).toEqual([[`api.test:${upstream.port}`], ['proxy.test']]);
  });

  it('keeps its tunnel, and shares it with no request that goes another way', async () => {
    const { proxy, upstream, send } = await start(tunnel, { limits: { idleMs: 30_000, connectMs: 500 } });
    const settled = async (part: Partial<OutboundProxy>, request: Partial<OutboundRequest> = {}) => {
      expect(gist(await send(part, {}, request))).toBe('200');
      // The connection is free again one turn of the event loop after its answer.
      await new Promise((resolve) => setTimeout(resolve, 5));
    };
    await settled({});
    await settled({});
    expect([proxy.connections(), upstream.connections.length]).toEqual([1, 1]);
    await settled({ authorization: 'Basic other' });
    await settled({ resolve: 'proxy' });
    await settled({}, { proxy: undefined });
    expect([proxy.connections(), upstream.connections.length]).toEqual([3, 4]);
  });
});

describe('what is not granted does not get as far as the proxy', () => {
  it.each<[string, Partial<OutboundProxy>, object]>([
    ['a target that is private', {}, { addresses: [] }],
    [
      'a target that is an address, also where the proxy resolves names',
      { resolve: 'proxy' },
      { host: '127.0.0.1', addresses: [] },
    ],
    ['a proxy that is private without a block', { addresses: [] }, {}],
    ['a block of the proxy is none of the target', {}, { addresses: ['10.0.0.0/8'] }],
    ['a block of the target is none of the proxy', { addresses: ['10.0.0.0/8'] }, {}],
  ])('%s', async (_, part, rule) => {
    const { proxy, upstream, send } = await start();
    expect(gist(await send(part, rule))).toBe('denied');
    expect([proxy.connections(), upstream.connections.length]).toEqual([0, 0]);
  });
});

describe('TLS is between here and the host', () => {
  const secure = async (script: ProxyScript, host = 'api.test') => {
    const upstream = keep(await openUpstream(answerOk, { tls: { key: KEY, cert: CERTIFICATE } }));
    const proxy = keep(await openProxyDouble(script));
    const client = keep(
      openEgressClient({ resolve: async () => ['127.0.0.1'], ca: [CERTIFICATE], limits: { connectMs: 500 } }),
    );
    const rule = ruleFor(upstream.port, { scheme: 'https', host });
    return { upstream, proxy, sent: await client.send(requestFor(rule, { proxy: viaOf(proxy.port) })) };
  };

  it('with the name of the host, and the proxy sees nothing of the request', async () => {
    const { upstream, proxy, sent } = await secure(tunnel);
    expect(gist(sent)).toBe('200');
    expect([upstream.serverNames, proxy.heads.length]).toEqual([['api.test'], 1]);
    expect(proxy.heads[0]).not.toContain('/v1/items');
  });

  it('so a proxy that leads elsewhere is found out, before anything is sent', async () => {
    const { upstream, sent } = await secure(tunnel, 'other.test');
    expect([gist(sent), upstream.requests]).toEqual(['upstream_error, not sent', []]);
    const plain = keep(await openUpstream(answerOk));
    const { sent: second } = await secure(leadTo(plain.port));
    // It waits for the end of what it takes for a head.
    expect([gist(second), plain.requests]).toEqual(['timeout, not sent', []]);
  });
});

describe('a proxy that does not do what it is asked: not sent', () => {
  const say =
    (text: string): ProxyScript =>
    (_, socket) =>
      socket.end(text);
  const OPEN = 'HTTP/1.1 200 OK\r\n\r\n';
  it.each<[string, string, ProxyScript]>([
    ['asks for credentials', 'unavailable, not sent', say('HTTP/1.1 407 No\r\nproxy-authenticate: Basic\r\n\r\n')],
    ['refuses the place', 'denied', say('HTTP/1.1 403 Filtered\r\ncontent-length: 5\r\n\r\n<no/>')],
    ['cannot reach it', 'unavailable, not sent', say('HTTP/1.1 502 Bad Gateway\r\n\r\n')],
    ['redirects', 'unavailable, not sent', say('HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\n\r\n')],
    ['says that it goes on', 'unavailable, not sent', say('HTTP/1.1 100 Continue\r\n\r\n')],
    ['hangs', 'timeout, not sent', () => undefined],
    ['closes', 'unavailable, not sent', (_, socket) => socket.end()],
    ['resets', 'unavailable, not sent', (_, socket) => socket.resetAndDestroy()],
    ['says nothing that is HTTP', 'upstream_error, not sent', say('hello\r\n\r\n')],
    ['speaks HTTP/2', 'upstream_error, not sent', say('HTTP/2 200\r\n\r\n')],
    ['has a head of 100 KB', 'upstream_error, not sent', say(`HTTP/1.1 200 OK\r\nx: ${'a'.repeat(100_000)}\r\n\r\n`)],
    ['has a head without an end', 'upstream_error, not sent', say('HTTP/1.1 200 OK\r\n'.padEnd(9_000, 'x: y\r\n'))],
    ['answers for the host before it was asked', 'upstream_error, not sent', say(`${OPEN}${answer(200, {}, 'a lie')}`)],
    ['sends one byte too many', 'upstream_error, not sent', say(`${OPEN}x`)],
    [
      'lets its head drip',
      'timeout, not sent',
      (_, socket) => {
        const drip = setInterval(() => socket.write('x'), 20);
        socket.on('close', () => clearInterval(drip));
      },
    ],
  ])('%s: %s', async (_, expected, script) => {
    const { upstream, proxy, send } = await start(script);
    expect(gist(await send())).toBe(expected);
    expect([proxy.connections(), upstream.connections.length]).toEqual([1, 0]);
  });

  it('is not there', async () => {
    const { upstream, proxy, send } = await start();
    await proxy.close();
    expect([gist(await send()), upstream.connections]).toEqual(['unavailable, not sent', []]);
  });

  it('opens a tunnel and closes it: the request may have left', async () => {
    const { send } = await start((_, socket) => {
      socket.write(OPEN);
      socket.resume().once('data', () => socket.destroy());
    });
    expect(gist(await send())).toBe('unavailable, may have left');
  });

  it('is asked for the next address of a host when the first cannot be reached', async () => {
    const script: ProxyScript = (head, socket) =>
      targetOf(head).startsWith('[::1]') ? socket.end('HTTP/1.1 502 No\r\n\r\n') : tunnel(head, socket);
    const resolve = async (host: string) => (host === 'api.test' ? ['::1', '127.0.0.1'] : ['127.0.0.1']);
    const { proxy, send } = await start(script, { resolve });
    expect(gist(await send({}, { addresses: ['127.0.0.1/32', '::1/128'] }))).toBe('200');
    expect(proxy.heads.map((head) => targetOf(head).replace(/:\d+$/, ''))).toEqual(['[::1]', '127.0.0.1']);
  });
});

describe('the secret of the proxy', () => {
  it('is leased for the step, goes to the proxy alone, and is named in the account of the step', async () => {
    const steps = keep(await openSteps());
    const proxy = keep(await openProxyDouble());
    const upstream = keep(
      await openUpstream(({ headers }, socket) => socket.write(answer(200, {}, JSON.stringify(headers)))),
    );
    const via = {
      host: 'proxy.test',
      port: proxy.port,
      addresses: ['127.0.0.1/32'],
      secret: { name: 'api-key', format: 'Basic {}' },
    };
    const step = steps.start([ruleFor(upstream.port)], { proxy: via });
    const seen = await step.handle(to(upstream.port));
    expect(seen).toMatchObject({ ok: true });
    expect(JSON.stringify(seen)).not.toContain('canary');
    expect(proxy.heads[0]).toContain(`Proxy-Authorization: Basic ${CANARY}\r\n`);
    expect((await step.close()).secrets).toEqual([
      { name: 'api-key', host: 'proxy.test', header: 'proxy-authorization' },
    ]);
  });

  it('that is not stored keeps everything from leaving', async () => {
    const steps = keep(await openSteps());
    const proxy = keep(await openProxyDouble());
    const upstream = keep(await openUpstream());
    const secret = { name: 'other', format: '{}' };
    const via = { host: 'proxy.test', port: proxy.port, addresses: ['127.0.0.1/32'], secret };
    const step = steps.start([ruleFor(upstream.port)], { proxy: via });
    expect(await step.handle(to(upstream.port))).toEqual({
      denied: expect.stringMatching(/^E_SECRET: .* interlock secret set other \(role admin\)$/),
    });
    expect([proxy.connections(), upstream.connections.length]).toEqual([0, 0]);
  });
});
