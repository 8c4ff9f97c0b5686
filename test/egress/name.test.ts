/** Names, resolved by a real resolver that asks a name server of somebody who means us ill. Connections are counted at the listener. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openEgressClient } from '../../kernel/adapter/undici/egress-client.ts';
import { gist, requestFor, ruleFor } from './ask.ts';
import { grantsHere, HERE, many, NOT_GRANTED, PRIVATE } from './hostile-names.ts';
import { openNameServer, type Said, type Zone } from './name-server.ts';
import { answer, openUpstream, type Upstream } from './upstream.ts';

let upstream: Upstream;
const open: { close(): Promise<unknown> }[] = [];

// On all addresses of both families, and closing after each answer, so that every request asks for the name again.
beforeEach(async () => {
  upstream = await openUpstream((_, socket) => socket.end(answer(200, { connection: 'close' })), { host: '::' });
  open.push(upstream);
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

async function clientOf(zone: Zone) {
  const names = await openNameServer(zone);
  const client = openEgressClient({ resolve: names.resolve, limits: { connectMs: 1_000 } });
  open.push(client, names);
  const send = (part = {}) => client.send(requestFor(ruleFor(upstream.port, part), { method: 'POST', body: '{}' }));
  return { names, send };
}

it('a name that resolves to what is granted is connected to: without this row the others would prove nothing', async () => {
  const { names, send } = await clientOf(() => ({ records: [HERE] }));
  expect(gist(await send(grantsHere))).toBe('200');
  expect(upstream.connections.length).toBe(1);
  expect(names.asked).toContain('api.test');
});

describe('an answer with an address that is not granted: denied, and nobody connects', () => {
  it.each(NOT_GRANTED)('%s', async (_, said, part) => {
    const { send } = await clientOf(() => said);
    expect(gist(await send({ addresses: [], ...part }))).toBe('denied');
    expect(upstream.connections).toEqual([]);
  });
});

describe('a name that answers another way each time', () => {
  it('is denied when its second answer is private: what was judged before does not count', async () => {
    const { send } = await clientOf((_, n) => ({ records: [n === 1 ? HERE : PRIVATE], ttl: 0 }));
    expect(gist(await send(grantsHere))).toBe('200');
    expect(gist(await send(grantsHere))).toBe('denied');
    expect(upstream.connections.length).toBe(1);
  });

  it('is asked once for a connection: no second answer is taken for the one that was judged', async () => {
    const { names, send } = await clientOf((_, n) => ({ records: [n === 1 ? HERE : { a: '127.0.0.2' }], ttl: 0 }));
    expect(gist(await send(grantsHere))).toBe('200');
    expect(upstream.connections).toEqual(['::ffff:127.0.0.1']);
    // One question for each family.
    expect(names.asked.length).toBe(2);
  });
});

describe('no answer that can be used: not sent, and nobody connects', () => {
  it.each<[string, Said]>([
    ['no address', { records: [] }],
    ['an alias without an address', { records: [{ cname: 'inner.test' }] }],
    ['no such name', { code: 'no-such-name' }],
    ['a server that fails', { code: 'server-failure' }],
    ['no answer', 'silent'],
    ['an answer that is none', 'garbage'],
    // Asked again over TCP, where nobody listens.
    ['an answer that is not whole', { records: [HERE], isCut: true }],
  ])('%s', async (_, said) => {
    const { send } = await clientOf(() => said);
    expect(gist(await send(grantsHere))).toMatch(/^(?:unavailable|timeout), not sent$/);
    expect(upstream.connections).toEqual([]);
  });
});

it('of hundreds of granted addresses a few are tried', async () => {
  const { send } = await clientOf(() => ({ records: many(300, HERE) }));
  await upstream.close();
  open.splice(open.indexOf(upstream), 1);
  expect(gist(await send(grantsHere))).toBe('unavailable, not sent');
});
