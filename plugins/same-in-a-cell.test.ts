import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import transform from '../bench/plugins/transform/plugin.ts';
import { openCellHost } from '../kernel/adapter/extism/cell-host.ts';
import type { Digest, OrgId } from '../kernel/base/id.ts';
import { admit } from '../kernel/cell/admit.ts';
import type { PluginDefinition } from '../sdk/author/index.ts';
import { answer, callPlugin, type TestCall, testEnvelope } from '../sdk/author/test-host.ts';
import { prepareAll } from '../sdk/build/prepare.ts';
import { openSealed } from '../sdk/build/test-sealed.ts';
import type { HttpAnswer, HttpRequest } from '../sdk/contract/plugin.ts';
import edgeFirewall from './edge-firewall/plugin.ts';
import httpJson from './http-json/plugin.ts';
import webhook from './webhook/plugin.ts';

/**
 * What the tests in plain Node say of a plugin is true of it in a cell: same replies, same requests; and a call that is
 * made again is the same call, whatever instance it meets.
 */

const event = JSON.parse(readFileSync(join(import.meta.dirname, '../test/samples/ocsf-malware-finding.json'), 'utf8'));
const settings = { endpoint: 'https://edge.example' };
const ip = '2001:DB8:0:0::1';
const url = 'https://api.example/v1?q=ü';
const ban = { ip, for: '4h' };
const until = '2026-01-02T07:04:05.000Z';

const ROWS: readonly (readonly [PluginDefinition, TestCall, ...HttpAnswer[]])[] = [
  [httpJson, { action: 'get', input: { url, pick: '/a/0' } }, answer(200, { a: ['ü \u{1f600}'] })],
  [httpJson, { action: 'get', input: { url, pick: '/b' } }, answer(200, { a: 1 })],
  [httpJson, { action: 'get', input: { url } }, answer(200, '{"__proto__":{"x":1},"n":1e400,"z":-0}')],
  [httpJson, { action: 'get', input: { url } }, answer(200, 'not json')],
  [httpJson, { action: 'get', input: { url } }, answer(301)],
  [httpJson, { action: 'query', input: { url, body: { q: [1.1, null] } } }, answer(429)],
  [
    httpJson,
    { action: 'query', input: { url, body: 1 } },
    { ok: false, error: 'timeout', message: 'no answer in 5 s' },
  ],
  [webhook, { action: 'post', op: 'plan', input: { url: 'https://hooks.example/a?b', payload: { text: '\ud800' } } }],
  [webhook, { action: 'post', op: 'plan', input: { url: 'https://user@hooks.example/', payload: 1 } }],
  [webhook, { action: 'deliver', input: { url: 'https://hooks.example/a?b', payload: 'ü' } }, answer(204)],
  [edgeFirewall, { action: 'ban', op: 'plan', input: ban, settings }, answer(404)],
  [edgeFirewall, { action: 'ban', op: 'plan', input: ban, settings }, answer(200, { until })],
  [edgeFirewall, { action: 'ban', input: ban, settings }, answer(201, { until })],
  [edgeFirewall, { action: 'ban', input: { ip: '::ffff:127.0.0.1', for: '4h' }, settings }],
  [edgeFirewall, { action: 'ban', input: ban }],
  [edgeFirewall, { action: 'ban', op: 'check', input: ban, settings }, answer(200, { until })],
  [edgeFirewall, { action: 'ban', op: 'rollback', input: ban, settings }, answer(200)],
  [edgeFirewall, { action: 'unban', input: { ip }, settings }, answer(404)],
  [edgeFirewall, { action: 'unban', op: 'rollback', input: { ip }, settings }],
  [edgeFirewall, { op: 'auth', settings }, answer(404)],
  [edgeFirewall, { op: 'auth', settings }, answer(403)],
  [edgeFirewall, { op: 'health', settings }, answer(503)],
  [edgeFirewall, { op: 'validate', settings }],
  [edgeFirewall, { action: 'lift', input: { ip }, settings }],
  [transform, { action: 'shape', input: { event } }],
  [transform, { action: 'shape', input: { event: { observables: [{ type_id: 2, value: 'ü' }] } } }],
];

const modules = new Map<string, WebAssembly.Module>();
const cells = openCellHost({ min: 1, max: 1, checkRestoreEvery: 1 });
/** Names in the host of a module that gets a new instance for each call, and of one that is put back. */
const fresh = (name: string) => `${name}-fresh` as Digest;
const restored = (name: string) => `${name}-restored` as Digest;
beforeAll(async () => {
  for (const { name, wasmPath } of await prepareAll()) {
    const wasm = new Uint8Array(readFileSync(wasmPath));
    modules.set(name, new WebAssembly.Module(wasm));
    const admitted = admit(wasm);
    if (!admitted.ok) throw new Error(admitted.error.text);
    expect(admitted.value.report.restorable).toBe(true);
    await cells.load(fresh(name), admitted.value.wasm, { sealed: false });
    await cells.load(restored(name), admitted.value.wasm, { sealed: true });
  }
}, 60_000);
afterAll(() => cells.close());

test.each(ROWS.map((row, i) => [i, `${row[0].name}/${row[1].action} ${row[1].op ?? 'execute'}`, row] as const))(
  'row %i: %s',
  async (_i, _name, [plugin, call, ...answers]) => {
    const played = () => {
      const asked: HttpRequest[] = [];
      const http = (request: HttpRequest): HttpAnswer =>
        answers[asked.push(request) - 1] ?? expect.unreachable('asked more often than the row answers');
      return { asked, http };
    };
    const module = modules.get(plugin.name);
    if (!module) throw new Error(`${plugin.name} was not sealed`);
    const [inNode, inCell] = [played(), played()];
    const expected = await callPlugin(plugin, { ...call, ...inNode });
    expect(await (await openSealed(module, inCell)).call(call)).toEqual(expected);
    expect(inCell.asked).toEqual(inNode.asked);
    expect(inCell.asked).toHaveLength(answers.length);
  },
);

test.each(ROWS.map((row, i) => [i, `${row[0].name}/${row[1].action} ${row[1].op ?? 'execute'}`, row] as const))(
  'row %i, byte for byte, in new instances, in one that is put back, and replayed: %s',
  async (_i, _name, [plugin, call, ...answers]) => {
    type Exchange = { readonly request: HttpRequest; readonly answer: HttpAnswer };
    const inCell = async (module: Digest, answerTo: (request: HttpRequest, at: number) => HttpAnswer | undefined) => {
      const exchanges: Exchange[] = [];
      const outcome = await cells.call({
        org: 'acme' as OrgId,
        module,
        envelope: JSON.stringify(testEnvelope(call)),
        softDeadlineMs: 10_000,
        hardDeadlineMs: 20_000,
        broker: async (request) => {
          const given = answerTo(request, exchanges.length);
          if (!given) return { denied: 'nothing of the kind was on record' };
          exchanges.push({ request, answer: given });
          return given;
        },
      });
      return { exchanges, reply: outcome.kind === 'replied' ? outcome.reply : JSON.stringify(outcome) };
    };
    let asked = 0;
    const live = (_request: HttpRequest, at: number) => answers[at];
    const first = await inCell(fresh(plugin.name), live);
    // What is not on record, or asked in other words, is not answered.
    const fromRecord = (request: HttpRequest, at: number) => {
      const known = first.exchanges[at];
      return known && JSON.stringify(known.request) === JSON.stringify(request) ? known.answer : undefined;
    };
    const others = [
      await inCell(fresh(plugin.name), live),
      await inCell(restored(plugin.name), live),
      await inCell(restored(plugin.name), live),
      await inCell(restored(plugin.name), fromRecord),
      await inCell(fresh(plugin.name), fromRecord),
    ];
    expect(others).toEqual(others.map(() => first));
    const inNode = await callPlugin(plugin, {
      ...call,
      http: (request) => fromRecord(request, asked++) ?? answer(500),
    });
    expect(first.reply).toBe(JSON.stringify(inNode));
  },
);

test('each shipped plugin has a row', () => {
  expect(new Set(ROWS.map(([{ name }]) => name))).toEqual(new Set(modules.keys()));
});
