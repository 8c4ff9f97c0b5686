/** Where connections go, counted at the listener. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EgressOptions, openEgressClient } from '../../kernel/adapter/undici/egress-client.ts';
import type { EgressClient } from '../../kernel/port/egress.ts';
import { gist, HOST, requestFor, ruleFor } from './ask.ts';
import { answer, openUpstream, type Upstream } from './upstream.ts';

let upstream: Upstream;
const clients: EgressClient[] = [];
const open = (options: EgressOptions) => {
  const client = openEgressClient(options);
  clients.push(client);
  return client;
};

// On all addresses, so that a connection to any loopback address is seen, and closing after each answer, so that every
// request asks for a new socket.
beforeEach(async () => {
  upstream = await openUpstream((_, socket) => socket.end(answer(200, { connection: 'close' })), { host: '0.0.0.0' });
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await upstream.close();
});

describe('a name that resolves to what the rule does not grant', () => {
  it.each([
    ['loopback', ['127.0.0.1'], []],
    ['loopback as mapped IPv6', ['::ffff:127.0.0.1'], []],
    ['unspecified, which Linux takes for loopback', ['0.0.0.0'], []],
    ['one private among granted', ['127.0.0.1', '10.0.0.1'], ['127.0.0.1/32']],
    ['one private at the end of many', ['127.0.0.1', '127.0.0.1', '8.8.8.8', '169.254.169.254'], ['127.0.0.1/32']],
    ['another address of the same network', ['127.0.0.2'], ['127.0.0.1/32']],
    ['not an address', ['127.0.0.1', 'localhost'], ['127.0.0.1/32']],
    ['an address with a zone', ['fe80::1%lo'], ['fe80::/10']],
    ['an IPv4 address inside IPv6', ['64:ff9b::7f00:1'], ['127.0.0.0/8']],
  ])('%s: denied, and nobody connects', async (_, addresses, blocks) => {
    const client = open({ resolve: async () => addresses });
    const request = requestFor(ruleFor(upstream.port, { addresses: blocks }), { method: 'POST', body: '{}' });
    expect(gist(await client.send(request))).toBe('denied');
    expect(upstream.connections).toEqual([]);
  });

  it('to more addresses than are looked at: it is not reached, however good they are', async () => {
    const loopback = (count: number) => Array.from({ length: count }, () => '127.0.0.1');
    const request = requestFor(ruleFor(upstream.port, { addresses: ['127.0.0.1/32'] }));
    expect(await open({ resolve: async () => loopback(513) }).send(request)).toMatchObject({
      kind: 'failed',
      class: 'unavailable',
      reason: 'the name of the host has more than 512 addresses',
      sent: false,
    });
    expect(upstream.connections).toEqual([]);
    expect(gist(await open({ resolve: async () => loopback(512) }).send(request))).toBe('200');
  });

  it('says which line grants it', async () => {
    const client = open({ resolve: async () => ['::ffff:10.1.2.3'] });
    expect(await client.send(requestFor(ruleFor(upstream.port, { addresses: [] })))).toEqual({
      kind: 'denied',
      reason: 'E_PRIVATE_ADDRESS: api.test resolved to an address that is not public or is this machine',
      hint: 'it resolved to 10.1.2.3; to allow it, add to the rule: "addresses":["10.1.2.3/32"]',
      block: '10.1.2.3/32',
    });
  });

  it.each(['169.254.169.254', 'fe80::1', 'fd00:ec2::254', '64:ff9b::a9fe:a9fe', '168.63.129.16'])(
    'offers no line and no block for %s',
    async (address) => {
      const client = open({ resolve: async () => [address] });
      expect(await client.send(requestFor(ruleFor(upstream.port, { addresses: [] })))).toEqual({
        kind: 'denied',
        reason: 'E_PRIVATE_ADDRESS: api.test resolved to an address that is not public or is this machine',
        hint: expect.stringMatching(
          `^it resolved to ${address}; that is .* not to be allowed by habit, so no rule is offered`,
        ),
      });
    },
  );

  it('is denied when it is this machine, however public the address', async () => {
    const client = open({ resolve: async () => ['8.8.8.8'], ownAddresses: () => ['::ffff:8.8.8.8'] });
    expect(gist(await client.send(requestFor(ruleFor(upstream.port, { addresses: [] }))))).toBe('denied');
  });

  it('is denied by its address too, where no resolver is asked', async () => {
    const resolved: string[] = [];
    const resolve = async (host: string) => {
      resolved.push(host);
      return ['8.8.8.8'];
    };
    const client = open({ resolve });
    const literal = ruleFor(upstream.port, { host: '127.0.0.1', addresses: [] });
    expect(gist(await client.send(requestFor(literal)))).toBe('denied');
    const mapped = ruleFor(upstream.port, { host: '[::ffff:7f00:1]', addresses: [] });
    expect(gist(await client.send(requestFor(mapped)))).toBe('denied');
    expect([upstream.connections, resolved]).toEqual([[], []]);
  });
});

describe('a granted name', () => {
  it('is resolved once for a connection, and the address that was judged is dialled', async () => {
    let asked = 0;
    // A rebinding name: good while it is judged, loopback elsewhere whenever it is asked again.
    const client = open({ resolve: async () => (asked++ % 2 === 0 ? ['127.0.0.1'] : ['127.0.0.2']) });
    const rule = ruleFor(upstream.port);
    expect(gist(await client.send(requestFor(rule)))).toBe('200');
    expect(gist(await client.send(requestFor(rule)))).toBe('denied');
    expect(gist(await client.send(requestFor(rule)))).toBe('200');
    expect([asked, upstream.connections]).toEqual([3, ['127.0.0.1', '127.0.0.1']]);
  });

  it('is judged for every connection of many at once', async () => {
    let asked = 0;
    const client = open({ resolve: async () => (asked++ % 2 === 0 ? ['127.0.0.1'] : ['127.0.0.1', '127.0.0.2']) });
    const rule = ruleFor(upstream.port);
    const answers = await Promise.all(Array.from({ length: 20 }, () => client.send(requestFor(rule))));
    const tally = Map.groupBy(answers.map(gist), (text) => text);
    expect([...tally.keys()].toSorted()).toEqual(['200', 'denied']);
    expect(upstream.connections.length).toBe(tally.get('200')?.length);
    expect(new Set(upstream.connections)).toEqual(new Set(['127.0.0.1']));
  });

  it('is tried at its next address when the first does not answer', async () => {
    const other = await openUpstream();
    await other.close();
    // Nothing listens on this port at ::1; the listener is at IPv4 only.
    const client = open({ resolve: async () => ['::1', '127.0.0.1'] });
    const rule = ruleFor(upstream.port, { addresses: ['127.0.0.1/32', '::1/128'] });
    expect(gist(await client.send(requestFor(rule)))).toBe('200');
  });

  it('is asked for without a resolver when it is an address', async () => {
    const client = open({ resolve: async () => [] });
    expect(gist(await client.send(requestFor(ruleFor(upstream.port, { host: '127.0.0.1' }))))).toBe('200');
    expect(upstream.requests[0]?.headers['host']).toBe(`127.0.0.1:${upstream.port}`);
  });
});

describe('a request for another place than its rule', () => {
  it.each([
    ['host', 'http://other.test:PORT/'],
    ['port', 'http://api.test:1/'],
    ['scheme', 'https://api.test:PORT/'],
  ])('%s: denied', async (_, url) => {
    const client = open({ resolve: async () => ['127.0.0.1'] });
    const request = requestFor(ruleFor(upstream.port), { url: new URL(url.replace('PORT', `${upstream.port}`)) });
    expect(gist(await client.send(request))).toBe('denied');
    expect(upstream.connections).toEqual([]);
  });
});

describe('the self-test', () => {
  it('holds here', async () => {
    expect(await open({ resolve: async () => ['8.8.8.8'] }).selfTest()).toEqual({
      holds: true,
      detail: expect.stringContaining('refused loopback by name and by address'),
    });
  });
});

it('the name goes out as the host, whatever address it has', async () => {
  const client = open({ resolve: async () => ['127.0.0.1'] });
  await client.send(requestFor(ruleFor(upstream.port)));
  expect(upstream.requests[0]?.headers['host']).toBe(`${HOST}:${upstream.port}`);
});
