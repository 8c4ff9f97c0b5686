import { spawn } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FirewallLog, startEdgeFirewall } from './edge-firewall.ts';

const TOKEN = 'edge-token-for-tests';
let directory: string;
let service: Awaited<ReturnType<typeof startEdgeFirewall>>;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'edge-firewall-'));
  service = await startEdgeFirewall({ token: TOKEN });
});
afterEach(async () => {
  await service.close();
  rmSync(directory, { recursive: true });
});

type Ask = { readonly method?: string; readonly key?: string; readonly body?: unknown; readonly token?: string | null };

async function ask(url: string, path: string, { method = 'GET', key, body, token = TOKEN }: Ask = {}) {
  const headers: Record<string, string> = {};
  if (token !== null) headers['authorization'] = `Bearer ${token}`;
  if (key !== undefined) headers['idempotency-key'] = key;
  const text = body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(`${url}${path}`, { method, headers, body: text });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}

const ban = { ip: '203.0.113.77', seconds: 3_600, reason: 'c2' };

test('a ban is there until it is removed', async () => {
  expect((await ask(service.url, '/v1/bans/203.0.113.77')).status).toBe(404);
  expect(await ask(service.url, '/v1/bans', { method: 'POST', key: 'a', body: ban })).toMatchObject({
    status: 201,
    body: { ip: '203.0.113.77', replaced: false },
  });
  expect(await ask(service.url, '/v1/bans/203.0.113.77')).toMatchObject({ status: 200, body: ban });
  expect((await ask(service.url, '/v1/bans')).body).toMatchObject({ bans: [ban] });
  expect((await ask(service.url, '/v1/bans', { method: 'POST', key: 'b', body: ban })).body['replaced']).toBe(true);
  expect((await ask(service.url, '/v1/bans/203.0.113.77', { method: 'DELETE', key: 'c' })).status).toBe(200);
  expect((await ask(service.url, '/v1/bans/203.0.113.77', { method: 'DELETE', key: 'd' })).status).toBe(404);
  expect((await ask(service.url, '/v1/bans')).body).toEqual({ bans: [] });
});

test('one key has one effect, whatever is repeated and at whatever time', async () => {
  const send = () => ask(service.url, '/v1/bans', { method: 'POST', key: 'k1', body: ban });
  const answers = await Promise.all([send(), send(), send()]);
  await ask(service.url, '/v1/bans/203.0.113.77', { method: 'DELETE', key: 'k2' });
  // After the ban was lifted, a late repeat of the first request must not bring it back.
  const late = await send();
  for (const answer of [...answers, late]) expect(answer).toMatchObject({ status: 201, body: answers[0].body });
  expect(late.headers.get('idempotency-replayed')).toBe('true');
  expect((await ask(service.url, '/v1/bans/203.0.113.77')).status).toBe(404);
  const entry = { ip: '203.0.113.77', effect: 'ban', key: 'k1' };
  expect(service.log()).toEqual({
    received: 6,
    entries: [
      { ...entry, repeat: false },
      { ...entry, repeat: true },
      { ...entry, repeat: true },
      { ...entry, effect: 'unban', key: 'k2', repeat: false },
      { ...entry, repeat: true },
    ],
  });
});

test('a key that was used for another request is refused', async () => {
  await ask(service.url, '/v1/bans', { method: 'POST', key: 'k', body: ban });
  expect((await ask(service.url, '/v1/bans', { method: 'POST', key: 'k', body: { ...ban, seconds: 1 } })).status).toBe(
    422,
  );
  expect((await ask(service.url, '/v1/bans/203.0.113.77', { method: 'DELETE', key: 'k' })).status).toBe(422);
  expect(service.log().entries).toHaveLength(1);
});

test.each<[string, string, Ask, number]>([
  ['no token', '/v1/bans', { token: null }, 401],
  ['a wrong token', '/v1/log', { token: 'guess' }, 401],
  ['not JSON', '/v1/bans', { method: 'POST', body: '{' }, 400],
  ['JSON that is no object', '/v1/bans', { method: 'POST', body: 'null' }, 422],
  ['not an address', '/v1/bans', { method: 'POST', body: { ...ban, ip: '203.0.113.777' } }, 422],
  ['no time', '/v1/bans', { method: 'POST', body: { ip: '203.0.113.77' } }, 422],
  ['half a second', '/v1/bans', { method: 'POST', body: { ...ban, seconds: 0.5 } }, 422],
  ['a large body', '/v1/bans', { method: 'POST', body: { ...ban, reason: 'x'.repeat(20_000) } }, 413],
  ['another method', '/v1/bans', { method: 'PUT', body: {} }, 405],
  ['another path', '/v1/', {}, 404],
  ['a bad escape', '/v1/bans/%zz', {}, 404],
])('refuses %s', async (_name, path, request, status) => {
  expect((await ask(service.url, path, request)).status).toBe(status);
  expect(service.log()).toEqual({ received: 1, entries: [] });
});

test('effects and keys survive a kill', async () => {
  const [tokenFile, logFile] = [join(directory, 'token'), join(directory, 'log')];
  writeFileSync(tokenFile, `${TOKEN}\n`);
  const run = async () => {
    const script = join(import.meta.dirname, 'edge-firewall.ts');
    const args = [script, '--port', '0', '--token-file', tokenFile, '--log-file', logFile];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const line = await new Promise<string>((resolve) => child.stdout.once('data', (data) => resolve(String(data))));
    const kill = () =>
      new Promise<void>((resolve) => {
        child.once('exit', () => resolve());
        child.kill('SIGKILL');
      });
    return { url: line.trim().split(' ').at(-1) ?? '', kill };
  };
  const first = await run();
  const answer = await ask(first.url, '/v1/bans', { method: 'POST', key: 'k', body: ban });
  await first.kill();
  // A kill in the middle of a write leaves half a line.
  appendFileSync(logFile, '{"effect":"ban"');
  const second = await run();
  expect((await ask(second.url, '/v1/bans', { method: 'POST', key: 'k', body: ban })).body).toEqual(answer.body);
  const log = (await ask(second.url, '/v1/log')).body as FirewallLog;
  expect(log.entries.map(({ repeat }) => repeat)).toEqual([false, true]);
  await second.kill();
});
