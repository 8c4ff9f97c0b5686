/** Broker, egress client and secret store together: what really arrives at a listener, and what really comes back. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { OrgId } from '../../kernel/base/id.ts';
import type { StepBroker, StepScope } from '../../kernel/flow/broker.ts';
import type { EgressRule } from '../../sdk/contract/egress.ts';
import type { HttpRequest } from '../../sdk/contract/plugin.ts';
import { ruleFor } from './ask.ts';
import { acme, CANARY, openSteps, secret, to } from './steps.ts';
import { answer, openUpstream, type Script, type Upstream } from './upstream.ts';

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

async function listen(script: Script): Promise<Upstream> {
  const upstream = await openUpstream(script, { host: '0.0.0.0' });
  open.push(upstream);
  return upstream;
}

async function openOrg() {
  const steps = await openSteps();
  open.push(steps);
  return steps;
}
const startStep = async (rules: readonly EgressRule[], part: Partial<StepScope> = {}): Promise<StepBroker> =>
  (await openOrg()).start(rules, part);

const echo: Script = ({ headers }, socket) => socket.write(answer(200, {}, JSON.stringify(headers)));

describe('a request that nothing grants', () => {
  it.each<[string, (port: number) => Partial<HttpRequest>]>([
    ['another host', (port) => ({ url: `http://evil.test:${port}/v1/items` })],
    ['another port', (port) => ({ url: `http://api.test:${port + 1}/v1/items` })],
    ['loopback by number', (port) => ({ url: `http://127.0.0.1:${port}/v1/items` })],
    ['loopback in octal', (port) => ({ url: `http://0177.0.0.1:${port}/v1/items` })],
    ['loopback as one number', (port) => ({ url: `http://2130706433:${port}/v1/items` })],
    ['loopback as mapped IPv6', (port) => ({ url: `http://[::ffff:127.0.0.1]:${port}/v1/items` })],
    ['localhost', (port) => ({ url: `http://localhost:${port}/v1/items` })],
    ['credentials before the host', (port) => ({ url: `http://api.test:${port}@127.0.0.1:${port}/v1/items` })],
    ['a backslash', (port) => ({ url: `http://api.test:${port}\\@evil.test/v1/items` })],
    ['a path outside', (port) => ({ url: `http://api.test:${port}/admin` })],
    ['a path that climbs out', (port) => ({ url: `http://api.test:${port}/v1/%2e%2e/admin` })],
    ['another method', () => ({ method: 'DELETE' })],
    ['a tunnel', () => ({ method: 'CONNECT' })],
    ['a host header', () => ({ headers: { Host: 'evil.test' } })],
    ['a line break in a header', () => ({ headers: { 'x-a': 'a\r\nhost: evil' } })],
    ['a length of its own', () => ({ headers: { 'content-length': '0' } })],
    ['its own credentials', () => ({ headers: { Authorization: 'Bearer x' } })],
    ['the header of a secret', () => ({ headers: { 'X-Api-Key': 'mine' } })],
  ])('%s: denied, and nobody connects', async (_, part) => {
    const upstream = await listen(echo);
    const step = await startStep([ruleFor(upstream.port, { pathPrefix: '/v1', methods: ['GET', 'POST'], secret })]);
    expect(await step.handle(to(upstream.port, part(upstream.port)))).toEqual({ denied: expect.stringMatching(/^E_/) });
    expect(await step.handle(to(upstream.port))).toEqual({ denied: expect.stringMatching(/^E_/) });
    expect(await step.close()).toMatchObject({ requests: 0, unsafe: 'none', secrets: [] });
    expect(upstream.connections).toEqual([]);
  });

  it('a granted name that resolves to an address that is not: denied, and nobody connects', async () => {
    const upstream = await listen(echo);
    const step = await startStep([ruleFor(upstream.port, { addresses: [], secret })]);
    expect(await step.handle(to(upstream.port))).toEqual({ denied: expect.stringContaining('E_PRIVATE_ADDRESS') });
    expect(upstream.connections).toEqual([]);
  });
});

describe('a secret', () => {
  it('arrives where its rule says and nowhere else', async () => {
    const [with_, without] = [await listen(echo), await listen(echo)];
    const step = await startStep([ruleFor(with_.port, { secret }), ruleFor(without.port)]);
    await step.handle(to(with_.port));
    await step.handle(to(without.port, { method: 'POST', body: '{}' }));
    expect(with_.requests[0]?.headers['x-api-key']).toBe(`Token ${CANARY}`);
    expect(JSON.stringify(without.requests)).not.toContain('canary');
    expect((await step.close()).secrets).toEqual([{ name: 'api-key', host: 'api.test', header: 'x-api-key' }]);
  });

  it('does not follow a redirect', async () => {
    const elsewhere = await listen(echo);
    const upstream = await listen((_, socket) =>
      socket.write(answer(302, { location: `http://api.test:${elsewhere.port}/` })),
    );
    const step = await startStep([ruleFor(upstream.port, { secret }), ruleFor(elsewhere.port)]);
    expect(await step.handle(to(upstream.port))).toMatchObject({ ok: true, status: 302 });
    expect(elsewhere.connections).toEqual([]);
  });

  it.each<[string, (value: string) => string]>([
    ['raw', (value) => value],
    ['in JSON', (value) => JSON.stringify({ value })],
    ['in JSON in JSON', (value) => JSON.stringify(JSON.stringify({ value }))],
    ['in a URL', (value) => encodeURIComponent(value)],
    ['in base64', (value) => Buffer.from(value).toString('base64')],
    ['in base64 after other text', (value) => Buffer.from(`a:${value}:b`).toString('base64')],
    ['in hexadecimal', (value) => Buffer.from(value).toString('hex')],
  ])('that the server echoes %s is not seen by the plugin, however the answer is cut', async (_, form) => {
    const upstream = await listen(async ({ headers }, socket) => {
      const body = `<${form((headers['x-api-key'] ?? '').slice('Token '.length))}>`;
      socket.write(`HTTP/1.1 200 OK\r\nlocation: /?${form(CANARY)}\r\ntransfer-encoding: chunked\r\n\r\n`);
      // Three bytes a chunk, each in a packet of its own now and then.
      for (let at = 0; at < body.length; at += 3) {
        const part = body.slice(at, at + 3);
        socket.write(`${part.length.toString(16)}\r\n${part}\r\n`);
        if (at % 21 === 0) await sleep(1);
      }
      socket.write('0\r\n\r\n');
    });
    const step = await startStep([ruleFor(upstream.port, { secret })]);
    const seen = JSON.stringify(await step.handle(to(upstream.port)));
    expect(seen).toContain('[secret:api-key]');
    expect(seen).toContain('"status":200');
    const parts = [
      CANARY,
      Buffer.from(CANARY).toString('hex'),
      Buffer.from(CANARY).toString('base64').slice(4, -4),
      'canary',
    ];
    for (const part of parts) expect(seen).not.toContain(part);
  });
});

describe('a target that remembers a secret and shows it later', () => {
  const OTHER = 'another-value-0123456789';
  const globex = 'globex' as OrgId;
  /** Shows whatever it was sent so far, to whoever asks. */
  async function remembering() {
    const { store, start } = await openOrg();
    const kept: string[] = [];
    const upstream = await listen(({ headers }, socket) => {
      if (headers['x-api-key']) kept.push(headers['x-api-key']);
      socket.write(answer(200, { 'x-request-id': kept.join() }, JSON.stringify(kept)));
    });
    const grants = {
      auth: ruleFor(upstream.port, { pathPrefix: '/auth', secret }),
      free: ruleFor(upstream.port, { pathPrefix: '/free' }),
    };
    const ask = async (step: StepBroker, path: string) =>
      JSON.stringify(await step.handle({ ...to(upstream.port), url: `http://api.test:${upstream.port}${path}` }));
    const asked = async (rules: readonly EgressRule[], path: string, part: Partial<StepScope> = {}) => {
      const step = start(rules, part);
      const seen = await ask(step, path);
      await step.close();
      return seen;
    };
    return { store, start, ask, asked, ...grants };
  }

  it.each<[string, Partial<StepScope>, boolean]>([
    ['a later step', { step: 'later' }, true],
    ['another run', { run: 'run_2' }, true],
    ['another plugin, whose grant names no secret', { plugin: 'other' }, false],
  ])('shows its name only, to %s', async (_, part, isOneGrant) => {
    const { asked, auth, free } = await remembering();
    expect(await asked([auth, free], '/auth')).toContain('[secret:api-key]');
    const seen = await asked(isOneGrant ? [auth, free] : [free], '/free', part);
    expect(seen).toContain('[secret:api-key]');
    expect(seen).not.toContain('canary');
  });

  it('shows a secret that was replaced, removed or added as the store has it then', async () => {
    const { asked, store, auth, free } = await remembering();
    await asked([auth, free], '/free');
    await store.put(acme, 'api-key', OTHER);
    expect(await asked([auth, free], '/auth')).not.toContain(OTHER);
    expect(await asked([free], '/free')).toContain('[secret:api-key]');
    await store.remove(acme, 'api-key');
    await store.put(acme, 'renamed', OTHER);
    expect(await asked([free], '/free')).toContain('[secret:renamed]');
  });

  it('shows no secret that a step still holds when it is replaced', async () => {
    const { start, ask, store, auth, free } = await remembering();
    const step = start([auth, free]);
    await ask(step, '/auth');
    await store.put(acme, 'api-key', OTHER);
    const seen = await ask(step, '/free');
    expect(seen).toContain('[secret:api-key]');
    expect(seen).not.toContain('canary');
    await step.close();
  });

  it('is searched for the secrets of the org, and for no other', async () => {
    const { asked, auth, free } = await remembering();
    await asked([auth], '/auth');
    expect(await asked([free], '/free', { org: globex })).toContain('canary');
  });
});

describe('an effect whose answer does not come', () => {
  it.each<[string, Script, string]>([
    ['cut off', (_, socket) => socket.destroy(), 'uncertain'],
    ['silent until the time is up', () => undefined, 'uncertain'],
    ['compressed', (_, socket) => socket.write(answer(200, { 'content-encoding': 'gzip' }, 'x')), 'uncertain'],
    ['answered', (_, socket) => socket.write(answer(500)), 'answered'],
  ])('%s', async (_, script, unsafe) => {
    const upstream = await listen(script);
    const step = await startStep([ruleFor(upstream.port)], { timeoutMs: 500 });
    await step.handle(to(upstream.port, { method: 'POST', body: '{}' }));
    expect(await step.close()).toMatchObject({ requests: 1, unsafe });
    expect(upstream.requests.length).toBe(1);
    expect(upstream.requests[0]?.headers['idempotency-key']).toBe('key-of-step');
  });

  it('refused by a closed port never left', async () => {
    const closed = await openUpstream();
    await closed.close();
    const step = await startStep([ruleFor(closed.port)]);
    expect(await step.handle(to(closed.port, { method: 'POST', body: '{}' }))).toMatchObject({ error: 'unavailable' });
    expect(await step.close()).toMatchObject({ unsafe: 'none', requests: 1 });
  });
});
