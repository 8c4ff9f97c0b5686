import { request } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import type { Kernel } from '../../kernel/flow/kernel.ts';
import { createApp } from '../../kernel/http/app.ts';
import { ACME, type House, openHouse } from './kit.ts';

/** The export of a large log: as much as the reader takes, and others are served in between. */
const LINE = JSON.stringify({ kind: 'test', filler: 'x'.repeat(180) });
const LINES = 400_000;

/** A log too large for any buffer between here and there; counts what is read of it. */
const withLargeLog =
  (read: { count: number; stopped: boolean }, most = LINES) =>
  (kernel: Kernel): Kernel => ({
    ...kernel,
    auditExport: (org) => ({
      head: kernel.auditExport(org).head,
      lines: (function* () {
        try {
          for (; read.count < most; read.count++) yield LINE;
        } finally {
          read.stopped = true;
        }
      })(),
    }),
  });

let house: House;
afterEach(() => house.close());

const openExport = (path = '/v1/orgs/acme/audit/export') => {
  const { port, hostname } = new URL(house.url);
  const asking = request({
    port,
    host: hostname,
    path,
    headers: { authorization: `Bearer ${house.tokens.get('auditor@acme')}` },
  });
  asking.end();
  return asking;
};

test('a reader who stops reading stops the reading of the log', async () => {
  const read = { count: 0, stopped: false };
  house = await openHouse({ alter: withLargeLog(read) });
  const asking = openExport();
  await new Promise((resolve) => asking.once('response', (response) => response.once('readable', resolve)));
  // Until nothing more is read: then every buffer on the way is full.
  for (let last = -1; last !== read.count; ) {
    last = read.count;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(read.count).toBeGreaterThan(0);
  expect(read.count).toBeLessThan(LINES / 2);
  asking.destroy();
  await house.until(() => (read.stopped ? true : undefined));
  expect(house.logged).toEqual([]);
});

test('a reader who reads gets every line', async () => {
  const read = { count: 0, stopped: false };
  house = await openHouse({ alter: withLargeLog(read, 30_000) });
  const reply = await house.ask('auditor@acme', 'GET', '/v1/orgs/acme/audit/export');
  expect(reply.text).toBe(`${LINE}\n`.repeat(30_000));
});

describe('within the process', () => {
  test('others have their turn between any two pieces', async () => {
    house = await openHouse({ alter: withLargeLog({ count: 0, stopped: false }, 30_000) });
    const app = createApp(withLargeLog({ count: 0, stopped: false }, 30_000)(house.kernel));
    const headers = { authorization: `Bearer ${house.tokens.get('auditor@acme')}` };
    const response = await app.request('/v1/orgs/acme/audit/export', { headers });
    let turns = 0;
    let isOver = false;
    const turn = () => {
      turns++;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    let pieces = 0;
    for await (const piece of response.body ?? []) {
      pieces++;
      expect(piece.byteLength).toBeLessThan(100_000);
    }
    isOver = true;
    expect(pieces).toBeGreaterThan(50);
    expect(turns).toBeGreaterThanOrEqual(pieces - 1);
  });

  test('an empty log is an empty answer with a head', async () => {
    house = await openHouse({ alter: withLargeLog({ count: 0, stopped: false }, 0) });
    const reply = await house.ask('auditor@acme', 'GET', `/v1/orgs/${ACME}/audit/export`);
    expect([reply.status, reply.text]).toEqual([200, '']);
  });
});

test('close waits for answers under way, then ends every connection', async () => {
  const read = { count: 0, stopped: false };
  house = await openHouse({ alter: withLargeLog(read) });
  const asking = openExport();
  const response = await new Promise<NodeJS.ReadableStream>((resolve) => asking.once('response', resolve));
  const ended = new Promise((resolve) => response.once('error', resolve));
  asking.on('error', () => undefined);
  await house.close();
  response.resume();
  await expect(ended).resolves.toBeInstanceOf(Error);
  await expect(fetch(`${house.url}/healthz`)).rejects.toThrow();
});
