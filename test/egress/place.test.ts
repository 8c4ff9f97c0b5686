/**
 * Every way to write a place, a method or a header so that it is taken for what was granted. The resolver gives the
 * listener's address for any name, and the rule grants that address: what is denied here is denied by what the request
 * says, and what was not denied would be counted at the listener.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { HttpRequest } from '../../sdk/contract/plugin.ts';
import { ruleFor } from './ask.ts';
import { HEADERS, IPV4, IPV6, METHODS, NAMES, URLS } from './hostile-requests.ts';
import { CANARY, openSteps, secret, to } from './steps.ts';
import { answer, openUpstream, type Upstream } from './upstream.ts';

let upstream: Upstream;
let steps: Awaited<ReturnType<typeof openSteps>>;
beforeAll(async () => {
  upstream = await openUpstream((_, socket) => socket.end(answer(200, { connection: 'close' })), { host: '::' });
  steps = await openSteps();
});
afterAll(async () => {
  await Promise.all([steps.close(), upstream.close()]);
});
let before = 0;
afterEach(() => {
  before = upstream.connections.length;
});

const ask = async (part: Partial<HttpRequest>) => {
  const rule = ruleFor(upstream.port, { pathPrefix: '/v1', methods: ['GET', 'POST'], secret });
  const step = steps.start([rule]);
  const asked = await step.handle(to(upstream.port, part));
  return { asked, use: await step.close(), connected: upstream.connections.length - before };
};
const expectDenied = async (part: Partial<HttpRequest>, code: string) => {
  const { asked, use, connected } = await ask(part);
  expect(asked).toEqual({ denied: expect.stringMatching(new RegExp(`^${code}: `)) });
  expect([use.requests, use.secrets, connected]).toEqual([0, [], 0]);
  // Told to the operator, and neither here nor in the answer with the value of the secret.
  expect(steps.refused.at(-1)?.reason).toMatch(code);
  expect(JSON.stringify([asked, steps.refused.at(-1)])).not.toContain(CANARY);
};
const expectDeniedUrl = (url: string, code: string) =>
  expectDenied({ url: url.replaceAll('PORT', `${upstream.port}`) }, code);

it('the granted place is reached: without this row the others would prove nothing', async () => {
  expect(await ask({})).toMatchObject({ asked: { ok: true, status: 200 }, connected: 1 });
});

describe('IPv4 in all spellings', () => {
  it.each(IPV4)('%s: %s', (host, code) => expectDeniedUrl(`http://${host}:PORT/v1/items`, code));
});

describe('IPv6 in all forms', () => {
  it.each(IPV6)('%s: %s', (host, code) => expectDeniedUrl(`http://${host}:PORT/v1/items`, code));
});

describe('names that look like the granted one, or lead here', () => {
  it.each(NAMES)('%s: %s', (host, code) => expectDeniedUrl(`http://${host}:PORT/v1/items`, code));
});

describe('URLs that different readers take apart differently', () => {
  it.each(URLS)('%j: %s', (url, code) => expectDeniedUrl(url, code));
});

describe('methods', () => {
  it.each(METHODS)('%j: %s', (method, code) => expectDenied({ method }, code));
});

describe('headers', () => {
  it.each(HEADERS)('%j: %j: %s', (name, value, code) => expectDenied({ headers: { [name]: value } }, code));
});

it('nobody else has connected, at once or later', async () => {
  expect(await ask({})).toMatchObject({ asked: { ok: true } });
  expect(upstream.connections.length).toBe(2);
});
