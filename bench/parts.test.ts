import { expect, test } from 'vitest';
import { eventPrinter, findingName } from './event.ts';
import { type Figure, faultsOf, figure } from './figure.ts';
import { openReader } from './http-message.ts';
import { closedLoop, openLoop } from './load.ts';
import { readOptions } from './options.ts';
import { median, quantile, spread } from './statistics.ts';

test.each([
  [[5], 5, 5, 5, 0],
  [[1, 2, 3, 4], 2.5, 2, 4, 0.6],
  [[30, 10, 20], 20, 20, 30, 0.5],
  [[0, 0], 0, 0, 0, 0],
])('%j has median %d, p50 %d, p99 %d, spread %d', (values, middle, p50, p99, wide) => {
  expect([median(values), quantile(values, 0.5), quantile(values, 0.99), spread(values)]).toEqual([
    middle,
    p50,
    p99,
    wide,
  ]);
});

test('p99 of a thousand values is the 990th', () => {
  const values = Array.from({ length: 1_000 }, (_, i) => 1_000 - i);
  expect(quantile(values, 0.99)).toBe(990);
});

test.each<[string, readonly Figure[], readonly string[]]>([
  ['a figure', [figure('start.cold_ms', 'ms', 'lower', [3, 1, 2])], []],
  ['none', [], ['the figure start.cold_ms is lacking']],
  ['not a number', [figure('start.cold_ms', 'ms', 'lower', [])], [expect.stringContaining('cannot be NaN')]],
  ['nothing at all', [figure('start.cold_ms', 'ms', 'lower', [0, 0])], [expect.stringContaining('cannot be 0')]],
  ['no end', [figure('start.cold_ms', 'ms', 'lower', [1 / 0])], [expect.stringContaining('cannot be Infinity')]],
  ['less than nothing', [figure('start.cold_ms', 'ms', 'lower', [-1])], [expect.stringContaining('cannot be -1')]],
])('figures of a stage: %s', (_, figures, faults) => {
  expect(faultsOf('start', figures)).toEqual(faults);
});

test('events have the same size, about 1 KB, whatever their name', () => {
  const sizes = [0, 7, 12_345_678].map((n) => eventPrinter('matching')(findingName('s1', n)).length);
  expect(new Set(sizes).size).toBe(1);
  expect(Math.abs((sizes[0] ?? 0) - 1_024)).toBeLessThan(50);
});

test.each([
  ['HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}', { head: 'HTTP/1.1 200 OK\r\ncontent-length: 2', body: '{}' }],
  ['POST / HTTP/1.1\r\nContent-Length:3\r\n\r\nabc', { head: 'POST / HTTP/1.1\r\nContent-Length:3', body: 'abc' }],
  ['HTTP/1.1 204 No\r\n\r\n', { head: 'HTTP/1.1 204 No', body: '' }],
  ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n', 'broken'],
])('reads %j, whole or byte by byte', (text, message) => {
  expect(openReader()(Buffer.from(text))).toEqual(message);
  const read = openReader();
  const bytes = [...Buffer.from(text)].map((byte) => Buffer.of(byte));
  const answers = bytes.map((byte) => read(byte));
  expect(answers.pop()).toEqual(message);
  expect(new Set(answers)).toEqual(new Set([undefined]));
});

test('more than one message at once is broken', () => {
  expect(openReader()(Buffer.from('HTTP/1.1 204 No\r\n\r\nHTTP'))).toBe('broken');
});

test('an open loop begins all work in time, though none of it ends', async () => {
  const total = 20;
  let begun = 0;
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const work = () => {
    begun += 1;
    // Only when all has begun does any of it end: a loop that waited for answers would never get here.
    if (begun === total) open();
    return gate;
  };
  const { latencies } = await openLoop({ rate: 1_000, durationMs: total, work });
  expect(latencies).toHaveLength(total);
  // The last was due 19 ms after the first, and none ended before it had begun.
  latencies.forEach((latency, n) => {
    expect(latency).toBeGreaterThan(total - 1 - n - 0.01);
  });
});

test('an open loop counts from when the work was due, also when it was itself held up', async () => {
  const heldUpMs = 30;
  const { latencies, lateness } = await openLoop({
    rate: 1_000,
    durationMs: 10,
    work: async (n) => {
      const since = performance.now();
      while (n === 0 && performance.now() - since < heldUpMs);
    },
  });
  latencies.forEach((latency, n) => {
    expect(latency).toBeGreaterThan(heldUpMs - n - 0.01);
  });
  expect(lateness).toHaveLength(10);
});

test('a closed loop keeps as much under way as it is told, and counts what it did', async () => {
  let underWay = 0;
  let most = 0;
  let ended = 0;
  const { rounds, done } = await closedLoop({
    inFlight: 4,
    warmMs: 5,
    rounds: 3,
    roundMs: 20,
    work: async () => {
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setImmediate(resolve));
      underWay -= 1;
      ended += 1;
    },
  });
  expect({ most, rounds: rounds.length, underWay, done }).toEqual({ most: 4, rounds: 3, underWay: 0, done: ended });
});

test.each([
  ['closed', (work: () => Promise<void>) => closedLoop({ inFlight: 2, warmMs: 1, rounds: 1, roundMs: 5, work })],
  ['open', (work: () => Promise<void>) => openLoop({ rate: 100, durationMs: 50, work })],
])('the first wrong answer ends a %s loop', async (_, loop) => {
  await expect(loop(() => Promise.reject(new Error('a wrong answer')))).rejects.toThrow('a wrong answer');
});

test.each([
  [['--only', 'W3'], /the stages are W1, W2, W5, start, memory, cell, history, loop/],
  [['--fast'], /Unknown option '--fast'/],
  [['--scale', 'x'], /a number from 0.01 to 10/],
  [['--fault', 'none'], /one of stub-500/],
])('%j is refused', (args, why) => {
  expect(readOptions(args)).toEqual({ wrong: expect.stringMatching(why) });
});

test('without options every stage is measured', () => {
  expect(readOptions([])).toMatchObject({
    stages: ['W1', 'W2', 'W5', 'start', 'memory', 'cell', 'history', 'loop'],
    quick: false,
    scale: 1,
  });
});
