/** Certificates are verified for the name that the rule gives, whatever address it has and whatever the environment says. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type EgressOptions, openEgressClient } from '../../kernel/adapter/undici/egress-client.ts';
import type { EgressClient } from '../../kernel/port/egress.ts';
import { gist, requestFor, ruleFor } from './ask.ts';
import { CERTIFICATE, KEY } from './certificate.ts';
import { answerOk, openUpstream, type Upstream } from './upstream.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(open.splice(0).map((one) => one.close()));
});

const untrusted = 'upstream_error, not sent';

async function start(options: EgressOptions, tlsOptions = {}): Promise<[Upstream, EgressClient]> {
  const upstream = await openUpstream(answerOk, { tls: { key: KEY, cert: CERTIFICATE, ...tlsOptions } });
  const client = openEgressClient({ resolve: async () => ['127.0.0.1'], ...options });
  open.push(client, upstream);
  return [upstream, client];
}
const https = (port: number, host = 'api.test') => requestFor(ruleFor(port, { scheme: 'https', host }));

describe('a certificate', () => {
  it('of a trusted authority for this name is accepted; the name is asked for and the connection kept', async () => {
    const [upstream, client] = await start({ ca: [CERTIFICATE], limits: { idleMs: 30_000 } });
    const request = https(upstream.port);
    expect(gist(await client.send(request))).toBe('200');
    // The connection is free again one turn of the event loop after its answer.
    await sleep(5);
    expect(gist(await client.send(request))).toBe('200');
    expect([upstream.serverNames, upstream.connections.length]).toEqual([['api.test'], 1]);
  });

  it('for an address is checked as one', async () => {
    const [upstream, client] = await start({ ca: [CERTIFICATE] });
    expect(gist(await client.send(https(upstream.port, '127.0.0.1')))).toBe('200');
    expect(upstream.serverNames).toEqual([false]);
  });

  it('of nobody known is refused before anything is sent', async () => {
    const [upstream, client] = await start({});
    expect(gist(await client.send(https(upstream.port)))).toBe(untrusted);
    expect(upstream.requests).toEqual([]);
  });

  it('for another name is refused before anything is sent', async () => {
    const [upstream, client] = await start({ ca: [CERTIFICATE] });
    expect(gist(await client.send(https(upstream.port, 'other.test')))).toBe(untrusted);
    expect(upstream.requests).toEqual([]);
  });

  it('is refused even when the environment says otherwise', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    const [upstream, client] = await start({});
    expect(gist(await client.send(https(upstream.port)))).toBe(untrusted);
    expect(upstream.requests).toEqual([]);
  });
});

it('TLS 1.1 is not spoken', async () => {
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };
  const [upstream, client] = await start({ ca: [CERTIFICATE] }, old);
  expect(gist(await client.send(https(upstream.port)))).toBe(untrusted);
});

it('HTTP/2 is not spoken to a server that prefers it', async () => {
  const [upstream, client] = await start({ ca: [CERTIFICATE] }, { ALPNProtocols: ['h2', 'http/1.1'] });
  expect(gist(await client.send(https(upstream.port)))).toBe('200');
  expect(upstream.requests[0]).toMatchObject({ method: 'GET', path: '/v1/items' });
});

it('a handshake that never ends is given up, unsent', async () => {
  const silent = await openUpstream(() => undefined);
  const client = openEgressClient({ resolve: async () => ['127.0.0.1'], limits: { connectMs: 100 } });
  open.push(client, silent);
  expect(gist(await client.send(https(silent.port)))).toBe('timeout, not sent');
});
