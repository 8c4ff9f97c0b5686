import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCellHost } from '../../kernel/adapter/extism/cell-host.ts';
import type { Digest, OrgId } from '../../kernel/base/id.ts';
import type { Json } from '../../kernel/base/json.ts';
import { admit } from '../../kernel/cell/admit.ts';
import { contractsOf } from '../../kernel/cell/parameters.ts';
import { faultOfManifest } from '../../kernel/cell/sealed-manifest.ts';
import type { CellCall, CellHost } from '../../kernel/port/cell-host.ts';
import { answer, type TestCall, testEnvelope } from '../../sdk/author/test-host.ts';
import { DescriptionSchema } from '../../sdk/contract/description.ts';
import type { HttpAnswer, HttpRequest, PluginReply } from '../../sdk/contract/plugin.ts';
import { PluginManifestSchema } from '../../sdk/contract/plugin.ts';
import { inspectPlugin } from '../../sdk/supply/inspect.ts';
import { describedBy } from '../support/described.ts';
import { buildExample, EXAMPLES } from './examples.ts';

/** Plugins that were not made by our build, from their sources to their replies in a real cell. */

const settings = { endpoint: 'https://intel.example' };
const lookup = (indicator: string): TestCall => ({ action: 'lookup', input: { indicator }, settings });
const refang = (text: string): TestCall => ({ action: 'refang', input: { text } });
const ok = (output: object) => ({ ok: true, output });
const error = (errorClass: string) => ({
  ok: false,
  error: { class: errorClass, message: expect.stringMatching(/^[a-z]/) },
});
const evil = lookup('evil.example');
const url = 'https://intel.example/v1/indicators/evil.example';

type Row = readonly [
  title: string,
  call: TestCall,
  reply: object,
  answer?: HttpAnswer | undefined,
  asked?: Partial<HttpRequest>,
];
const ROWS: readonly Row[] = [
  ['a text', refang('hxxps://evil[.]example(.)org[:]8443'), ok({ text: 'https://evil.example.org:8443' })],
  ['an empty text', refang(''), ok({ text: '' })],
  ['a text in many scripts', refang('grüße[.]de 例え[.]jp \u{1f600} א'), ok({ text: 'grüße.de 例え.jp \u{1f600} א' })],
  ['what JSON escapes', refang('"\\\n\t\u0000\u001f/'), ok({ text: '"\\\n\t\u0000\u001f/' })],
  ['half of a surrogate pair', refang('a\ud800b'), ok({ text: 'a\ufffdb' })],
  ['a long text', refang('x[.]'.repeat(16_000)), ok({ text: 'x.'.repeat(16_000) })],
  ['a text that is none', { action: 'refang', input: { text: 7 } }, error('invalid_input')],
  ['no input', { action: 'refang' }, error('invalid_input')],
  ['a field that only looks like it', { action: 'refang', input: { no: { text: 'x' } } }, error('invalid_input')],
  ['an action that it has not', { action: 'ban' }, error('internal')],
  ['an operation that it has not', { ...evil, op: 'rollback' }, error('internal')],
  ['no setting', { ...evil, settings: {} }, error('invalid_input')],
  ['a verdict', evil, ok({ verdict: 'bad' }), answer(200, { verdict: 'bad' }), { url, method: 'GET', body: null }],
  [
    'a verdict among other things',
    evil,
    ok({ verdict: 'schädlich \u{1f480}' }),
    answer(200, ' { "a" : [ { "verdict" : "no" }, "}" ], "n":-1.5e3,"verdict" : "sch\\u00e4dlich \\ud83d\\udc80" } '),
  ],
  [
    'an indicator that is no part of a path',
    lookup('ü/../x?y=1#z'),
    ok({ verdict: 'odd' }),
    answer(200, { verdict: 'odd' }),
    { url: 'https://intel.example/v1/indicators/%C3%BC%2F..%2Fx%3Fy%3D1%23z' },
  ],
  ['an answer without a verdict', evil, error('upstream_error'), answer(200, { other: 1 })],
  ['an answer that is no JSON', evil, error('upstream_error'), answer(200, 'nothing')],
  ['an answer that breaks off', evil, error('upstream_error'), answer(200, '{"verdict":"b')],
  [
    'an answer with an escape that JSON has not',
    evil,
    ok({ verdict: 'a\u0000b' }),
    answer(200, '{"verdict":"a\\\u0000b"}'),
  ],
  ['an answer that is empty', evil, error('upstream_error'), answer(200)],
  ['an answer that is too deep', evil, error('upstream_error'), answer(200, '{"a":'.repeat(50_000))],
  ['a redirect', evil, error('upstream_error'), answer(302, { verdict: 'bad' })],
  ['not found', evil, error('not_found'), answer(404)],
  ['too many', evil, error('rate_limited'), answer(429)],
  ['a fault there', evil, error('unavailable'), answer(503)],
  ['no answer', evil, error('unavailable'), { ok: false, error: 'unavailable', message: 'no route' }],
  ['no answer in time', evil, error('timeout'), { ok: false, error: 'timeout', message: 'none in 5 s' }],
];

describe.each(EXAMPLES)('$name $missing', (example) => {
  const test = example.missing === '' ? it : it.skip;
  let folder: string;
  let host: CellHost | undefined;
  let module: Digest;

  beforeAll(async () => {
    if (example.missing !== '') return;
    folder = await buildExample(example);
    const wasm = new Uint8Array(await readFile(join(folder, 'dist/plugin.wasm')));
    const admitted = admit(wasm);
    if (!admitted.ok) throw new Error(admitted.error.text);
    module = admitted.value.report.admittedDigest;
    host = openCellHost({ min: 1, max: 1 });
    expect(await host.load(module, admitted.value.wasm, { sealed: false })).toMatchObject({ ok: true });
  }, 60_000);
  afterAll(async () => {
    await host?.close();
    if (folder) await rm(folder, { recursive: true });
  });

  const call = (given: TestCall, more: Partial<CellCall> = {}) => {
    if (!host) throw new Error('it was not built');
    return host.call({
      org: 'acme' as OrgId,
      module,
      envelope: JSON.stringify(testEnvelope(given)),
      softDeadlineMs: 5_000,
      hardDeadlineMs: 20_000,
      broker: async () => ({ denied: 'nothing is granted here' }),
      ...more,
    });
  };

  test.each(ROWS.map((row) => ({ title: row[0], row })))(
    '$title',
    async ({ row: [, given, expected, answered, request] }) => {
      const asked: HttpRequest[] = [];
      const broker = async (one: HttpRequest) => {
        asked.push(one);
        return answered ?? { denied: 'no rule grants this host' };
      };
      const outcome = await call(given, { broker });
      if (outcome.kind !== 'replied') return expect.unreachable(JSON.stringify(outcome));
      const reply = JSON.parse(outcome.reply) as PluginReply;
      expect(reply).toEqual(expected);
      expect(asked).toHaveLength(answered ? 1 : 0);
      if (request) expect(asked[0]).toMatchObject(request);
      if (answered)
        expect(outcome.logs.map(({ text }) => text)).toEqual([expect.stringMatching(/^the service answered/)]);
      const manifest = v.parse(PluginManifestSchema, JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')));
      if (reply.ok)
        expect(
          contractsOf(manifest)
            .get(given.action ?? '')
            ?.checkOutput(reply.output as Json),
        ).toBeUndefined();
    },
  );

  test('turns any text back, and nothing else of it', async () => {
    const unit = fc.constantFrom(
      '[',
      '.',
      ']',
      '(',
      ')',
      ':',
      '/',
      '@',
      'hxxp',
      '\\',
      '"',
      '\ud83d',
      '\ude00',
      'ü',
      '\u0001',
    );
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string({ unit }), fc.string({ unit: 'binary' })), async (text) => {
        const outcome = await call(refang(text));
        const reply = outcome.kind === 'replied' ? JSON.parse(outcome.reply) : outcome;
        const back = text.replaceAll(/hxxp|hXXp|\[(?:\.|:|:\/\/|@)\]|\(\.\)/g, (found) =>
          found.replace(/xx/i, 'tt').replaceAll(/[[\]()]/g, ''),
        );
        expect(reply).toEqual(ok({ text: back.toWellFormed() }));
      }),
      { numRuns: 200 },
    );
  });

  test('is not led astray by what answers like JSON', async () => {
    const unit = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '"verdict"',
      ':',
      ',',
      '"',
      '\\',
      '\\ud83d',
      '\\u00',
      '1',
      ' ',
      'x',
    );
    await fc.assert(
      fc.asyncProperty(fc.string({ unit }), async (body) => {
        const outcome = await call(evil, { broker: async () => answer(200, body) });
        const reply = outcome.kind === 'replied' ? JSON.parse(outcome.reply) : outcome;
        expect(reply).toEqual(reply.ok ? ok({ verdict: expect.any(String) }) : error('upstream_error'));
      }),
      { numRuns: 200 },
    );
  });

  test('a request that is not granted ends the call', async () => {
    expect(await call(evil)).toMatchObject({ kind: 'refused', reason: 'nothing is granted here' });
  });

  test('is cut off by its deadlines', async () => {
    expect(await call(evil, { softDeadlineMs: 0 })).toMatchObject({ kind: 'overran', deadline: 'soft' });
    const never = () => new Promise<never>(() => undefined);
    expect(await call(evil, { broker: never, hardDeadlineMs: 50 })).toMatchObject({
      kind: 'overran',
      deadline: 'hard',
    });
    expect(await call(refang('a[.]b'))).toMatchObject({ kind: 'replied' });
  });

  test('is built to the same bytes again, and holds its manifest and no other', async () => {
    const again = await buildExample(example);
    const [wasm, second] = await Promise.all(
      [folder, again].map(async (path) => new Uint8Array(await readFile(join(path, 'dist/plugin.wasm')))),
    );
    await rm(again, { recursive: true });
    expect(Buffer.from(wasm as Uint8Array).equals(second as Uint8Array)).toBe(true);
    const manifest = v.parse(PluginManifestSchema, JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')));
    expect(manifest.name).toBe(example.name);
    expect(faultOfManifest(manifest, wasm as Uint8Array)).toBeUndefined();
    expect(faultOfManifest({ ...manifest, title: 'Another' }, wasm as Uint8Array)).toMatch(/not the one/);
  });

  test('is taken by its instructions too, says who made it, and of itself what its manifest says', async () => {
    const inspected = await inspectPlugin(folder);
    if (!inspected.ok) throw new Error(inspected.text);
    const { manifest, sealed, producers } = inspected.value;
    expect(sealed).toBe(false);
    expect(String(producers)).toMatch(example.producers);
    const described = await call({ action: '' }, { entry: 'describe' });
    const said = described.kind === 'replied' && v.parse(DescriptionSchema, JSON.parse(described.reply));
    expect(said).toEqual(describedBy(manifest));
  });
});
