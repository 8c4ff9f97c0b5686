import { expect, test } from 'vitest';
import { answer, callPlugin } from '../../sdk/author/test-host.ts';
import type { HttpAnswer, HttpRequest } from '../../sdk/contract/plugin.ts';
import plugin from './plugin.ts';

const url = 'https://reputation.example/v1/ip/203.0.113.77';
const reputation = { ip: '203.0.113.77', score: 95, lists: [{ name: 'c2' }], 'a/b': { '~': 1 } };

const get = (input: object, reply: HttpAnswer) => callPlugin(plugin, { action: 'get', input, http: () => reply });

test.each([
  ['the whole answer', undefined, reputation],
  ['a member', '/score', 95],
  ['an element', '/lists/0/name', 'c2'],
  ['escaped names', '/a~1b/~0', 1],
])('get keeps %s', async (_name, pick, body) => {
  const input = pick === undefined ? { url } : { url, pick };
  expect(await get(input, answer(200, reputation))).toEqual({ ok: true, output: { status: 200, body } });
});

test('get asks for JSON with the headers given', async () => {
  const asked: HttpRequest[] = [];
  const http = (request: HttpRequest) => {
    asked.push(request);
    return answer(200, {});
  };
  await callPlugin(plugin, { action: 'get', input: { url, headers: { 'X-Region': 'eu' } }, http });
  const headers = { accept: 'application/json', 'x-region': 'eu' };
  expect(asked).toEqual([{ url, method: 'GET', headers, body: null }]);
});

test('query posts its body as JSON', async () => {
  const asked: HttpRequest[] = [];
  const http = (request: HttpRequest) => {
    asked.push(request);
    return answer(200, { hits: 0 });
  };
  const reply = await callPlugin(plugin, {
    action: 'query',
    input: { url, body: { ip: '203.0.113.77' }, pick: '/hits' },
    http,
  });
  expect(reply).toEqual({ ok: true, output: { status: 200, body: 0 } });
  const headers = { accept: 'application/json', 'content-type': 'application/json' };
  expect(asked).toEqual([{ url, method: 'POST', headers, body: '{"ip":"203.0.113.77"}' }]);
});

test.each<[string, HttpAnswer, string]>([
  ['302', answer(302), 'upstream_error'],
  ['400', answer(400), 'invalid_input'],
  ['401', answer(401), 'unauthorized'],
  ['403', answer(403), 'forbidden'],
  ['404', answer(404), 'not_found'],
  ['408', answer(408), 'timeout'],
  ['409', answer(409), 'conflict'],
  ['418', answer(418), 'invalid_input'],
  ['429', answer(429), 'rate_limited'],
  ['500', answer(500), 'upstream_error'],
  ['502', answer(502), 'unavailable'],
  ['503', answer(503), 'unavailable'],
  ['504', answer(504), 'timeout'],
  ['a body that is not JSON', answer(200, '<html>'), 'upstream_error'],
  ['no connection', { ok: false, error: 'unavailable', message: 'connection refused' }, 'unavailable'],
])('%s is %s', async (_name, reply, errorClass) => {
  expect(await get({ url }, reply)).toMatchObject({ ok: false, error: { class: errorClass } });
});

test.each(['/nothing', '/lists/1', '/lists/length', '/__proto__', 'score'])(
  'nothing at %s is not_found',
  async (pick) => {
    expect(await get({ url, pick }, answer(200, reputation))).toMatchObject({
      ok: false,
      error: { class: 'not_found' },
    });
  },
);

test('a redirect says what to do', async () => {
  const reply = await get({ url }, answer(308));
  expect(reply).toMatchObject({ error: { message: expect.stringContaining('redirects are not followed') } });
});
