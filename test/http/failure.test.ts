import { expect, test } from 'vitest';
import type { WriteFault } from '../../kernel/adapter/memory/store.ts';
import { InvariantError } from '../../kernel/base/assert.ts';
import { LIMITS } from '../../kernel/base/limits.ts';
import { err } from '../../kernel/base/result.ts';
import type { Kernel } from '../../kernel/flow/kernel.ts';
import { createApp } from '../../kernel/http/app.ts';
import { serve } from '../../kernel/http/serve.ts';
import { callsOf, NOWHERE } from './calls.ts';
import { event, openHouse, playbook, type Reply } from './kit.ts';

/** What a client sees when something behind the door fails: a problem of its own, and never a word of ours or his. */
const kindOf = (reply: Reply): string => String(reply.json?.type).replace('urn:interlock:problem:', '');
const CLOUDEVENT = 'application/cloudevents+json';

test.each(['lost', 'failed-but-done'] as const)(
  'the record fails (%s): nothing is accepted from then on',
  async (how) => {
    let fault: WriteFault = 'none';
    const house = await openHouse({ fault: () => fault });
    fault = how;
    const asked = { body: event('x'), type: CLOUDEVENT };
    for (let i = 0; i < 3; i++) {
      const reply = await house.ask('source@acme', 'POST', '/v1/orgs/acme/events', asked);
      expect([reply.status, kindOf(reply), reply.headers.get('retry-after')]).toEqual([503, 'record-unavailable', '5']);
    }
    const writes: [string, string, string, object][] = [
      ['admin@acme', 'POST', '/v1/orgs/acme/tokens', { body: { principal: 'p', roles: ['admin'] } }],
      ['admin@acme', 'PUT', '/v1/orgs/acme/secrets/x', { body: { value: 'long-enough-value' } }],
      ['author@acme', 'POST', '/v1/orgs/acme/playbooks', { body: playbook('look'), type: 'text/yaml' }],
      // A refusal that cannot be put on record is not given either.
      ['source@acme', 'GET', '/v1/orgs/acme/secrets', {}],
      ['author@acme', 'GET', '/v1/orgs/globex/secrets', {}],
    ];
    for (const [as, method, path, more] of writes)
      expect([path, kindOf(await house.ask(as, method, path, more))]).toEqual([path, 'record-unavailable']);
    expect(house.secrets.values.size).toBe(0);
    const health = await house.ask(null, 'GET', '/healthz');
    expect([health.status, kindOf(health)]).toEqual([503, 'record-unavailable']);
    // What is on disk can still be read.
    expect((await house.ask('auditor@acme', 'GET', '/v1/orgs/acme/audit/head')).status).toBe(200);
    expect(house.logged).toEqual([]);
    await house.close();
  },
);

test('a defect: an id for the client, a place in the code for us, and no word of what was sent', async () => {
  const broken = (kernel: Kernel): Kernel => ({
    ...kernel,
    ingest: async (_, { source }) => {
      throw new TypeError(`cannot read ${source}`);
    },
    query: {
      ...kernel.query,
      runs: () => {
        throw new InvariantError('a run has a state');
      },
    },
  });
  const house = await openHouse({ alter: broken });
  const body = { ...event('x'), source: '/zzcanary' };
  const first = await house.ask('source@acme', 'POST', '/v1/orgs/acme/events', { body, type: CLOUDEVENT });
  const second = await house.ask('operator@acme', 'GET', '/v1/orgs/acme/runs?playbook=zzcanary');
  for (const reply of [first, second]) expect([reply.status, kindOf(reply)]).toEqual([500, 'internal']);
  expect(house.logged).toMatchObject([
    {
      event: 'http.internal',
      operation: 'publishEvents',
      instance: first.json.instance,
      error: 'TypeError',
      text: null,
    },
    { operation: 'listRuns', instance: second.json.instance, error: 'InvariantError', text: 'a run has a state' },
  ]);
  expect(JSON.stringify([house.logged, first.json, second.json])).not.toContain('zzcanary');
  expect((house.logged[0] as { frames: string[] }).frames[0]).toMatch(/failure\.test\.ts/);
  await house.close();
});

test('the secret store fails and the record does not', async () => {
  const house = await openHouse();
  house.secrets.broken = true;
  const reply = await house.ask('admin@acme', 'PUT', '/v1/orgs/acme/secrets/x', { body: { value: 'zzcanary-value' } });
  expect([reply.status, kindOf(reply)]).toEqual([503, 'secrets-unavailable']);
  expect(reply.text).not.toContain('zzcanary');
  expect((await house.ask(null, 'GET', '/healthz')).status).toBe(200);
  await house.close();
});

test('an org that is full: try again later', async () => {
  const full = (kernel: Kernel): Kernel => ({ ...kernel, ingest: async () => err({ kind: 'too_many_runs' }) });
  const house = await openHouse({ alter: full });
  const reply = await house.ask('source@acme', 'POST', '/v1/orgs/acme/events', { body: event('x'), type: CLOUDEVENT });
  expect([reply.status, kindOf(reply), reply.headers.get('retry-after')]).toEqual([429, 'too-many-runs', '5']);
  await house.close();
});

test('whoever hammers at a closed door is on record once a second', async () => {
  const house = await openHouse({ app: { now: () => 1_000_000 } });
  for (const { method, path, ...asked } of callsOf(NOWHERE))
    await house.ask('source@acme', method, path.replace('{org}', 'globex'), asked);
  const refused = house.records().filter(({ kind }) => kind === 'access.refused');
  expect(refused).toMatchObject([{ actor: 'principal:source@acme', ref: 'publishEvents;foreign-org' }]);
  await house.close();
});

test('the limits of the contract are those of the kernel', async () => {
  const { SENTENCE_CHARS } = await import('../../sdk/contract/api-word.ts');
  expect(SENTENCE_CHARS).toBe(LIMITS.rationaleChars.value);
});

test('an address that is taken is an error at once', async () => {
  const house = await openHouse();
  const { hostname: host, port } = new URL(house.url);
  const second = serve(createApp(house.kernel), { host, port: Number(port) });
  await expect(second).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await house.close();
});
