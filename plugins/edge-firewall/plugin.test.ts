import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answer, callPlugin, type TestCall } from '../../sdk/author/test-host.ts';
import type { HttpAnswer, HttpRequest, Plan } from '../../sdk/contract/plugin.ts';
import { startEdgeFirewall } from '../../test/service/edge-firewall.ts';
import plugin from './plugin.ts';

/** Against the firewall itself, with a broker that does what the kernel's does: it adds the token and the key. */
let firewall: Awaited<ReturnType<typeof startEdgeFirewall>>;
beforeAll(async () => {
  firewall = await startEdgeFirewall({ token: 'edge-token' });
});
afterAll(() => firewall.close());

const broker =
  (key: string, token = 'edge-token') =>
  async ({ url, method, headers, body }: HttpRequest): Promise<HttpAnswer> => {
    const own = { ...headers, authorization: `Bearer ${token}`, 'idempotency-key': key };
    const response = await fetch(url, { method, headers: own, body });
    return answer(response.status, await response.text());
  };

const call = (request: TestCall, key = 'key', token?: string) =>
  callPlugin(plugin, { settings: { endpoint: `${firewall.url}/` }, ...request, http: broker(key, token) });

const outputOf = async (reply: ReturnType<typeof call>): Promise<unknown> => {
  const result = await reply;
  return result.ok ? result.output : result.error;
};

test('plan, ban, check, roll back', async () => {
  const input = { ip: '203.0.113.77', for: '4h' };
  const plan = await outputOf(call({ action: 'ban', op: 'plan', input }));
  expect(plan).toEqual({
    summary: 'Ban 203.0.113.77 at the edge firewall for 4h.',
    targets: [{ kind: 'ip', id: '203.0.113.77' }],
    reversible: true,
    details: { ip: '203.0.113.77', seconds: 14_400, banned: false },
  });
  expect(await outputOf(call({ action: 'ban', op: 'check', input }))).toEqual({ done: false });
  expect(firewall.log().entries).toEqual([]);

  const output = await outputOf(call({ action: 'ban', input }, 'ban-1'));
  expect(output).toEqual({ ip: '203.0.113.77', until: expect.stringMatching(/Z$/), replaced: false });
  // A second attempt, as after a lost answer.
  expect(await outputOf(call({ action: 'ban', input, attempt: 2 }, 'ban-1'))).toEqual(output);
  expect(await outputOf(call({ action: 'ban', op: 'check', input }))).toEqual({ done: true });

  const undo = { action: 'ban', op: 'rollback', input, plan: plan as Plan, output } as const;
  expect(await outputOf(call(undo, 'undo-1'))).toEqual({ ip: '203.0.113.77', removed: true });
  expect(firewall.log().entries.map(({ effect, repeat }) => [effect, repeat])).toEqual([
    ['ban', false],
    ['ban', true],
    ['unban', false],
  ]);
});

test('replacing a ban is announced and not undone', async () => {
  const input = { ip: '2001:DB8:0::2', for: '30m', reason: 'scanner' };
  await call({ action: 'ban', input }, 'ban-2');
  const plan = await outputOf(call({ action: 'ban', op: 'plan', input }));
  expect(plan).toMatchObject({
    summary: expect.stringMatching(
      /^Replace the ban of 2001:db8::2, which holds until .*Z, by one for 30m from now\.$/,
    ),
    targets: [{ kind: 'ip', id: '2001:db8::2' }],
    reversible: false,
  });
  expect(await outputOf(call({ action: 'ban', input }, 'ban-3'))).toMatchObject({ replaced: true });
  const undo = { action: 'ban', op: 'rollback', input, plan: plan as Plan } as const;
  expect(await outputOf(call(undo))).toMatchObject({ class: 'conflict' });
  expect(await outputOf(call({ action: 'ban', op: 'check', input }))).toEqual({ done: true });
});

test('unban says whether there was a ban', async () => {
  const input = { ip: '203.0.113.78' };
  expect(await outputOf(call({ action: 'unban', op: 'plan', input }))).toMatchObject({
    summary: '203.0.113.78 is not banned: nothing to lift.',
    reversible: false,
  });
  expect(await outputOf(call({ action: 'unban', input }, 'unban-1'))).toEqual({ ip: '203.0.113.78', removed: false });
  await call({ action: 'ban', input: { ...input, for: '1d' } }, 'ban-4');
  expect(await outputOf(call({ action: 'unban', op: 'plan', input }))).toMatchObject({
    summary: expect.stringContaining('Lift the ban of 203.0.113.78'),
  });
  expect(await outputOf(call({ action: 'unban', input }, 'unban-2'))).toEqual({ ip: '203.0.113.78', removed: true });
});

describe('refuses before it asks anything', () => {
  test.each([
    ['not an address', { ip: '203.0.113', for: '4h' }],
    ['a network', { ip: '203.0.113.0/24', for: '4h' }],
    ['a path', { ip: '../log', for: '4h' }],
    ['loopback', { ip: '::ffff:127.0.0.1', for: '4h' }],
    ['no unit', { ip: '203.0.113.77', for: '4' }],
    ['a unit too small', { ip: '203.0.113.77', for: '400ms' }],
    ['too long', { ip: '203.0.113.77', for: '366d' }],
  ])('%s', async (_name, input) => {
    const http = () => expect.unreachable('asked the firewall');
    const settings = { endpoint: firewall.url };
    for (const op of ['plan', 'execute'] as const) {
      const reply = await callPlugin(plugin, { action: 'ban', op, input, settings, http });
      expect(reply).toMatchObject({ ok: false, error: { class: 'invalid_input' } });
    }
  });
});

test('a missing endpoint says what to set', async () => {
  const reply = await callPlugin(plugin, { action: 'unban', input: { ip: '203.0.113.77' } });
  expect(reply).toMatchObject({ error: { class: 'invalid_input', message: expect.stringContaining('`endpoint`') } });
});

test.each([['a wrong token', 'guess', 'unauthorized']])('%s is %s', async (_name, token, errorClass) => {
  const input = { ip: '203.0.113.77', for: '4h' };
  expect(await outputOf(call({ action: 'ban', input }, 'x', token))).toMatchObject({ class: errorClass });
});

describe('the health check', () => {
  test('finds the firewall well, and changes nothing', async () => {
    const before = firewall.log().entries.length;
    expect(await outputOf(call({ op: 'auth' }))).toBeNull();
    expect(await outputOf(call({ op: 'health' }))).toBeNull();
    expect(firewall.log().entries).toHaveLength(before);
  });

  test('finds out that the token is not taken', async () =>
    expect(await outputOf(call({ op: 'auth' }, 'x', 'guess'))).toMatchObject({
      class: 'unauthorized',
      message: expect.stringContaining('edge-firewall-token'),
    }));

  test.each([
    [503, 'unavailable'],
    [500, 'upstream_error'],
  ])('finds the firewall in trouble: %i', async (status, errorClass) => {
    const settings = { endpoint: 'https://edge.example' };
    const reply = await callPlugin(plugin, { op: 'health', settings, http: () => answer(status) });
    expect(reply).toMatchObject({ ok: false, error: { class: errorClass } });
  });
});

test('an answer that is none is an upstream error', async () => {
  const input = { ip: '203.0.113.77', for: '4h' };
  for (const op of ['plan', 'execute', 'check'] as const) {
    const http = () => answer(200, {});
    const reply = await callPlugin(plugin, {
      action: 'ban',
      op,
      input,
      settings: { endpoint: 'https://edge.example' },
      http,
    });
    expect(reply).toMatchObject({ ok: false, error: { class: 'upstream_error' } });
  }
});
