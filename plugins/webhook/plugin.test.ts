import { describe, expect, test } from 'vitest';
import { answer, callPlugin } from '../../sdk/author/test-host.ts';
import type { HttpRequest } from '../../sdk/contract/plugin.ts';
import plugin from './plugin.ts';

const url = 'https://hooks.example/t/soc?token=handle';
const payload = { text: 'Banned 203.0.113.77', fields: [1, null, 'ü'] };

describe.each(['post', 'deliver'])('%s', (action) => {
  test('sends the payload as JSON', async () => {
    const asked: HttpRequest[] = [];
    const http = (request: HttpRequest) => {
      asked.push(request);
      return answer(202);
    };
    const reply = await callPlugin(plugin, { action, input: { url, payload }, http });
    expect(reply).toEqual({ ok: true, output: { status: 202 } });
    const headers = { 'content-type': 'application/json' };
    expect(asked).toEqual([{ url, method: 'POST', headers, body: JSON.stringify(payload) }]);
  });

  test('plans one target without asking anything', async () => {
    expect(await callPlugin(plugin, { action, op: 'plan', input: { url, payload } })).toEqual({
      ok: true,
      output: {
        summary: `Post ${JSON.stringify(payload).length} characters of JSON to https://hooks.example/t/soc`,
        targets: [{ kind: 'url', id: 'https://hooks.example/t/soc' }],
        reversible: false,
      },
    });
  });

  test('fails with the class of the status', async () => {
    const reply = await callPlugin(plugin, { action, input: { url, payload }, http: () => answer(503) });
    expect(reply).toMatchObject({ ok: false, error: { class: 'unavailable' } });
  });
});

const plan = (target: string) => callPlugin(plugin, { action: 'post', op: 'plan', input: { url: target, payload: 1 } });

test.each([
  ['https://hooks.example', 'https://hooks.example/'],
  ['https://hooks.example?x=1', 'https://hooks.example/'],
  ['HTTPS://Hooks.Example:443/A', 'https://hooks.example/A'],
  ['http://hooks.example:80/', 'http://hooks.example/'],
  ['http://hooks.example:8080/a.b/..c', 'http://hooks.example:8080/a.b/..c'],
  ['http://[2001:db8::1]:9000/x', 'http://[2001:db8::1]:9000/x'],
  ['https://hooks.example/a%20b@c', 'https://hooks.example/a%20b@c'],
])('the target of %s is %s', async (given, target) => {
  expect(await plan(given)).toMatchObject({ ok: true, output: { targets: [{ kind: 'url', id: target }] } });
  expect(new URL(given).origin + new URL(given).pathname).toBe(target);
});

test.each([
  'ftp://hooks.example/',
  'https:hooks.example',
  'https://user:secret@hooks.example/',
  'https://hooks.example\\@evil.example/',
  'https://hooks.example/a/../b',
  'https://hooks.example/a/%2e%2E/b',
  'https://hooks.example/a\\..\\b',
  'https://hooks.example/#x',
  'https://h\u00f6oks.example/',
  'https://hooks.example/a b',
  'https://hooks.example/a\n',
  `https://hooks.example/${'x'.repeat(600)}`,
])('refuses %j', async (given) => {
  expect(await plan(given)).toMatchObject({ ok: false, error: { class: 'invalid_input' } });
});
