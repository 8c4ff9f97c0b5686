import { connect, type Socket } from 'node:net';
import { Hono } from 'hono';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { placeOf } from './resting.ts';
import { type Listening, serve } from './serve.ts';

/** Connections on real sockets, from several addresses of this machine: who makes room, and who is never cut off. */
const BOUNDS = { connections: 24, restingPerAddress: 8 };
const LARGE = 'x'.repeat(16 * 1024 * 1024);

const HEAD = 'GET /quick HTTP/1.1\r\nHost: x\r\n';
const QUICK = `${HEAD}\r\n`;
const SLOW = 'GET /slow HTTP/1.1\r\nHost: x\r\n\r\n';
const UNREAD = 'GET /large HTTP/1.1\r\nHost: x\r\n\r\n';
const HALF_BODY = 'POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab';
const HALF_CHUNK = 'POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n';

let begun: string[];
let release: () => void;
let listening: Listening;
let held: Socket[];

beforeEach(async () => {
  begun = [];
  held = [];
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const app = new Hono();
  app.use(async (c, next) => {
    begun.push(c.req.path);
    await next();
  });
  // A body that is cut off.
  app.onError((_, c) => c.text('cut off', 400));
  app.get('/quick', (c) => c.text('quick'));
  app.get('/large', (c) => c.text(LARGE));
  app.post('/body', async (c) => c.text(await c.req.text()));
  app.get('/slow', async (c) => {
    await gate;
    return c.text('slow');
  });
  listening = await serve(app, { host: '127.0.0.1', port: 0, limits: BOUNDS });
});
afterEach(async () => {
  release();
  for (const socket of held) socket.destroy();
  await listening.close();
});

const open = async (localAddress: string, text: string): Promise<Socket> => {
  const { port, hostname } = new URL(listening.url);
  const socket = connect({ port: Number(port), host: hostname, localAddress });
  held.push(socket);
  socket.on('error', () => undefined);
  // Unless a test reads it, nobody takes the answer.
  socket.pause().write(text);
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
};
const closed = (socket: Socket) =>
  new Promise<void>((resolve) => {
    if (socket.closed) return resolve();
    socket.once('close', () => resolve()).resume();
  });
const answers = (socket: Socket, count = 1) =>
  new Promise<readonly string[]>((resolve) => {
    let text = '';
    const found = () => text.match(/HTTP\/1\.1 \d+/g) ?? [];
    socket.on('data', (chunk) => {
      text += chunk;
      if (found().length >= count) resolve(found());
    });
    socket.once('close', () => resolve([...found(), 'closed']));
    socket.resume();
  });
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
};
const times = <T>(count: number, make: (index: number) => Promise<T>) =>
  Array.from({ length: count }).reduce<Promise<readonly T[]>>(
    async (made, _, index) => [...(await made), await make(index)],
    Promise.resolve([]),
  );

const RESTING: readonly [what: string, text: string, begins: string | null][] = [
  ['nothing', '', null],
  ['half a head', HEAD, null],
  ['half a body', HALF_BODY, '/body'],
  ['half a body in chunks', HALF_CHUNK, '/body'],
  ['a request that was answered', QUICK, '/quick'],
  ['an answer that nobody takes', UNREAD, '/large'],
  ['requests ahead of an answer that nobody takes', UNREAD.repeat(12), '/large'],
];
const rest = async (place: string, text: string, begins: string | null): Promise<Socket> => {
  const before = begun.length;
  const socket = await open(place, text);
  if (begins !== null) await until(() => begun.length > before);
  if (text === QUICK) await answers(socket);
  return socket;
};

/** Needs more addresses of this machine that are there without being set up. */
describe.skipIf(process.platform !== 'linux')('what rests', () => {
  test.each(RESTING)('%s: one address holds only so many, the newest', async (_, text, begins) => {
    const flood = await times(20, () => rest('127.0.0.1', text, begins));
    await Promise.all(flood.slice(0, 12).map(closed));
    expect(await answers(await open('127.0.0.2', QUICK))).toEqual(['HTTP/1.1 200']);
    expect(flood.slice(12).map((socket) => socket.closed)).toEqual(Array(8).fill(false));
  });

  test.each(RESTING)('%s: many addresses do not keep another one out', async (_, text, begins) => {
    const flood = await times(24, (index) => rest(`127.0.0.${10 + (index % 4)}`, text, begins));
    for (const oldest of flood.slice(0, 3)) {
      const socket = await open('127.0.0.2', QUICK);
      expect(await answers(socket)).toEqual(['HTTP/1.1 200']);
      await closed(oldest);
    }
    expect(flood.slice(3).map((socket) => socket.closed)).toEqual(Array(21).fill(false));
  });
});

describe.skipIf(process.platform !== 'linux')('what is being answered', () => {
  const busy = async (place: string, text: string): Promise<Socket> => {
    const before = begun.filter((path) => path === '/slow').length;
    const socket = await open(place, text);
    await until(() => begun.filter((path) => path === '/slow').length > before);
    return socket;
  };

  test.each([
    ['a request', SLOW, 1],
    ['the second of two that were sent at once', QUICK + SLOW, 2],
    ['the first of two that were sent at once', SLOW + QUICK, 2],
  ])('%s is not cut off by a flood, from its own address or from anywhere', async (_, text, count) => {
    const slow = await busy('127.0.0.1', text);
    const own = await times(20, () => open('127.0.0.1', HEAD));
    const others = await times(40, (index) => open(`127.0.0.${10 + (index % 20)}`, HEAD));
    await Promise.all([...own.slice(0, 12), ...others.slice(0, 16)].map(closed));
    release();
    expect(await answers(slow, count)).toEqual(Array(count).fill('HTTP/1.1 200'));
  });

  test('a body that comes whole at last', async () => {
    const socket = await rest('127.0.0.1', HALF_BODY, '/body');
    socket.write('cd');
    expect(await answers(socket)).toEqual(['HTTP/1.1 200']);
  });

  test('where nothing rests, the new one is not taken', async () => {
    const all = await times(BOUNDS.connections, (index) => busy(`127.0.0.${10 + (index % 4)}`, SLOW));
    expect(await answers(await open('127.0.0.2', QUICK))).toEqual(['closed']);
    release();
    expect(await Promise.all(all.map((socket) => answers(socket)))).toEqual(Array(24).fill(['HTTP/1.1 200']));
  });
});

describe('requests that are sent ahead', () => {
  test('are answered in their order, one at a time', async () => {
    const socket = await open('127.0.0.1', SLOW + QUICK.repeat(3));
    await until(() => begun.length > 0);
    expect(begun).toEqual(['/slow']);
    release();
    expect(await answers(socket, 4)).toEqual(Array(4).fill('HTTP/1.1 200'));
    expect(begun).toEqual(['/slow', '/quick', '/quick', '/quick']);
  });

  test('make no second answer while the first is not taken', async () => {
    const socket = await open('127.0.0.1', UNREAD.repeat(10));
    expect(await answers(await open('127.0.0.1', QUICK))).toEqual(['HTTP/1.1 200']);
    expect(begun).toEqual(['/large', '/quick']);
    expect(socket.closed).toBe(false);
  });

  test('are not begun when the client has gone', async () => {
    const socket = await open('127.0.0.1', SLOW + QUICK);
    await until(() => begun.length > 0);
    socket.destroy();
    const body = 'POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n';
    // When a later connection is answered, the end of the earlier one has been seen.
    await answers(await open('127.0.0.1', body));
    release();
    await answers(await open('127.0.0.1', body));
    expect(begun).toEqual(['/slow', '/body', '/body']);
  });

  test('up to 16; with more than that the connection is given up', async () => {
    const fine = await open('127.0.0.1', QUICK.repeat(17));
    expect(await answers(fine, 17)).toEqual(Array(17).fill('HTTP/1.1 200'));
    expect(await answers(await open('127.0.0.1', SLOW + QUICK.repeat(17)))).toEqual(['closed']);
  });
});

describe('the place of an address', () => {
  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::9', '2001:db8:1:2'],
    ['2001:db8::9', '2001:db8:0:0'],
    ['1::4:5:6:7:8', '1:0:0:4'],
    ['::1', '0:0:0:0'],
  ])('%s counts as %s', (address, place) => expect(placeOf(address)).toBe(place));
});
