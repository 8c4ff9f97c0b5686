import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { CellHostOptions } from '../../kernel/adapter/extism/cell-options.ts';
import { digestOf } from '../../kernel/base/digest.ts';
import type { OrgId } from '../../kernel/base/id.ts';
import type { BrokerAnswer } from '../../kernel/port/cell-host.ts';
import type { HttpRequest } from '../../sdk/contract/plugin.ts';
import { type Cells, openCells } from './cells.ts';

/** What the pool of cells promises, with real processes. */

const request: HttpRequest = { url: 'https://api.example/x', method: 'POST', headers: { 'x-a': 'b' }, body: '{"é":1}' };
const answer: BrokerAnswer = { ok: true, status: 201, headers: { etag: 'x' }, body: 'crée' };
const requesting = JSON.stringify(request);

let opened: Cells[] = [];
const open = (options: Partial<CellHostOptions> = {}): Cells => {
  const cells = openCells(options);
  opened.push(cells);
  return cells;
};
afterEach(async () => {
  await Promise.all(opened.map((cells) => cells.close()));
  opened = [];
});

/** A promise that the test settles. */
function latch<T>() {
  let release: (value: T) => void = () => undefined;
  const promise = new Promise<T>((resolve) => {
    release = resolve;
  });
  return { promise, release };
}

describe('a call', () => {
  let cells: Cells;
  beforeAll(() => {
    cells = openCells();
  });
  afterAll(() => cells.close());

  it('replies, with its logs', async () => {
    const echo = await cells.load('echo');
    expect(await cells.call(echo, 'héllo')).toMatchObject({
      kind: 'replied',
      reply: 'héllo',
      logs: [{ level: 'info', text: 'héllo' }],
    });
  });

  it('may have deadlines that no timer can hold', async () => {
    const echo = await cells.load('echo');
    const never = Number.POSITIVE_INFINITY;
    expect(await cells.call(echo, '{}', { softDeadlineMs: never, hardDeadlineMs: never })).toMatchObject({
      kind: 'replied',
    });
  });

  it('carries a request to its broker and the answer back', async () => {
    const requester = await cells.load('requester');
    const broker = vi.fn(async () => answer);
    const outcome = await cells.call(requester, requesting, { broker });
    expect(broker.mock.calls).toEqual([[request]]);
    expect(outcome.kind === 'replied' && JSON.parse(outcome.reply)).toEqual(answer);
  });

  it.each<[string, (request: HttpRequest) => Promise<BrokerAnswer>, string, RegExp]>([
    ['whose request is denied', async () => ({ denied: 'no rule' }), requesting, /^no rule$/],
    ['whose broker fails', async () => Promise.reject(new Error('secret detail')), requesting, /^The broker failed\.$/],
    [
      'whose broker throws',
      () => {
        throw new Error('secret detail');
      },
      requesting,
      /^The broker failed\.$/,
    ],
    ['whose request makes no sense', async () => answer, '["not a request"]', /not a JSON object/],
    [
      'whose answer is too large for it',
      async () => ({ ok: true, status: 200, headers: {}, body: '\u0001'.repeat(4 << 20) }),
      requesting,
      /too large/,
    ],
  ])('%s ends as refused', async (_, broker, input, reason) => {
    const requester = await cells.load('requester');
    expect(await cells.call(requester, input, { broker })).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(reason),
    });
  });

  it('that sends requests without end is refused after its share', async () => {
    const flood = await cells.load('request-flood');
    const broker = vi.fn(async () => answer);
    expect(await cells.call(flood, requesting, { broker })).toMatchObject({ kind: 'refused' });
    expect(broker).toHaveBeenCalledTimes(32);
  });

  it.each([false, true])('over its soft deadline overran, and keeps its logs (sealed: %s)', async (sealed) => {
    const loop = await cells.load('polling-loop', sealed);
    expect(await cells.call(loop, 'one line', { softDeadlineMs: 50 })).toMatchObject({
      kind: 'overran',
      deadline: 'soft',
      logs: [{ text: 'one line' }, { level: 'error', text: 'o' }],
    });
    // The instance was dropped, not put back.
    expect(await cells.call(loop, 'two', { softDeadlineMs: 50 })).toMatchObject({ kind: 'overran', deadline: 'soft' });
  });

  it('sends nothing after its soft deadline', async () => {
    const requester = await cells.load('requester');
    const broker = vi.fn(async () => answer);
    const outcome = await cells.call(requester, requesting, { softDeadlineMs: 0, broker });
    expect(outcome).toMatchObject({ kind: 'overran', deadline: 'soft' });
    expect(broker).not.toHaveBeenCalled();
  });

  it('that waits for its broker past the hard deadline overran', async () => {
    const requester = await cells.load('requester');
    const outcome = await cells.call(requester, requesting, {
      hardDeadlineMs: 100,
      broker: () => new Promise(() => undefined),
    });
    expect(outcome).toMatchObject({ kind: 'overran', deadline: 'hard' });
  });

  it('with an error of its own crashed; its words are log, not reason', async () => {
    const failing = await cells.load('own-error');
    expect(await cells.call(failing, 'secret words')).toMatchObject({
      kind: 'crashed',
      reason: expect.not.stringMatching(/secret/),
      logs: [{ level: 'error', text: 'secret words' }],
    });
  });

  it.each([
    ['an unknown module', { module: digestOf('nothing') }, /not loaded/],
    ['an input over the bound', { envelope: 'x'.repeat(101) }, /more than 100 bytes/],
  ])('of %s is refused before any cell sees it', async (_, more, reason) => {
    const narrow = open({ envelopeBytesMax: 100 });
    const echo = await narrow.load('echo');
    expect(await narrow.call(echo, '{}', more)).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(reason),
      elapsedMs: 0,
    });
  });
});

describe('loading', () => {
  it('says why a module does not compile, which admission cannot see', async () => {
    const cells = open();
    // A body that says it gives an i64 where the type says i32.
    const wasm = Uint8Array.from(
      Buffer.from('0061736d010000000105016000017f030201000503010001070b010765786563757465000a0601040042000b', 'hex'),
    );
    const loaded = await cells.host.load(digestOf(wasm), wasm, { sealed: false });
    expect(loaded).toMatchObject({ ok: false, error: expect.stringMatching(/./) });
    expect(await cells.call(digestOf(wasm), '{}')).toMatchObject({ kind: 'refused' });
  });

  it('is idempotent, and reaches cells that did not exist yet', async () => {
    const cells = open({ min: 1, max: 1 });
    const endless = await cells.load('endless-loop');
    const echo = await cells.load('echo');
    expect(await cells.load('echo')).toBe(echo);
    await cells.call(endless, '{}', { hardDeadlineMs: 100 });
    expect(await cells.call(echo, 'in the new cell')).toMatchObject({ kind: 'replied' });
    expect(cells.host.stats().respawns).toBe(1);
  });

  it('of more modules than a cell keeps goes on', async () => {
    const cells = open({ min: 1, max: 1 });
    const names = [
      'echo',
      'requester',
      'variables',
      'hoarder',
      'quiet-hoarder',
      'stale-address',
      'own-error',
      'trap',
      'recursion',
      'bogus-output',
    ];
    for (const name of names) for (const sealed of [false, true]) await cells.load(name, sealed);
    for (const sealed of [false, true]) {
      for (const name of ['echo', 'variables']) {
        const module = await cells.load(name, sealed);
        expect(await cells.call(module, 'again')).toMatchObject({ kind: 'replied', reply: 'again' });
      }
    }
  });
});

describe('an abort', () => {
  it('ends a running call at once, and its cell', async () => {
    const cells = open({ min: 1, max: 1 });
    const endless = await cells.load('endless-loop');
    const controller = new AbortController();
    const outcome = cells.call(endless, '{}', { signal: controller.signal });
    await vi.waitFor(() => expect(cells.host.stats().busy).toBe(1));
    controller.abort();
    expect(await outcome).toMatchObject({ kind: 'aborted' });
    const echo = await cells.load('echo');
    expect(await cells.call(echo, 'next')).toMatchObject({ kind: 'replied' });
  });

  it('ends a call that waits for its broker; the late answer goes nowhere', async () => {
    const cells = open({ min: 1, max: 1 });
    const requester = await cells.load('requester');
    const controller = new AbortController();
    const asked = latch<void>();
    const late = latch<BrokerAnswer>();
    const outcome = cells.call(requester, requesting, {
      signal: controller.signal,
      broker: () => {
        asked.release();
        return late.promise;
      },
    });
    await asked.promise;
    controller.abort();
    expect(await outcome).toMatchObject({ kind: 'aborted' });
    late.release(answer);
    expect(await cells.call(requester, requesting, { broker: async () => answer })).toMatchObject({ kind: 'replied' });
  });

  it('of a call that waits for its broker costs no cell', async () => {
    const cells = open({ min: 1, max: 1 });
    const requester = await cells.load('requester');
    for (let i = 0; i < 50; i++) {
      const controller = new AbortController();
      const broker = () => {
        setImmediate(() => controller.abort());
        return new Promise<BrokerAnswer>(() => undefined);
      };
      const outcome = await cells.call(requester, requesting, { signal: controller.signal, broker });
      expect(outcome).toMatchObject({ kind: 'aborted', logs: [] });
    }
    expect(await cells.call(requester, requesting, { broker: async () => answer })).toMatchObject({ kind: 'replied' });
    expect(cells.host.stats()).toMatchObject({ cells: 1, respawns: 0 });
  });

  it('kills the cell of a plugin that catches it and spins, and blames the plugin', async () => {
    const cells = open({
      min: 1,
      max: 1,
      kills: { windowMs: 60_000, backoffMs: 0, killsMax: 1, quarantineMs: 60_000 },
    });
    const [spinner, echo] = [await cells.load('catch-and-spin'), await cells.load('echo')];
    const controller = new AbortController();
    const broker = () => {
      setImmediate(() => controller.abort());
      return new Promise<BrokerAnswer>(() => undefined);
    };
    const outcome = cells.call(spinner, requesting, { signal: controller.signal, broker });
    expect(await outcome).toMatchObject({ kind: 'aborted' });
    expect(cells.host.stats()).toMatchObject({ busy: 1, respawns: 0 });
    expect(await cells.call(echo, 'next')).toMatchObject({ kind: 'replied' });
    expect(cells.host.stats().respawns).toBe(1);
    expect(await cells.call(spinner, requesting)).toMatchObject({ kind: 'refused' });
  });

  it('takes a waiting call out of the queue, and hurts no other', async () => {
    const cells = open({ min: 1, max: 1 });
    const requester = await cells.load('requester');
    const first = latch<BrokerAnswer>();
    const controller = new AbortController();
    const running = cells.call(requester, requesting, { broker: () => first.promise });
    const waiting = cells.call(requester, requesting, { signal: controller.signal, broker: async () => answer });
    const behind = cells.call(requester, requesting, { broker: async () => answer });
    controller.abort();
    expect(await waiting).toMatchObject({ kind: 'aborted', elapsedMs: 0 });
    first.release(answer);
    expect(await Promise.all([running, behind])).toMatchObject([{ kind: 'replied' }, { kind: 'replied' }]);
    expect(await cells.call(requester, '{}', { signal: controller.signal })).toMatchObject({ kind: 'aborted' });
  });
});

describe('the pool', () => {
  it('serves waiting calls of one org first in, first out, and orgs in turn', async () => {
    const cells = open({ min: 1, max: 1 });
    const echo = await cells.load('echo');
    const order: string[] = [];
    const call = (org: string, name: string) =>
      cells.call(echo, name, { org: org as OrgId }).then(() => order.push(name));
    const names = (prefix: string) => Array.from({ length: 20 }, (_, i) => `${prefix}${i}`);
    await Promise.all([
      ...names('a').map((name) => call('acme', name)),
      ...['b0', 'b1'].map((name) => call('globex', name)),
    ]);
    expect(order.slice(0, 6)).toEqual(['a0', 'a1', 'b0', 'a2', 'b1', 'a3']);
    expect(order.filter((name) => name.startsWith('a'))).toEqual(names('a'));
  });

  it('grows while cells wait for answers, but for the last quarter, and shrinks when they are idle', async () => {
    const cells = open({ min: 1, max: 5, idleMs: 50 });
    const requester = await cells.load('requester');
    const all = latch<BrokerAnswer>();
    let asked = 0;
    const calls = Array.from({ length: 6 }, () =>
      cells.call(requester, requesting, {
        broker: () => {
          asked++;
          return all.promise;
        },
      }),
    );
    await vi.waitFor(() => expect(asked).toBe(4), { timeout: 15_000 });
    expect(cells.host.stats()).toMatchObject({ cells: 4, busy: 4, waiting: 2 });
    all.release(answer);
    expect((await Promise.all(calls)).map((outcome) => outcome.kind)).toEqual(Array(6).fill('replied'));
    await vi.waitFor(() => expect(cells.host.stats()).toEqual({ cells: 1, busy: 0, waiting: 0, respawns: 0 }), {
      timeout: 15_000,
    });
    expect(await cells.call(requester, requesting, { broker: async () => answer })).toMatchObject({ kind: 'replied' });
  });

  it('lets no more calls wait than it says', async () => {
    const cells = open({ min: 1, max: 1, waitingMax: 1 });
    const requester = await cells.load('requester');
    const held = latch<BrokerAnswer>();
    const calls = Array.from({ length: 3 }, () => cells.call(requester, requesting, { broker: () => held.promise }));
    expect(await calls[2]).toMatchObject({
      kind: 'unavailable',
      reason: expect.stringMatching(/1 calls of the org wait/),
    });
    held.release(answer);
    expect(await Promise.all(calls.slice(0, 2))).toMatchObject([{ kind: 'replied' }, { kind: 'replied' }]);
  });

  it.each<[string, number, string, string]>([
    ['wait for a target that never answers', 8, 'requester', requesting],
    ['spin', 16, 'endless-loop', '{}'],
  ])('goes on with the calls of other orgs while those of one %s', async (_, count, attack, input) => {
    const cells = open({ max: 8 });
    const [attacking, echo] = [await cells.load(attack), await cells.load('echo')];
    const never = { softDeadlineMs: 3_600_000, hardDeadlineMs: 3_600_000 };
    const broker = () => new Promise<BrokerAnswer>(() => undefined);
    for (let i = 0; i < count; i++) void cells.call(attacking, input, { ...never, broker });
    // All that one org can get.
    await vi.waitFor(() => expect(cells.host.stats().busy).toBe(6), { timeout: 20_000 });
    for (const org of ['globex', 'initech'] as OrgId[]) {
      const outcomes = Array.from({ length: 3 }, (_, i) => cells.call(echo, `${i}`, { ...never, org }));
      expect((await Promise.all(outcomes)).map(({ kind }) => kind)).toEqual(['replied', 'replied', 'replied']);
    }
    expect(cells.host.stats()).toMatchObject({ busy: 6, waiting: count - 6, respawns: 0 });
  });

  it('keeps one of the cells that there are for others, while there are others', async () => {
    const cells = open({ min: 2, max: 8 });
    const [requester, echo] = [await cells.load('requester'), await cells.load('echo')];
    const globex = { org: 'globex' as OrgId };
    await cells.call(echo, 'is there', globex);
    const broker = vi.fn(() => new Promise<BrokerAnswer>(() => undefined));
    for (let i = 0; i < 2; i++) void cells.call(requester, requesting, { broker });
    await vi.waitFor(() => expect(broker).toHaveBeenCalled());
    expect(await cells.call(echo, 'at once', globex)).toMatchObject({ kind: 'replied' });
    expect(broker).toHaveBeenCalledTimes(1);
    // More cells make room for the other call.
    await vi.waitFor(() => expect(broker).toHaveBeenCalledTimes(2), { timeout: 20_000 });
  });

  it('does not let one org fill the queue for another', async () => {
    const cells = open({ min: 1, max: 1, waitingMax: 2 });
    const requester = await cells.load('requester');
    const held = latch<BrokerAnswer>();
    const call = (org: string) => cells.call(requester, requesting, { org: org as OrgId, broker: () => held.promise });
    const calls = ['acme', 'acme', 'acme', 'acme', 'globex', 'globex'].map(call);
    expect(await calls[3]).toMatchObject({ kind: 'unavailable' });
    held.release(answer);
    const kinds = (await Promise.all(calls)).map(({ kind }) => kind);
    expect(kinds).toEqual(['replied', 'replied', 'replied', 'unavailable', 'replied', 'replied']);
  });

  it('puts a module that keeps killing cells in quarantine, and serves the others', async () => {
    const cells = open({
      min: 1,
      max: 1,
      kills: { windowMs: 60_000, backoffMs: 60_000, killsMax: 3, quarantineMs: 60_000 },
    });
    const endless = await cells.load('endless-loop');
    const kill = () => cells.call(endless, '{}', { hardDeadlineMs: 50 });
    expect([await kill(), await kill()]).toMatchObject([{ kind: 'overran' }, { kind: 'overran' }]);
    expect(await kill()).toMatchObject({ kind: 'unavailable', reason: expect.stringMatching(/may run again at 2/) });
    const onQuarantine = vi.fn();
    const other = open({
      min: 1,
      max: 1,
      kills: { windowMs: 60_000, backoffMs: 0, killsMax: 3, quarantineMs: 60_000 },
      onQuarantine,
    });
    const again = await other.load('endless-loop');
    const echo = await other.load('echo');
    for (let i = 0; i < 3; i++) await other.call(again, '{}', { hardDeadlineMs: 50 });
    expect(await other.call(again, '{}')).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(/quarantine until 2.*3 cells/),
      elapsedMs: 0,
    });
    // Told once, and of whom.
    expect(onQuarantine.mock.calls).toMatchObject([[{ org: 'acme', module: again, kills: 3 }]]);
    expect(await other.call(echo, 'others')).toMatchObject({ kind: 'replied' });
    // What one org has it do is not held against another.
    const globex = { org: 'globex' as OrgId, hardDeadlineMs: 50 };
    expect(await other.call(again, '{}', globex)).toMatchObject({ kind: 'overran' });
    expect(await other.call(again, '{}')).toMatchObject({ kind: 'refused' });
  });

  it('does not blame a module for a slow broker, nor end its cell', async () => {
    const cells = open({
      min: 1,
      max: 1,
      kills: { windowMs: 60_000, backoffMs: 0, killsMax: 1, quarantineMs: 60_000 },
    });
    const requester = await cells.load('requester');
    await cells.call(requester, requesting, { broker: async () => answer });
    const asked = vi.fn(() => new Promise<BrokerAnswer>(() => undefined));
    await cells.call(requester, requesting, { hardDeadlineMs: 500, broker: asked });
    expect(asked).toHaveBeenCalled();
    expect(await cells.call(requester, requesting, { broker: async () => answer })).toMatchObject({ kind: 'replied' });
    expect(cells.host.stats().respawns).toBe(0);
  });

  it('ends everything when it closes', async () => {
    const cells = open({ min: 1, max: 1 });
    const requester = await cells.load('requester');
    const calls = [1, 2].map(() => cells.call(requester, requesting, { broker: () => new Promise(() => undefined) }));
    await vi.waitFor(() => expect(cells.host.stats().busy).toBe(1));
    await cells.close();
    expect(await Promise.all(calls)).toMatchObject([{ kind: 'aborted' }, { kind: 'aborted' }]);
    expect(await cells.call(requester, '{}')).toMatchObject({ kind: 'aborted' });
    expect(await cells.host.load(digestOf('x'), new Uint8Array(8), { sealed: false })).toMatchObject({ ok: false });
    expect(cells.host.stats()).toMatchObject({ cells: 0, busy: 0, waiting: 0 });
  });
});
