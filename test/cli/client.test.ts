import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Answer } from '../../sdk/client/answer.ts';
import { type Client, createClient, rowsOf } from '../../sdk/client/client.ts';
import { type Double, data, openDouble, problem, type Reply } from './double.ts';
import { SECRET, TOKEN } from './run.ts';
import * as samples from './samples.ts';

const ORG = '/v1/orgs/acme';
const { RUN_ID, APPROVAL_ID, EVENT_ID, SUBJECT, DIGEST } = samples;

let server: Double;
let client: Client;
beforeAll(async () => {
  server = await openDouble();
  client = createClient({ url: new URL(server.url), token: TOKEN });
});
afterAll(() => server.close());
beforeEach(() => server.answers({}));

const head = {
  format: 'interlock/audit-head/v1',
  scope: 'org',
  log: 'k1',
  org: 'acme',
  records: 2,
  seq: 7,
  leaf: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',
  exportedAt: '2026-11-23T00:00:00.000Z',
};
const headHeader = Buffer.from(JSON.stringify(head)).toString('base64url');

describe('each function asks its route and gives what was said', () => {
  const form = { decision: 'approve', rationale: 'x', subject: SUBJECT } as const;
  const yaml = 'kind: Playbook\n';
  const lint = samples.lintInvalid;
  const put = { ...samples.playbook, digest: SUBJECT };

  test.each<[string, (c: Client) => Promise<Answer<unknown>>, string, unknown, unknown, string?]>([
    ['whoami', (c) => c.whoami(), 'GET /v1/whoami', samples.whoami, ''],
    ['event', (c) => c.event(EVENT_ID), `GET ${ORG}/events/${EVENT_ID}`, undefined, ''],
    [
      'events',
      (c) => c.events({ outcome: 'suppressed' }, { limit: 5 }),
      `GET ${ORG}/events`,
      undefined,
      '',
      '?outcome=suppressed&limit=5',
    ],
    ['run', (c) => c.run(RUN_ID), `GET ${ORG}/runs/${RUN_ID}`, samples.waitingRun, ''],
    ['run, waiting', (c) => c.run(RUN_ID, 2_000), `GET ${ORG}/runs/${RUN_ID}`, samples.waitingRun, '', '?wait=2000ms'],
    [
      'runAgain',
      (c) => c.runAgain(RUN_ID, { reason: 'x' }),
      `POST ${ORG}/runs/${RUN_ID}/again`,
      samples.againRun,
      { reason: 'x' },
    ],
    [
      'pauseRun',
      (c) => c.pauseRun(RUN_ID, { reason: 'x' }),
      `POST ${ORG}/runs/${RUN_ID}/pause`,
      samples.pausedRun,
      { reason: 'x' },
    ],
    ['resumeRun', (c) => c.resumeRun(RUN_ID), `POST ${ORG}/runs/${RUN_ID}/resume`, samples.resumedRun, ''],
    [
      'cancelRun',
      (c) => c.cancelRun(RUN_ID, { reason: 'x' }),
      `POST ${ORG}/runs/${RUN_ID}/cancel`,
      samples.failedRun,
      { reason: 'x' },
    ],
    [
      'closeRun',
      (c) => c.closeRun(RUN_ID, { note: 'x' }),
      `POST ${ORG}/runs/${RUN_ID}/close`,
      samples.failedRun,
      { note: 'x' },
    ],
    [
      'settleRun',
      (c) => c.settleRun(RUN_ID, { step: 'ban', outcome: 'failed', note: 'x' }),
      `POST ${ORG}/runs/${RUN_ID}/settle`,
      samples.waitingRun,
      { step: 'ban', outcome: 'failed', note: 'x' },
    ],
    ['approval', (c) => c.approval(APPROVAL_ID), `GET ${ORG}/approvals/${APPROVAL_ID}`, samples.approval, ''],
    [
      'vote',
      (c) => c.vote(APPROVAL_ID, form),
      `POST ${ORG}/approvals/${APPROVAL_ID}/votes`,
      samples.voted('approve'),
      form,
    ],
    ['lintPlaybook', (c) => c.lintPlaybook(yaml), `POST ${ORG}/playbooks/lint`, lint, yaml],
    ['putPlaybook', (c) => c.putPlaybook(yaml), `POST ${ORG}/playbooks`, put, yaml],
    ['playbook', (c) => c.playbook('contain-c2'), `GET ${ORG}/playbooks/contain-c2`, samples.playbook, ''],
    [
      'activatePlaybook',
      (c) => c.activatePlaybook('contain-c2', DIGEST),
      `POST ${ORG}/playbooks/contain-c2/activate`,
      samples.playbook,
      { digest: DIGEST },
    ],
    ['auditHead', (c) => c.auditHead(), `GET ${ORG}/audit/head`, head, ''],
    ['setSecret', (c) => c.setSecret('key', 'v'), `PUT ${ORG}/secrets/key`, { name: 'key' }, { value: 'v' }],
    [
      'rotateSecret',
      (c) => c.rotateSecret('key', 'v', false),
      `POST ${ORG}/secrets/key/rotate`,
      samples.secretRotated,
      { value: 'v' },
    ],
    ['removeSecret', (c) => c.removeSecret('key'), `DELETE ${ORG}/secrets/key`, { name: 'key' }, ''],
    [
      'createToken',
      (c) => c.createToken({ principal: 'siem', roles: ['source'] }),
      `POST ${ORG}/tokens`,
      samples.newToken,
      { principal: 'siem', roles: ['source'] },
    ],
    ['revokeToken', (c) => c.revokeToken('ab'), `DELETE ${ORG}/tokens/ab`, { tokenId: '0123456789abcdef' }, ''],
  ])('%s', async (_name, call, route, value, body, query = '') => {
    if (value !== undefined) server.answers({ [route]: data(value) });
    const answer = await call(client);
    if (value !== undefined) expect(answer).toEqual({ ok: true, value });
    else expect(answer).toMatchObject({ ok: false, error: { kind: 'problem', problem: { status: 404 } } });
    const [asked] = server.asked;
    expect(`${asked?.method} ${asked?.path}`).toBe(`${route}${query}`);
    expect(asked?.headers.authorization).toBe(`Bearer ${TOKEN}`);
    expect(asked?.body).toBe(typeof body === 'string' ? body : JSON.stringify(body));
  });

  test('fields that this version does not know come through', async () => {
    const later = { ...samples.whoami, since: 'v9' };
    server.answers({ 'GET /v1/whoami': data(later) });
    expect(await client.whoami()).toEqual({ ok: true, value: later });
  });

  test('a path in the address is kept, names are encoded, and none climbs out of its route', async () => {
    const prefixed = createClient({ url: new URL(`${server.url}/il/`), token: TOKEN });
    await prefixed.incident('a/../b?c#d');
    expect(server.asked[0]?.path).toBe(`/il${ORG}/incidents/a%2F..%2Fb%3Fc%23d`);
    for (const name of ['', '.', '..']) await expect(client.incident(name)).rejects.toThrow(RangeError);
    expect(server.asked).toHaveLength(1);
  });
});

describe('lists', () => {
  const runs = (one: Client) => rowsOf((paging) => one.runs({ state: 'failed' }, paging), 2);
  const collect = async (rows: AsyncIterable<Answer<unknown>>) => {
    const all = [];
    for await (const row of rows) all.push(row);
    return all;
  };

  test('go on over short and empty pages to the last one, with the same filter', async () => {
    server.answers({
      [`GET ${ORG}/runs`]: [data([samples.summary], 'c1'), data([], 'c2'), data([samples.completed], null)],
    });
    expect(await collect(runs(client))).toEqual([
      { ok: true, value: samples.summary },
      { ok: true, value: samples.completed },
    ]);
    expect(server.asked.map(({ path }) => path)).toEqual([
      `${ORG}/runs?state=failed&limit=2`,
      `${ORG}/runs?state=failed&limit=2&cursor=c1`,
      `${ORG}/runs?state=failed&limit=2&cursor=c2`,
    ]);
  });

  test('end with the fault that kept them from going on', async () => {
    server.answers({ [`GET ${ORG}/runs`]: [data([samples.summary], 'c1'), problem(503, 'record-unavailable', 'No')] });
    expect(await collect(runs(client))).toMatchObject([{ ok: true }, { ok: false, error: { kind: 'problem' } }]);
  });

  test('do not go round in circles', async () => {
    server.answers({ [`GET ${ORG}/runs`]: data([samples.summary], 'c1') });
    expect((await collect(runs(client))).at(-1)).toMatchObject({ ok: false, error: { kind: 'strange' } });
  });
});

describe('whatever answers', () => {
  const json = { 'content-type': 'application/json' };
  const raw = (status: number, headers: Record<string, string>, body: string | Uint8Array): Reply => ({
    kind: 'raw',
    status,
    headers,
    body,
  });

  test.each<[string, Reply, object]>([
    ['a page in HTML', raw(200, { 'content-type': 'text/html' }, '<h1>Welcome</h1>'), { kind: 'strange', status: 200 }],
    [
      'an error page of a proxy',
      raw(502, { 'content-type': 'text/html' }, '<h1>Bad</h1>'),
      { kind: 'strange', status: 502 },
    ],
    ['JSON without type', raw(200, {}, '{"data":{}}'), { kind: 'strange' }],
    ['half a JSON document', raw(200, json, '{"data":{"org":"ac'), { kind: 'strange' }],
    ['bytes that are no UTF-8', raw(200, json, Buffer.from([0x22, 0xff, 0x22])), { kind: 'strange' }],
    ['another shape', data({ org: 'acme', principal: 7, roles: [] }), { kind: 'strange' }],
    ['a role that does not exist', data({ ...samples.whoami, roles: ['root'] }), { kind: 'strange' }],
    ['no envelope', raw(200, json, JSON.stringify(samples.whoami)), { kind: 'strange' }],
    ['nothing', raw(204, {}, ''), { kind: 'strange' }],
    [
      'more than anyone should send',
      raw(200, json, `{"data":"${'x'.repeat(17 * 1024 * 1024)}"}`),
      { kind: 'strange', why: 'its answer is larger than 16 MiB' },
    ],
    ['a problem that is none', raw(500, { 'content-type': 'application/problem+json' }, '[1]'), { kind: 'strange' }],
    ['an answer that breaks off', { kind: 'cut', headers: json, body: '{"data":' }, { kind: 'unreachable' }],
    [
      'a problem',
      problem(429, 'too-many-waits', 'Later', { detail: 'Wait.', errors: [{ pointer: '/a', text: 'b' }] }),
      {
        kind: 'problem',
        problem: { status: 429, title: 'Later', detail: 'Wait.', errors: [{ pointer: '/a', text: 'b' }] },
      },
    ],
  ])('%s', async (_name, reply, error) => {
    server.answers({ 'GET /v1/whoami': reply });
    const answer = await client.whoami();
    expect(answer).toMatchObject({ ok: false, error });
    expect(JSON.stringify(answer)).not.toContain(SECRET);
  });

  test.each([301, 302, 303, 307, 308])(
    'a redirect with %i is not followed, so the token stays here',
    async (status) => {
      const elsewhere = await openDouble();
      elsewhere.answers({ 'GET /v1/whoami': data(samples.whoami) });
      server.answers({ 'GET /v1/whoami': raw(status, { location: `${elsewhere.url}/v1/whoami` }, '') });
      expect(await client.whoami()).toEqual({ ok: false, error: { kind: 'redirected', status } });
      expect(elsewhere.asked).toEqual([]);
      await elsewhere.close();
    },
  );

  test('silence ends with the patience', async () => {
    const hasty = createClient({ url: new URL(server.url), token: TOKEN, timeoutMs: 50 });
    server.answers({ 'GET /v1/whoami': { kind: 'silence' } });
    expect(await hasty.whoami()).toEqual({ ok: false, error: { kind: 'timeout', afterMs: 50 } });
  });

  test('nobody listens', async () => {
    const gone = await openDouble();
    await gone.close();
    const answer = await createClient({ url: new URL(gone.url), token: TOKEN }).whoami();
    expect(answer).toEqual({ ok: false, error: { kind: 'unreachable', code: 'ECONNREFUSED' } });
  });

  test('what is no token makes no client', () => {
    expect(() => createClient({ url: new URL(server.url), token: 'secret' })).toThrow(RangeError);
  });
});

describe('the audit export', () => {
  const route = `GET ${ORG}/audit/export`;
  const ndjson = { 'content-type': 'application/x-ndjson' };
  const read = async (chunks: AsyncIterable<Answer<Uint8Array>>) => {
    const parts: Uint8Array[] = [];
    for await (const chunk of chunks) {
      if (!chunk.ok) return chunk.error;
      parts.push(chunk.value);
    }
    return Buffer.concat(parts).toString('utf8');
  };

  test('gives the head and the bytes', async () => {
    const headers = { ...ndjson, 'interlock-audit-head': headHeader };
    server.answers({ [route]: { kind: 'raw', status: 200, headers, body: 'a\nb\n' } });
    const answer = await client.auditExport();
    expect(answer.ok && answer.value.head).toEqual(head);
    expect(answer.ok && (await read(answer.value.chunks))).toBe('a\nb\n');
  });

  test('says when it is cut', async () => {
    const headers = { ...ndjson, 'interlock-audit-head': headHeader };
    server.answers({ [route]: { kind: 'cut', headers, body: 'a\n' } });
    const answer = await client.auditExport();
    expect(answer.ok && (await read(answer.value.chunks))).toMatchObject({ kind: 'unreachable' });
  });

  test.each([undefined, '', 'e30', '%%', Buffer.from('{"format":1}').toString('base64url')])(
    'without a head it is none: %s',
    async (header) => {
      const headers = header === undefined ? ndjson : { ...ndjson, 'interlock-audit-head': header };
      server.answers({ [route]: { kind: 'raw', status: 200, headers, body: 'a\n' } });
      expect(await client.auditExport()).toMatchObject({ ok: false, error: { kind: 'strange' } });
    },
  );
});
