/** The proxy of an org, by one that people use: tinyproxy, as Debian has it. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openEgressClient } from '../../kernel/adapter/undici/egress-client.ts';
import type { EgressClient, OutboundProxy } from '../../kernel/port/egress.ts';
import { bodyOf, gist, requestFor, ruleFor } from './ask.ts';
import { CERTIFICATE, KEY } from './certificate.ts';
import { openUpstream, type Upstream } from './upstream.ts';

const isThere = spawnSync('tinyproxy', ['-v']).status === 0;
const isWanted = isThere || process.env.CI === 'true';
if (!isWanted) console.warn('not tested here, because tinyproxy is not installed: apt-get install tinyproxy');

describe.skipIf(!isWanted)('through tinyproxy', () => {
  const password = randomBytes(12).toString('hex');
  const authorization = `Basic ${Buffer.from(`interlock:${password}`).toString('base64')}`;
  let folder: string;
  let proxy: { readonly process: ChildProcess; readonly port: number } | undefined;
  const open: { close(): Promise<void> }[] = [];
  let upstream: Upstream;
  let safe: Upstream;
  let client: EgressClient;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'interlock-tinyproxy-'));
    proxy = await startTinyproxy(folder, password);
    upstream = await openUpstream(undefined, { host: '::' });
    safe = await openUpstream(undefined, { host: '::', tls: { key: KEY, cert: CERTIFICATE } });
    client = openEgressClient({ resolve: async () => ['127.0.0.1'], ca: [CERTIFICATE] });
    open.push(client, upstream, safe);
  });
  afterAll(async () => {
    await Promise.all(open.map((one) => one.close()));
    proxy?.process.kill();
    await rm(folder, { recursive: true, force: true });
  });
  const via = (part: Partial<OutboundProxy> = {}): OutboundProxy => ({
    host: 'proxy.test',
    port: proxy?.port ?? 0,
    addresses: ['127.0.0.1/32'],
    authorization,
    resolve: 'kernel',
    ...part,
  });

  it('http and https reach the host by its judged address', async () => {
    const plain = await client.send(requestFor(ruleFor(upstream.port), { method: 'POST', body: '{}', proxy: via() }));
    expect(bodyOf(plain)).toBe('{"ok":true}');
    expect(upstream.requests[0]?.headers).not.toHaveProperty('proxy-authorization');
    const tls = await client.send(requestFor(ruleFor(safe.port, { scheme: 'https' }), { proxy: via() }));
    expect([gist(tls), safe.serverNames]).toEqual(['200', ['api.test']]);
  });

  it('a name that the proxy resolves reaches the host, and one that it filters does not', async () => {
    const known = ruleFor(upstream.port, { host: 'localhost', addresses: [] });
    expect(gist(await client.send(requestFor(known, { proxy: via({ resolve: 'proxy' }) })))).toBe('200');
    const before = upstream.connections.length;
    const filtered = ruleFor(upstream.port, { host: 'blocked.test', addresses: [] });
    expect(await client.send(requestFor(filtered, { proxy: via({ resolve: 'proxy' }) }))).toEqual({
      kind: 'denied',
      reason: 'E_PROXY: the proxy of the org refuses this place',
    });
    expect(upstream.connections.length).toBe(before);
  });

  it('wrong credentials, or none, get nowhere', async () => {
    const before = upstream.connections.length;
    for (const wrong of ['Basic eDp5', null]) {
      const sent = await client.send(requestFor(ruleFor(upstream.port), { proxy: via({ authorization: wrong }) }));
      expect(sent).toMatchObject({ kind: 'failed', class: 'unavailable', sent: false });
    }
    expect(upstream.connections.length).toBe(before);
  });
});

/** On a port that was free a moment ago; on another one where it is not any more. */
async function startTinyproxy(folder: string, password: string, tries = 5): Promise<typeof started> {
  const port = await freePort();
  await writeFile(join(folder, 'filter'), '^localhost$\n^127\\.0\\.0\\.1$\n');
  const lines = [
    `Port ${port}`,
    'Listen 127.0.0.1',
    'Allow 127.0.0.1',
    `BasicAuth interlock ${password}`,
    `Filter "${join(folder, 'filter')}"`,
    'FilterExtended On',
    'FilterDefaultDeny Yes',
    'Timeout 10',
    'MaxClients 20',
    'LogLevel Critical',
  ];
  await writeFile(join(folder, 'tinyproxy.conf'), `${lines.join('\n')}\n`);
  const child = spawn('tinyproxy', ['-d', '-c', join(folder, 'tinyproxy.conf')], { stdio: 'ignore' });
  const started = { process: child, port };
  let hasEnded = false;
  child.once('exit', () => {
    hasEnded = true;
  });
  child.once('error', () => {
    hasEnded = true;
  });
  while (!hasEnded) {
    if (await accepts(port)) return started;
    await sleep(20);
  }
  if (tries === 1) throw new Error('tinyproxy does not start: apt-get install tinyproxy');
  return startTinyproxy(folder, password, tries - 1);
}

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
