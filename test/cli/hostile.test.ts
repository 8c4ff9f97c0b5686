import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Double, data, openDouble, problem, type Reply } from './double.ts';
import { interlock, TOKEN } from './run.ts';
import * as samples from './samples.ts';

/** What a server, or whatever sits in its place, may say: none of it reaches the terminal as a command. */
vi.setConfig({ testTimeout: 30_000 });

let server: Double;
beforeAll(async () => {
  server = await openDouble();
});
afterAll(() => server.close());

const run = (...args: readonly string[]) => interlock(args, { url: server.url });

// Moves the cursor, retitles the window, clears (7 and 8 bit), turns the reading direction, hides, ends the line.
const HOSTILE = 'x\u001b[2J\u001b]0;pwned\u0007\u009b2K\u202e\u200b\u2028\r\nfake: ok\u0000';
const CONTROL = /[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]/u;

describe('text that would take over the terminal', () => {
  const org = '/v1/orgs/acme';
  const row = { ...samples.failedRun, reason: HOSTILE, requester: HOSTILE };

  test.each<[string, readonly string[], string, Reply]>([
    ['in an answer', ['whoami'], 'GET /v1/whoami', data({ ...samples.whoami, principal: HOSTILE })],
    ['in a list', ['run', 'list'], `GET ${org}/runs`, data([row], null)],
    ['in a run', ['run', 'show', samples.RUN_ID], `GET ${org}/runs/${samples.RUN_ID}`, data(row)],
    [
      'in a refusal',
      ['whoami'],
      'GET /v1/whoami',
      problem(409, HOSTILE, HOSTILE, { detail: HOSTILE, errors: [{ pointer: HOSTILE, text: HOSTILE }] }),
    ],
  ])('%s is printed without it', async (_name, args, route, reply) => {
    server.answers({ [route]: reply });
    const { stdout, stderr } = await run(...args);
    expect(stdout + stderr).toContain('fake: ok');
    expect(stdout + stderr).not.toMatch(CONTROL);
    expect(stdout + stderr).not.toMatch(/^fake/m);
  });

  test('in JSON is escaped, and the same value', async () => {
    server.answers({ 'GET /v1/whoami': data({ ...samples.whoami, principal: HOSTILE }) });
    const { stdout } = await run('whoami', '--json');
    expect(JSON.parse(stdout).principal).toBe(HOSTILE);
    expect(stdout).not.toMatch(CONTROL);
    server.answers({ 'GET /v1/whoami': problem(409, 'x', HOSTILE) });
    const refused = await run('whoami', '--json');
    expect(JSON.parse(refused.stdout).title).toBe(HOSTILE);
    expect(refused.stdout).not.toMatch(CONTROL);
  });
});

describe('what is no answer of this API', () => {
  const raw = (status: number, type: string, body: string, headers = {}): Reply => ({
    kind: 'raw',
    status,
    headers: { 'content-type': type, ...headers },
    body,
  });
  const deep = `{"data":{"org":"acme","principal":"a","roles":[],"permissions":[],"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`;

  test.each<[string, Reply, string]>([
    ['a page in HTML', raw(200, 'text/html', '<script>alert(1)</script>'), 'not an Interlock server'],
    ['an error page of a proxy', raw(502, 'text/html', '<h1>Bad gateway</h1>'), 'status 502 and no explanation'],
    ['another shape', data({ org: ['acme'] }), 'has another shape'],
    ['a redirect', raw(307, 'text/plain', '', { location: 'http://192.0.2.1/' }), 'The token is not carried along'],
    [
      'an answer that breaks off',
      { kind: 'cut', headers: { 'content-type': 'application/json' }, body: '{' },
      'connection failed',
    ],
    ['nesting without end', raw(200, 'application/json', deep), 'nested deeper than 256'],
  ])('%s: one short paragraph, no answer, and nothing of it on stdout', async (_name, reply, text) => {
    server.answers({ 'GET /v1/whoami': reply });
    const ran = await run('whoami', '--json');
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain(text);
    expect(ran.stderr).toMatch(/^interlock: [^\n]{1,900}\n$/);
    expect(ran.stderr).not.toContain('<');
  });

  test('a refusal that repeats the token: neither the sentence nor the document shows it', async () => {
    server.answers({ 'GET /v1/whoami': problem(409, 'x', `No, ${TOKEN}`) });
    const ran = await run('whoami', '--json');
    expect(JSON.parse(ran.stdout).title).toBe('No, ilk_(hidden)');
    expect(ran.stderr).toContain('No, ilk_(hidden)');
  });

  test('an endless refusal: one short paragraph for people, and the whole of it in JSON', async () => {
    const title = 'x'.repeat(1_000_000);
    server.answers({ 'GET /v1/whoami': problem(500, 'internal', title) });
    const ran = await run('whoami', '--json');
    expect(ran.code).toBe(2);
    expect(JSON.parse(ran.stdout).title).toBe(title);
    expect(ran.stderr).toMatch(/^interlock: [^\n]{1,899}xxx… [^\n]{1,200}\n$/);
  });

  test('nobody at all: says how to start one', async () => {
    const gone = await openDouble();
    await gone.close();
    const ran = await interlock(['whoami'], { url: gone.url });
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toBe(
      `interlock: cannot reach ${gone.url}: nothing listens there. Start the kernel that belongs there, or give another address with --url.\n`,
    );
  });
});
