import { type Schema, Validator } from '@cfworker/json-schema';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ACME, CONTAIN, type House, openHouse, playbook, started } from './kit.ts';

/** The published schemas, as somebody reads and uses them who has no token and nothing else of the kernel. */
// biome-ignore lint/suspicious/noExplicitAny: what came over the wire.
type Json = any;
let house: House;
beforeAll(async () => {
  house = await openHouse();
  await house.activate(playbook('contain', CONTAIN));
});
afterAll(() => house.close());

const get = (path: string, headers: Record<string, string> = {}) => fetch(house.url + path, { headers });

test('whoever has no token reads them, and keeps them until they change', async () => {
  const list = await get('/v1/schemas');
  expect([list.status, list.headers.get('content-type')]).toEqual([200, 'application/json']);
  const { data, page } = (await list.json()) as Json;
  expect(page).toEqual({ next: null });
  const names = data.map(({ name }: { name: string }) => name);
  expect(names).toEqual(expect.arrayContaining(['cloudevent', 'event', 'playbook', 'run', 'step-run', 'approval']));
  expect(names).toEqual(expect.arrayContaining(['audit-record', 'incident', 'plugin-manifest', 'problem']));
  for (const { name, id, version } of data) {
    const one = await get(`/v1/schemas/${name}`);
    expect(one.headers.get('content-type')).toBe('application/schema+json');
    expect(one.headers.get('cache-control')).toBe('public, max-age=300');
    expect(await one.json()).toMatchObject({ $id: id });
    const called = name.startsWith('lifecycle-') && name !== 'lifecycle-event' ? 'lifecycle' : `schema:${name}`;
    expect(id).toMatch(new RegExp(`^urn:interlock:${called}:(?:.*:)?v${version}$`));
    const etag = one.headers.get('etag') ?? '';
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const again = await get(`/v1/schemas/${name}`, { 'if-none-match': known });
      expect([known, again.status, again.headers.get('etag'), await again.text()]).toEqual([known, 304, etag, '']);
    }
    expect((await get(`/v1/schemas/${name}`, { 'if-none-match': '"other"' })).status).toBe(200);
  }
});

test.each(['nothing', 'constructor', '__proto__', 'run%2Fv1', 'RUN', ''])(
  'there is none of the name %j',
  async (name) => {
    const answer = await get(`/v1/schemas/${name}`);
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([404, 'no-store']);
  },
);

test('nothing but reading', async () => {
  const answer = await house.ask('all@acme', 'POST', '/v1/schemas/run', { body: {} });
  expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  const head = await fetch(`${house.url}/v1/schemas/run`, { method: 'HEAD' });
  expect([head.status, await head.text()]).toEqual([200, '']);
});

test('step runs and audit records fit theirs, of a run that was decided by a person', async () => {
  const run = started(await house.publish('contain.seen'));
  const approval = await house.until(async () => {
    const { data } = await house.ask('approver@acme', 'GET', '/v1/orgs/acme/approvals?state=pending');
    return data[0];
  });
  const path = `/v1/orgs/acme/approvals/${approval.approval}/votes`;
  const body = { decision: 'approve', rationale: 'yes', subject: approval.subject };
  await house.ask('approver@acme', 'POST', path, { body });
  const { data } = await house.ask('operator@acme', 'GET', `/v1/orgs/acme/runs/${run}?wait=10s`);
  const fits = async (name: string, values: readonly unknown[]) => {
    const validator = new Validator((await (await get(`/v1/schemas/${name}`)).json()) as Schema, '2020-12', false);
    for (const value of values) expect([value, validator.validate(value).errors]).toEqual([value, []]);
    expect(values.length).toBeGreaterThan(0);
  };
  await fits('step-run', data.steps);
  const { text } = await house.ask('auditor@acme', 'GET', `/v1/orgs/${ACME}/audit/export`);
  const records = text.split('\n').filter((line) => line !== '');
  await fits(
    'audit-record',
    records.map((line) => JSON.parse(line)),
  );

  // What came of each try says when, by whom, and where that is on record.
  const recordOf = (seq: number) => records.map((line) => JSON.parse(line)).find((record) => record.seq === seq);
  for (const { intentSeq, intentAt, endSeq, endAt, endBy } of data.steps[0].attempts) {
    expect(recordOf(intentSeq)).toMatchObject({ kind: 'step.intent', run });
    expect(recordOf(endSeq)).toMatchObject({ kind: 'step.succeeded', run, actor: endBy });
    expect(Date.parse(endAt)).toBeGreaterThanOrEqual(Date.parse(intentAt));
  }
  expect(recordOf(data.endedSeq)).toMatchObject({ kind: 'run.ended', actor: data.endedBy });
  expect(data.pins).toMatchObject({ kernel: expect.stringMatching(/^\d+\.\d+\.\d+$/), playbook: data.digest });
});

test('a person who ends a run is named in it', async () => {
  const run = started(await house.publish('contain.seen'));
  const body = { reason: 'false positive' };
  const { data } = await house.ask('operator@acme', 'POST', `/v1/orgs/acme/runs/${run}/cancel`, { body });
  expect([data.state, data.endedBy]).toEqual(['cancelled', 'principal:operator@acme']);
});
