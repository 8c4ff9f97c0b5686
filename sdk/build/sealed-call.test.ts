import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { testEnvelope } from '../author/test-host.ts';
import type { HttpRequest } from '../contract/plugin.ts';
import { buildPlugin } from './build-plugin.ts';
import { mapStack, sourceMapOf } from './map-stack.ts';
import { createRandom } from './random.ts';
import { openSealed, type SealedOptions } from './test-sealed.ts';

/** What a call of a sealed plugin does, seen from its host. */

let module: WebAssembly.Module;
beforeAll(async () => {
  const built = await buildPlugin(join(import.meta.dirname, 'fixture'));
  if (!built.ok) throw new Error(built.error.message);
  module = new WebAssembly.Module(readFileSync(built.value.wasmPath));
}, 60_000);

const open = (options: SealedOptions = {}) => openSealed(module, options);
const call = async (action: string, input: unknown = null, options: SealedOptions = {}) =>
  (await open(options)).call({ action, input });

describe('input and output', () => {
  test('describe', async () => {
    const described = JSON.parse(await (await open()).callText('describe', ''));
    expect(described).toMatchObject({ name: 'fixture', version: '1.2.3' });
    expect(described.actions.echo).toEqual({ ops: ['plan', 'execute', 'check', 'rollback'] });
    expect(described.actions.spin).toEqual({ ops: ['execute'] });
  });

  test('the envelope reaches the action', async () => {
    const plan = { summary: 'S', targets: [{ kind: 'ip', id: '203.0.113.77' }], reversible: true, details: { a: 1 } };
    const input = { text: 'ü \u{1f600} \ud800 \u0000', list: [1.5, null, true] };
    const settings = { endpoint: 'https://edge.example' };
    const { run, step, attempt, idempotencyKey, now } = testEnvelope({ action: 'echo' });
    const sealed = await open();
    expect(await sealed.call({ action: 'echo', input, plan, settings })).toEqual({
      ok: true,
      output: { input, plan, settings, call: [run, step, attempt, idempotencyKey, now] },
    });
    const rollback = { action: 'echo', op: 'rollback', input, plan, output: { done: 1 } } as const;
    expect(await sealed.call(rollback)).toEqual({ ok: true, output: { input, plan, output: { done: 1 } } });
    expect(await sealed.call({ action: 'echo', op: 'plan', input: 7 })).toMatchObject({
      output: { details: { input: '7' } },
    });
  });

  test.each([0, 1, 7, 8, 9, 63, 64, 65, 65_536])('text of %i bytes is carried whole', async (length) => {
    const text = Array.from({ length }, (_, i) => String.fromCharCode(33 + (i % 90))).join('');
    expect(await call('serialise', { text })).toEqual({ ok: true, output: text });
  });

  test.each([
    ['an unknown action', { action: 'nope' }, 'this plugin has: echo, fetch'],
    ['a name from the prototype', { action: 'constructor' }, 'no such action'],
    ['an unknown operation', { action: 'spin', op: 'plan' }, 'it has: execute'],
  ] as const)('%s is invalid_input', async (_name, request, message) => {
    expect(await (await open()).call(request)).toMatchObject({
      ok: false,
      error: { class: 'invalid_input', message: expect.stringContaining(message) },
    });
  });

  test('an envelope that is none is internal', async () => {
    expect(JSON.parse(await (await open()).callText('execute', '{'))).toMatchObject({ error: { class: 'internal' } });
  });
});

describe('the way out', () => {
  test('one request, one answer', async () => {
    const asked: HttpRequest[] = [];
    const http = (request: HttpRequest) => {
      asked.push(request);
      return { ok: true, status: 201, headers: { 'X-R': '1' }, body: '{"ü":true}' } as const;
    };
    const url = 'https://api.example/a?b=c';
    const reply = await call('fetch', { url, json: { q: 'ü' } }, { http });
    expect(reply).toEqual({ ok: true, output: [201, true, { 'x-r': '1' }, { ü: true }] });
    const headers = { 'x-a': 'b', 'content-type': 'application/json' };
    expect(asked).toEqual([{ url, method: 'POST', headers, body: '{"q":"ü"}' }]);
  });

  test('no answer is a PluginError that the plugin can handle', async () => {
    const http = () => ({ ok: false, error: 'unavailable', message: 'connection refused' }) as const;
    const reply = await call('fetch', { url: 'https://api.example/' }, { http });
    expect(reply).toEqual({ ok: true, output: ['unavailable', 'connection refused'] });
  });

  test('what the host throws ends the call', async () => {
    const http = () => {
      throw new Error('denied');
    };
    await expect(call('fetch', { url: 'https://api.example/' }, { http })).rejects.toThrow('denied');
  });

  test('logs', async () => {
    const sealed = await open();
    expect(await sealed.call({ action: 'log' })).toEqual({ ok: true, output: null });
    expect(sealed.logs).toEqual(['debug d', 'info i {"a":1} undefined', 'warn w\u{1f600}', 'error e', 'info c [1]']);
  });
});

describe('failures', () => {
  test.each([
    ['plugin', 'rate_limited', /^slow down$/],
    [
      'error',
      'internal',
      /^SyntaxError: .*\n {4}at <input>:1:2\n {4}at parse \(native\)\n {4}at execute \(plugin\.js:\d+:\d+\)$/,
    ],
    ['object', 'internal', /^a value that is no Error was thrown: \{"not":"an error"\}$/],
    ['strange', 'internal', /^a value that is no Error was thrown: \{\}$/],
    ['bigint', 'internal', /^TypeError: BigInt/],
    ['timer', 'internal', /^ReferenceError: setTimeout is not defined \(a plugin has no timers/],
    ['long', 'internal', /^Error: x{1993}$/],
    ['class', 'internal', /^odd$/],
  ])('%s is %s', async (input, errorClass, message) => {
    expect(await call('fail', input)).toEqual({
      ok: false,
      error: { class: errorClass, message: expect.stringMatching(message) },
    });
  });

  test('a place maps back to the line that the author wrote', async () => {
    const reply = await call('fail', 'error');
    const source = readFileSync(join(import.meta.dirname, 'fixture/plugin.ts'), 'utf8').split('\n');
    const line = source.findIndex((text) => text.includes("JSON.parse('{')")) + 1;
    expect(mapStack(reply.ok ? '' : reply.error.message, sourceMapOf(module) ?? '')).toContain(`(plugin.ts:${line}:`);
  });

  test('a promise that never settles is told at once', async () => {
    expect(await call('hang')).toMatchObject({
      ok: false,
      error: { class: 'internal', message: expect.stringMatching(/nothing settles/) },
    });
  });

  test.each(['script', 'native'])('recursion (%s) is a RangeError', async (input) => {
    expect(await call('depth', input)).toMatchObject({
      error: { message: expect.stringMatching(/^RangeError: Maximum call stack size/) },
    });
  });

  test.each(['all', 'one'])('memory used up (%s) is an error in the plugin, not a trap', async (input) => {
    const sealed = await open();
    expect(await sealed.call({ action: 'hoard', input })).toMatchObject({
      error: {
        class: 'internal',
        message: expect.stringMatching(/^InternalError: out of memory\n {4}at execute \(plugin\.js:/),
      },
    });
    expect(sealed.memory.buffer.byteLength).toBeLessThanOrEqual(28 * 1024 * 1024);
  });
});

describe('the deadline', () => {
  /** The host ends the call at the third poll and never takes it back. */
  const ending = () => {
    let polls = 0;
    const asked: string[] = [];
    const http = ({ url }: HttpRequest) => {
      asked.push(url);
      return { ok: true, status: 200, headers: {}, body: '{}' } as const;
    };
    return { asked, http, interrupted: () => ++polls > 2 };
  };

  test.each([
    ...['loop', 'regex', 'regex in catch', 'catch', 'finally', 'async catch', 'promise catch', 'iterator close'],
    ...['promise executor', 'thenable', 'after the reply', 'the output', 'the error'],
  ])('ends %s, and nothing is sent after it', async (input) => {
    const host = ending();
    expect(await call('spin', input, host)).toMatchObject({
      ok: false,
      error: { class: 'timeout', message: expect.stringMatching(/^the call was ended at its deadline/) },
    });
    expect(host.asked).toEqual([]);
  });

  test.each(['one executor after another', 'a request after an executor'])('traps in %s', async (input) => {
    const host = ending();
    await expect(call('spin', input, host)).rejects.toThrow(WebAssembly.RuntimeError);
    expect(host.asked).toEqual([]);
  });

  test('a host that says no before the call has begun is heard too', async () => {
    expect(await call('spin', 'loop', { interrupted: () => true })).toMatchObject({ error: { class: 'timeout' } });
  });

  test('the author is told where the time went', async () => {
    const reply = await call('spin', 'loop', ending());
    expect(mapStack(reply.ok ? '' : reply.error.message, sourceMapOf(module) ?? '')).toMatch(
      /\n {4}at spin \(plugin\.ts:1[12]:\d+\)\n {4}at execute \(plugin\.ts:/,
    );
  });

  test('a call within it is not touched', async () => {
    expect(await call('echo', 1, { interrupted: () => false })).toMatchObject({ ok: true });
  });
});

describe('the world of a call', () => {
  const world = async (seed: readonly [string, string], now: number) => {
    const reply = await (await open()).call({ action: 'world', seed, now });
    return (reply.ok ? reply.output : null) as {
      random: number[];
      now: unknown[];
      loadedAt: number;
      drawnAtLoad: number;
    };
  };
  const seed = ['7261067112350811259', '16024869372834560513'] as const;

  test('the clock stands still at the time of the call, in UTC', async () => {
    const now = Date.UTC(2026, 10, 23, 12, 0, 0, 123);
    expect((await world(seed, now)).now).toEqual([now, '2026-11-23T12:00:00.123Z', 0]);
  });

  test('module scope saw constants', async () => {
    const { loadedAt, drawnAtLoad } = await world(seed, 1);
    expect(loadedAt).toBe(Date.UTC(2000, 0, 1));
    expect(drawnAtLoad).toBe(createRandom(['1', '1'])());
  });

  test('random follows the seed, also through a function kept at module scope', async () => {
    const next = createRandom(seed);
    expect((await world(seed, 1)).random).toEqual([next(), next(), next()]);
    expect((await world([seed[0], '1'], 1)).random).not.toEqual((await world(seed, 1)).random);
  });
});

describe('restoring memory and globals', () => {
  test('nothing of a call is there in the next', async () => {
    const sealed = await open();
    const first = await sealed.callText('execute', JSON.stringify(testEnvelope({ action: 'count' })));
    expect(first).toBe('{"ok":true,"output":[1,1,"fresh"]}');
    await sealed.restore();
    expect(await sealed.callText('execute', JSON.stringify(testEnvelope({ action: 'count' })))).toBe(first);
    // Without it, everything is: this is what restoring is for.
    expect(await sealed.call({ action: 'count' })).toEqual({ ok: true, output: [2, 2, 1] });
  });

  test.each(['loop', 'iterator close', 'one executor after another'])(
    'a call that was ended (%s) leaves nothing either',
    async (input) => {
      let over = false;
      const sealed = await open({ interrupted: () => over });
      const before = await sealed.call({ action: 'world' });
      await sealed.restore();
      over = true;
      // The last one ends in a trap, in the middle of everything.
      await sealed.call({ action: 'spin', input }).catch(() => 'trapped');
      expect(sealed.isFresh()).toBe(false);
      await sealed.restore();
      over = false;
      expect(sealed.isFresh()).toBe(true);
      expect(await sealed.call({ action: 'world' })).toEqual(before);
    },
  );

  test('an ordinary call does not grow the memory', async () => {
    const rows: { id: number; name: string }[] = [];
    while (JSON.stringify(rows).length < 60 * 1024) rows.push({ id: rows.length, name: `host-${rows.length}` });
    const body = JSON.stringify(rows);
    const sealed = await open({ http: () => ({ ok: true, status: 200, headers: {}, body }) });
    const reply = await sealed.call({ action: 'fetch', input: { url: 'https://api.example/', json: rows } });
    expect(reply).toMatchObject({ ok: true, output: [200, true, {}, rows] });
    expect(sealed.memory.buffer.byteLength).toBe(sealed.image.length);
  });
});
