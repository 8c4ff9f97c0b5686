/**
 * Every way to write a place, a method or a header so that it is taken for what was granted. The resolver gives the
 * listener's address for any name, and the rule grants that address: what is denied here is denied by what the request
 * says, and what was not denied would be counted at the listener.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { HttpRequest } from '../../sdk/contract/plugin.ts';
import { ruleFor } from './ask.ts';
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
  it.each([
    ['2130706433', 'E_HOST'],
    ['0177.0.0.1', 'E_HOST'],
    ['0x7f.1', 'E_HOST'],
    ['0x7f000001', 'E_HOST'],
    ['127.1', 'E_HOST'],
    ['127.0.1', 'E_HOST'],
    ['0', 'E_HOST'],
    ['127.0.0.01', 'E_HOST'],
    ['127.0.0.1.', 'E_HOST'],
    ['①②⑦.⓪.⓪.①', 'E_URL'],
    ['127。0。0。1', 'E_URL'],
    ['127.0.0.1', 'E_IP_LITERAL'],
    ['127.0.0.2', 'E_IP_LITERAL'],
    ['0.0.0.0', 'E_IP_LITERAL'],
    ['169.254.169.254', 'E_IP_LITERAL'],
    ['10.0.0.1', 'E_IP_LITERAL'],
    ['255.255.255.255', 'E_IP_LITERAL'],
    ['8.8.8.8', 'E_IP_LITERAL'],
  ])('%s: %s', (host, code) => expectDeniedUrl(`http://${host}:PORT/v1/items`, code));
});

describe('IPv6 in all forms', () => {
  it.each([
    ['[::1]', 'E_IP_LITERAL'],
    ['[::]', 'E_IP_LITERAL'],
    ['[::ffff:7f00:1]', 'E_IP_LITERAL'],
    ['[::ffff:127.0.0.1]', 'E_HOST'],
    ['[::127.0.0.1]', 'E_HOST'],
    ['[::7f00:1]', 'E_IP_LITERAL'],
    ['[0:0:0:0:0:0:0:1]', 'E_HOST'],
    ['[64:ff9b::7f00:1]', 'E_IP_LITERAL'],
    ['[64:ff9b:1::7f00:1]', 'E_IP_LITERAL'],
    ['[2002:7f00:1::]', 'E_IP_LITERAL'],
    ['[2001::7f00:1]', 'E_IP_LITERAL'],
    ['[fe80::5efe:7f00:1]', 'E_IP_LITERAL'],
    ['[fd00::1]', 'E_IP_LITERAL'],
    ['[fec0::1]', 'E_IP_LITERAL'],
    ['[fe80::1%25lo]', 'E_URL'],
    ['[fe80::1%lo]', 'E_URL'],
    ['[2001:db8::1]', 'E_IP_LITERAL'],
    ['[3fff::1]', 'E_IP_LITERAL'],
    ['[5f00::1]', 'E_IP_LITERAL'],
    ['[ff02::1]', 'E_IP_LITERAL'],
    ['::1', 'E_URL'],
  ])('%s: %s', (host, code) => expectDeniedUrl(`http://${host}:PORT/v1/items`, code));
});

describe('names that look like the granted one, or lead here', () => {
  it.each([
    ['localhost', 'E_NOT_ALLOWED'],
    ['localhost.', 'E_HOST'],
    ['api.test.', 'E_HOST'],
    ['.api.test', 'E_HOST'],
    ['api..test', 'E_HOST'],
    ['api.test.evil.test', 'E_NOT_ALLOWED'],
    ['evilapi.test', 'E_NOT_ALLOWED'],
    ['x.api.test', 'E_NOT_ALLOWED'],
    ['test', 'E_NOT_ALLOWED'],
    ['*.test', 'E_HOST'],
    ['ａｐｉ.test', 'E_URL'],
    ['api。test', 'E_URL'],
    ['a\u00adpi.test', 'E_URL'],
    ['\u0430pi.test', 'E_URL'],
    ['xn--pi-7ba.test', 'E_NOT_ALLOWED'],
    ['xn--a', 'E_NOT_ALLOWED'],
    ['api%2etest', 'E_HOST'],
    ['api_test', 'E_HOST'],
  ])('%s: %s', (host, code) => expectDeniedUrl(`http://${host}:PORT/v1/items`, code));
});

describe('URLs that different readers take apart differently', () => {
  it.each([
    ['http://api.test:PORT@evil.test/v1/items', 'E_USERINFO'],
    ['http://evil.test:PORT@api.test:PORT/v1/items', 'E_USERINFO'],
    ['http://user@api.test:PORT/v1/items', 'E_USERINFO'],
    ['http://@api.test:PORT/v1/items', 'E_USERINFO'],
    ['http://api.test:80@api.test:PORT/v1/items', 'E_USERINFO'],
    ['http://api.test:PORT\\@evil.test/v1/items', 'E_URL'],
    ['http:\\\\api.test:PORT/v1/items', 'E_URL'],
    ['http://api.test:PORT/v1/items\t', 'E_URL'],
    ['http://api.te\nst:PORT/v1/items', 'E_URL'],
    [' http://api.test:PORT/v1/items', 'E_URL'],
    ['http://api.test:PORT/v1/a b', 'E_URL'],
    ['http://api.test:PORT/v1/%0d%0aHost:%20evil.test', 'E_PATH'],
    ['http://api.test:PORT/v1/%00', 'E_PATH'],
    ['http://api.test:PORT/v1/../admin', 'E_PATH'],
    ['http://api.test:PORT/v1/%2e%2e/admin', 'E_PATH'],
    ['http://api.test:PORT/v1/%252e%252e/admin', 'E_PATH'],
    ['http://api.test:PORT/v1/..;/admin', 'E_PATH'],
    ['http://api.test:PORT/v1%2fitems', 'E_PATH'],
    ['http://api.test:PORT/v1/items%5c..', 'E_PATH'],
    ['http://api.test:PORT/v1/%ff', 'E_PATH'],
    ['http://api.test:PORT/v1/items#x', 'E_URL'],
    ['http://api.test:PORT/v10/items', 'E_NOT_ALLOWED'],
    ['http://api.test:PORT//v1/items', 'E_NOT_ALLOWED'],
    ['http://api.test:0PORT/v1/items', 'E_HOST'],
    ['http://api.test:/v1/items', 'E_HOST'],
    ['file:///etc/passwd', 'E_SCHEME'],
    ['data:text/plain,x', 'E_URL'],
    ['ftp://api.test:PORT/v1/items', 'E_SCHEME'],
    ['gopher://api.test:PORT/v1/items', 'E_SCHEME'],
    ['ws://api.test:PORT/v1/items', 'E_SCHEME'],
    ['unix:///run/docker.sock', 'E_SCHEME'],
    ['blob:http://api.test:PORT/v1', 'E_URL'],
    ['javascript:1', 'E_URL'],
    ['//api.test:PORT/v1/items', 'E_URL'],
    ['https://api.test:PORT/v1/items', 'E_NOT_ALLOWED'],
    ['http://api.test/v1/items', 'E_NOT_ALLOWED'],
    ['http://api.test:1/v1/items', 'E_NOT_ALLOWED'],
  ])('%j: %s', (url, code) => expectDeniedUrl(url, code));
});

describe('methods', () => {
  it.each([
    ['DELETE', 'E_NOT_ALLOWED'],
    ['CONNECT', 'E_METHOD'],
    ['TRACE', 'E_METHOD'],
    ['OPTIONS', 'E_METHOD'],
    ['get', 'E_METHOD'],
    [' GET', 'E_METHOD'],
    ['GET ', 'E_METHOD'],
    ['GET /admin HTTP/1.1\r\nx: y', 'E_METHOD'],
    ['GET\0', 'E_METHOD'],
    ['', 'E_METHOD'],
  ])('%j: %s', (method, code) => expectDenied({ method }, code));
});

describe('headers', () => {
  it.each<[string, string, string]>([
    ['host', 'evil.test', 'E_HEADER'],
    ['Host', 'evil.test', 'E_HEADER'],
    ['hOST', 'api.test', 'E_HEADER'],
    ['host ', 'evil.test', 'E_HEADER'],
    ['transfer-encoding', 'chunked', 'E_HEADER'],
    ['content-length', '0', 'E_HEADER'],
    ['upgrade', 'websocket', 'E_HEADER'],
    ['connection', 'x-api-key', 'E_HEADER'],
    ['expect', '100-continue', 'E_HEADER'],
    ['te', 'trailers', 'E_HEADER'],
    ['trailer', 'x', 'E_HEADER'],
    ['proxy-authorization', 'Basic x', 'E_HEADER'],
    ['proxy-connection', 'close', 'E_HEADER'],
    ['authorization', 'Bearer x', 'E_HEADER'],
    ['Authorization', 'Bearer x', 'E_HEADER'],
    ['cookie', 'a=b', 'E_HEADER'],
    ['x-api-key', 'mine', 'E_HEADER'],
    ['X-Api-Key', 'mine', 'E_HEADER'],
    ['x_api_key', 'mine', 'E_HEADER'],
    ['forwarded', 'for=127.0.0.1', 'E_HEADER'],
    ['x-forwarded-host', 'evil.test', 'E_HEADER'],
    ['x-forwarded-for', '127.0.0.1', 'E_HEADER'],
    ['x-original-url', '/admin', 'E_HEADER'],
    ['x-http-method-override', 'DELETE', 'E_HEADER'],
    ['accept-encoding', 'gzip', 'E_HEADER'],
    ['idempotency-key', 'mine', 'E_HEADER'],
    ['accept', 'a\r\nhost: evil.test', 'E_HEADER'],
    ['accept', 'a\nb', 'E_HEADER'],
    ['accept', 'a\0b', 'E_HEADER'],
    ['accept', 'é', 'E_HEADER'],
    ['accept\r\nhost', 'evil.test', 'E_HEADER'],
    ['accept:', 'x', 'E_HEADER'],
    ['', 'x', 'E_HEADER'],
    ['x-impersonate-user', 'admin', 'E_HEADER_NOT_ALLOWED'],
    ['referer', 'http://evil.test/', 'E_HEADER_NOT_ALLOWED'],
  ])('%j: %j: %s', (name, value, code) => expectDenied({ headers: { [name]: value } }, code));
});

it('nobody else has connected, at once or later', async () => {
  expect(await ask({})).toMatchObject({ asked: { ok: true } });
  expect(upstream.connections.length).toBe(2);
});
