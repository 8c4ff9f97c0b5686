import { describe, expect, it } from 'vitest';
import { type EgressRule, HTTP_METHODS } from '../../sdk/contract/egress.ts';
import { type HttpRequest, methodsOf } from '../../sdk/contract/plugin.ts';
import type { OrgId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import { err, ok } from '../base/result.ts';
import type { EgressClient, OutboundAnswer, OutboundRequest } from '../port/egress.ts';
import type { SecretSource } from '../port/secret-source.ts';
import { createBroker, type EgressRefused, type Leave, type StepScope } from './broker.ts';
import type { LeaseDesk } from './leases.ts';
import { processScheduler } from './scheduler.ts';

const VALUE = 'canary-value-0123456789';

/** A world whose answers the test writes. Sockets are in test/egress; here it is the account that counts. */
function worldOf(
  answers: readonly (OutboundAnswer | Promise<OutboundAnswer>)[] = [],
  values: Record<string, string> = { 'api-key': VALUE },
) {
  const sent: OutboundRequest[] = [];
  const refused: EgressRefused[] = [];
  const leases: { name: string; org: string; forWhat: object; revoked: number }[] = [];
  const egress: EgressClient = {
    send: async (request) => answers[sent.push(request) - 1] ?? answered(),
    selfTest: async () => ({ holds: true, detail: '' }),
    close: async () => undefined,
  };
  const held = Object.entries(values).map(([name, value]) => ({ name, reveal: () => value }));
  const secrets: SecretSource = {
    known: async () => ('locked-key' in values ? err('unavailable') : ok(held)),
    lease: async (org, name, forWhat) => {
      if (name === 'broken-key') return err('unavailable');
      const value = values[name];
      if (value === undefined) return err('unknown');
      const lease = { name, org, forWhat, revoked: 0 };
      leases.push(lease);
      return ok({
        name,
        reveal: () => {
          if (lease.revoked > 0) throw new Error('ended');
          return value;
        },
        isOver: () => false,
        revoke: () => {
          lease.revoked += 1;
          return 'ended';
        },
      });
    },
    put: async () => undefined,
    list: async () => [],
    remove: async () => false,
  };
  const onRefusal = (one: EgressRefused) => void refused.push(one);
  const desk: LeaseDesk = {
    ...secrets,
    giveBack: (_, held) => {
      for (const lease of held) lease.revoke();
    },
  };
  const parts = { egress, secrets: desk, onRefusal };
  return { sent, leases, refused, parts, broker: createBroker(parts) };
}

const answered = (
  part: { status?: number; headers?: Record<string, string>; body?: string | Uint8Array } = {},
): OutboundAnswer => ({
  kind: 'answered',
  status: part.status ?? 200,
  headers: part.headers ?? {},
  body: typeof part.body === 'object' ? part.body : Buffer.from(part.body ?? '{}'),
});
const failed = (sent: boolean): OutboundAnswer => ({ kind: 'failed', class: 'unavailable', reason: 'no route', sent });
const never = new Promise<OutboundAnswer>(() => undefined);

const plain: EgressRule = {
  scheme: 'https',
  host: 'api.example.com',
  port: 443,
  methods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'],
  pathPrefix: '/',
  addresses: [],
};
const keyed: EgressRule = {
  ...plain,
  host: 'vault.example.com',
  secret: { name: 'api-key', header: 'authorization', format: 'Bearer {}' },
};
const scopeOf = (part: Partial<StepScope> = {}): StepScope => ({
  org: 'acme' as OrgId,
  run: 'run_1',
  step: 'ban',
  attempt: 1,
  plugin: 'tracker',
  action: 'create',
  playbook: 'contain-c2',
  rules: [plain, keyed],
  reports: false,
  effect: 'write',
  methods: HTTP_METHODS,
  op: 'execute',
  idempotencyKey: 'key-of-step',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  timeoutMs: 10_000,
  ...part,
});
const get = (part: Partial<HttpRequest> = {}): HttpRequest => ({
  url: 'https://api.example.com/items',
  method: 'GET',
  headers: {},
  body: null,
  ...part,
});
const post = (part: Partial<HttpRequest> = {}): HttpRequest => get({ method: 'POST', body: '{}', ...part });
const atVault = { url: 'https://vault.example.com/items' };

describe('a rule with a rate', () => {
  /** Time stands still until the test says otherwise. */
  const stillWorld = () => {
    const world = worldOf();
    let at = 1_000;
    const scheduler = { ...processScheduler, elapsed: () => at };
    const pass = (ms: number) => {
      at += ms;
    };
    return { ...world, broker: createBroker({ ...world.parts, scheduler }), pass };
  };
  const limited: EgressRule = { ...keyed, rate: '2/m' };

  it('sends as many as it says over all steps, answers the next without a lease, and says when', async () => {
    const { broker, sent, leases, pass } = stillWorld();
    const first = broker.forStep(scopeOf({ rules: [limited, plain] }));
    await first.handle(get(atVault));
    await first.handle(get(atVault));
    expect(await first.close()).toMatchObject({ requests: 2, isOverRate: false, retryAfter: null });

    const leaving: string[] = [];
    const leave = async (): Promise<Leave> => {
      leaving.push('asked');
      return 'leaves';
    };
    const second = broker.forStep(scopeOf({ run: 'run_2', rules: [limited, plain], leaving: leave }));
    expect(await second.handle(post(atVault))).toMatchObject({ ok: false, error: 'rate_limited' });
    expect(await second.handle(get()), 'another rule goes on').toMatchObject({ ok: true });
    const use = await second.close();
    expect(use).toMatchObject({ requests: 1, unsafe: 'none', denied: null, isOverRate: true });
    expect([sent.length, leases.length, leaving]).toEqual([3, 1, []]);
    const seconds = Number(use.retryAfter);
    expect(seconds).toBeGreaterThanOrEqual(60);
    expect(seconds).toBeLessThanOrEqual(66);

    pass(seconds * 1_000);
    expect(await broker.forStep(scopeOf({ rules: [limited] })).handle(get(atVault))).toMatchObject({ ok: true });
  });

  it('leaves the keys of other requests what they are in every attempt, and what was done before is a part', async () => {
    const { broker, sent } = stillWorld();
    const once = { ...plain, pathPrefix: '/once', rate: '1/m' };
    const step = () => broker.forStep(scopeOf({ rules: [once, plain] }));
    const place = { url: 'https://api.example.com/once' };
    const first = step();
    await first.handle(post(place));
    expect(await first.handle(post(place))).toMatchObject({ error: 'rate_limited' });
    expect(await first.close()).toMatchObject({ unsafe: 'answered', isInPart: true, isOverRate: true });
    const again = step();
    expect(await again.handle(post(place))).toMatchObject({ error: 'rate_limited' });
    await again.handle(post());
    expect(sent.map(({ headers }) => headers['idempotency-key'])).toEqual(['key-of-step', 'key-of-step-2']);
  });

  it('counts for each org of its own, even of one policy', async () => {
    const { broker } = stillWorld();
    const once = { ...plain, rate: '1/h' };
    const ask = (org: string) => broker.forStep(scopeOf({ org: org as OrgId, rules: [once] })).handle(get());
    expect(await ask('acme')).toMatchObject({ ok: true });
    expect(await ask('globex')).toMatchObject({ ok: true });
    expect(await ask('acme')).toMatchObject({ error: 'rate_limited' });
  });
});

describe('what a step may send', () => {
  it.each<[Partial<StepScope>, HttpRequest, string | null]>([
    [{ effect: 'none' }, get(), 'E_EFFECT'],
    [{ effect: 'none', rules: [] }, get(), 'E_EFFECT'],
    [{ effect: 'read', methods: methodsOf({ effect: 'read' }) }, get(), null],
    [{ effect: 'read', methods: methodsOf({ effect: 'read' }) }, post(), 'E_EFFECT'],
    [{ effect: 'read', methods: methodsOf({ effect: 'read', methods: ['POST'] }) }, post(), null],
    [{ effect: 'read', methods: methodsOf({ effect: 'read', methods: ['POST'] }) }, get(), 'E_EFFECT'],
    [{ effect: 'write', methods: methodsOf({ effect: 'write', methods: ['PUT'] }) }, post(), 'E_EFFECT'],
    [{ effect: 'write', methods: methodsOf({ effect: 'write' }) }, get({ method: 'DELETE' }), null],
    [{ effect: 'write' }, post(), null],
    [{ rules: [] }, get(), 'E_NOT_ALLOWED'],
    [{ op: 'plan' }, get(), null],
    [{ op: 'plan' }, get({ method: 'HEAD' }), null],
    [{ op: 'plan' }, post(), 'E_OPERATION'],
    [{ op: 'check' }, get(), null],
    [{ op: 'check' }, get({ method: 'DELETE' }), 'E_OPERATION'],
    [{ op: 'rollback' }, get({ method: 'DELETE' }), null],
    [{}, get({ url: 'https://other.example.com/' }), 'E_NOT_ALLOWED'],
    [{}, get({ headers: { Authorization: 'Bearer mine' } }), 'E_HEADER'],
    [{}, get({ headers: { 'idempotency-key': 'mine' } }), 'E_HEADER'],
    [{}, get({ headers: { host: 'evil' } }), 'E_HEADER'],
    [{}, get({ url: 'http://127.0.0.1/' }), 'E_IP_LITERAL'],
    [{ rules: [{ ...keyed, secret: { name: 'missing', header: 'x-key', format: '{}' } }] }, get(atVault), 'E_SECRET'],
  ])('%j %j: %s', async (part, request, code) => {
    const { broker, sent } = worldOf();
    const step = broker.forStep(scopeOf(part));
    const answer = await step.handle(request);
    if (code === null) expect(answer).toMatchObject({ ok: true });
    else expect(answer).toEqual({ denied: expect.stringMatching(`^${code}: `) });
    expect(sent.length).toBe(code === null ? 1 : 0);
  });

  it('is nothing more after one denial, which is the one that is reported', async () => {
    const { broker, sent } = worldOf();
    const step = broker.forStep(scopeOf());
    const first = await step.handle(get({ url: 'https://evil.example.com/' }));
    expect(await step.handle(get())).toEqual(first);
    const use = await step.close();
    expect([sent.length, use.requests]).toEqual([0, 0]);
    expect({ denied: use.denied }).toEqual(first);
  });

  it('is nothing more after a denial at the socket', async () => {
    const { broker, sent, refused } = worldOf([
      { kind: 'denied', reason: 'E_PRIVATE_ADDRESS: no', hint: 'it is 10.0.0.1' },
    ]);
    const step = broker.forStep(scopeOf());
    expect(await step.handle(post())).toEqual({ denied: 'E_PRIVATE_ADDRESS: no' });
    expect(await step.handle(get())).toEqual({ denied: 'E_PRIVATE_ADDRESS: no' });
    expect(await step.close()).toMatchObject({ requests: 1, unsafe: 'none', denied: 'E_PRIVATE_ADDRESS: no' });
    expect(sent.length).toBe(1);
    const scope = { org: 'acme', run: 'run_1', step: 'ban', plugin: 'tracker' };
    expect(refused).toEqual([{ ...scope, reason: 'E_PRIVATE_ADDRESS: no', hint: 'it is 10.0.0.1' }]);
  });

  it('tells the operator what would let a request pass, and the plugin only that it did not', async () => {
    const { broker, refused } = worldOf();
    const answer = await broker.forStep(scopeOf()).handle(get({ url: 'http://10.0.0.7/latest' }));
    expect(answer).toEqual({
      denied: 'E_IP_LITERAL: an IP address is reached only through a rule that names exactly it: 10.0.0.7',
    });
    expect(refused).toMatchObject([{ hint: expect.stringContaining('"addresses":["10.0.0.7/32"]') }]);
  });

  it('is a limited number of requests', async () => {
    const { broker, sent } = worldOf();
    const step = broker.forStep(scopeOf());
    const limit = LIMITS.brokerCallsPerStep.value;
    for (let i = 0; i < limit; i++) expect(await step.handle(get())).toMatchObject({ ok: true });
    expect(await step.handle(get())).toEqual({ denied: expect.stringContaining('E_TOO_MANY') });
    expect(sent.length).toBe(limit);
  });

  it('is nothing once it is closed', async () => {
    const { broker, sent } = worldOf();
    const step = broker.forStep(scopeOf());
    const use = await step.close();
    expect(await step.handle(get())).toEqual({ denied: 'the step has ended' });
    expect(await step.close()).toBe(use);
    expect([sent.length, use]).toEqual([
      0,
      {
        requests: 0,
        unsafe: 'none',
        isInPart: false,
        isHeldBack: false,
        denied: null,
        secrets: [],
        retryAfter: null,
        isOverRate: false,
      },
    ]);
  });

  it('is nothing while the org is stopped, asked at the last moment before each request', async () => {
    let isStopped = false;
    const { sent, parts } = worldOf();
    const step = createBroker({ ...parts, isStopped: (org) => isStopped && org === 'acme' }).forStep(scopeOf());
    expect(await step.handle(post())).toMatchObject({ ok: true });
    const waits = step.handle(post(atVault));
    // The lease is on its way to the record meanwhile.
    isStopped = true;
    expect(await waits).toMatchObject({ ok: false, error: 'unavailable' });
    expect(await step.handle(get())).toMatchObject({ ok: false, error: 'unavailable' });
    expect([sent.length, await step.close()]).toMatchObject([1, { requests: 1, unsafe: 'answered', denied: null }]);
    const other = createBroker({ ...parts, isStopped: (org) => org === 'acme' });
    expect(await other.forStep(scopeOf({ org: 'globex' as OrgId })).handle(get())).toMatchObject({ ok: true });
  });

  it('is nothing once the run does not want it any more, asked at the last moment before each request', async () => {
    let isWanted = true;
    const { sent, broker } = worldOf();
    const step = broker.forStep(scopeOf({ isWanted: () => isWanted }));
    expect(await step.handle(post())).toMatchObject({ ok: true });
    const waits = step.handle(post(atVault));
    // The lease is on its way to the record meanwhile.
    isWanted = false;
    expect(await waits).toEqual({ denied: 'the step has ended' });
    expect([sent.length, await step.close()]).toMatchObject([1, { requests: 1, unsafe: 'answered' }]);
  });

  it('is refused, never thrown, when a cell sends what is no request', async () => {
    for (const request of [null, undefined, 7, {}, { url: 'https://api.example.com/' }]) {
      const { broker } = worldOf();
      const answer = await broker.forStep(scopeOf()).handle(request as unknown as HttpRequest);
      expect(answer).toEqual({ denied: expect.any(String) });
    }
  });
});

describe('the pause that a target asks for', () => {
  const patience = (status: number) => answered({ status, headers: { 'retry-after': '7' } });
  it.each([
    ['429', [patience(429)], '7'],
    ['503', [patience(503)], '7'],
    ['an answer of another kind', [patience(202)], null],
    ['one that says nothing', [answered({ status: 429 })], null],
    ['the last one of several', [patience(429), answered({ status: 503, headers: { 'retry-after': '9' } })], '9'],
  ])('is kept of %s', async (_, answers, retryAfter) => {
    const step = worldOf(answers).broker.forStep(scopeOf());
    for (const _ of answers) await step.handle(get());
    expect(await step.close()).toMatchObject({ retryAfter });
  });
});

describe('what goes out', () => {
  it('carries the key of the step, the trace, and who is asking', async () => {
    const { broker, sent } = worldOf();
    const step = broker.forStep(scopeOf());
    await step.handle(get({ headers: { Accept: 'text/plain' } }));
    await step.handle(post());
    await step.handle(post({ headers: { 'Content-Type': 'text/plain' }, body: 'x' }));
    await step.handle(post({ method: 'DELETE', body: null }));
    await broker.forStep(scopeOf({ traceparent: '' })).handle(get());
    const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'user-agent': 'interlock' };
    expect(sent.map(({ headers }) => headers)).toEqual([
      { ...trace, accept: 'text/plain' },
      { ...trace, 'content-type': 'application/json', 'idempotency-key': 'key-of-step' },
      { ...trace, 'content-type': 'text/plain', 'idempotency-key': 'key-of-step-2' },
      { ...trace, 'idempotency-key': 'key-of-step-3' },
      { 'user-agent': 'interlock' },
    ]);
  });

  it('has the same keys in the next attempt', async () => {
    const keysOf = async (attempt: number) => {
      const { broker, sent } = worldOf([failed(false)]);
      const step = broker.forStep(scopeOf({ attempt }));
      for (const request of [post(), get(), post()]) await step.handle(request);
      return sent.map(({ headers }) => headers['idempotency-key']);
    };
    expect(await keysOf(1)).toEqual(await keysOf(2));
  });

  it('shares connections with no other org and no other plugin', async () => {
    const { broker, sent } = worldOf();
    const scopes = [
      {},
      { org: 'globex' as OrgId },
      { plugin: 'other' },
      { org: 'a","b' as OrgId, plugin: 'c' },
      { run: 'run_2' },
    ];
    for (const part of scopes) await broker.forStep(scopeOf(part)).handle(get());
    expect(new Set(sent.map(({ pool }) => pool)).size).toBe(4);
  });

  it('has the time that is left, and the limits', async () => {
    const { broker, sent } = worldOf();
    await broker.forStep(scopeOf({ timeoutMs: 500 })).handle(get());
    expect(sent[0]?.timeoutMs).toBeGreaterThan(0);
    expect(sent[0]?.timeoutMs).toBeLessThanOrEqual(500);

    // Its clock starts with its first request: before that it may have waited for a cell longer than its time.
    const waited = broker.forStep(scopeOf({ timeoutMs: 40 }));
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(await waited.handle(get())).toMatchObject({ ok: true });
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(await waited.handle(get())).toMatchObject({ ok: false, error: 'timeout' });
    expect(sent[0]?.maxBodyBytes).toBe(LIMITS.httpBodyBytes.value);
    const late = broker.forStep(scopeOf({ timeoutMs: 0 }));
    expect(await late.handle(post())).toMatchObject({ ok: false, error: 'timeout' });
    expect(await late.close()).toMatchObject({ requests: 0, unsafe: 'none' });
  });
});

describe('the account of requests that may change something', () => {
  it.each<[string, HttpRequest[], (OutboundAnswer | Promise<OutboundAnswer>)[], string]>([
    ['none sent', [], [], 'none'],
    ['only reads, even without an answer', [get(), get()], [failed(true), answered()], 'none'],
    ['answered', [post()], [answered()], 'answered'],
    ['answered with an error', [post()], [answered({ status: 503 })], 'answered'],
    ['answered with what no plugin can read', [post()], [answered({ body: Uint8Array.of(0xff) })], 'uncertain'],
    ['answered with what could hide a secret', [post(atVault)], [answered({ body: '%25252525252541' })], 'uncertain'],
    ['never left', [post()], [failed(false)], 'none'],
    ['may have left', [post()], [failed(true)], 'uncertain'],
    ['one of several', [post(), post(), post()], [answered(), failed(true), answered()], 'uncertain'],
    ['answered after one that never left', [post(), post()], [failed(false), answered()], 'answered'],
  ])('%s', async (_, requests, answers, unsafe) => {
    const { broker } = worldOf(answers);
    const step = broker.forStep(scopeOf());
    for (const request of requests) await step.handle(request);
    expect(await step.close()).toMatchObject({ unsafe, requests: requests.length });
  });

  it('still on its way when the step ends: uncertain, and it is stopped', async () => {
    const { broker, sent } = worldOf([never]);
    const step = broker.forStep(scopeOf());
    const pending = step.handle(post());
    await Promise.resolve();
    await new Promise(setImmediate);
    expect(await step.close()).toMatchObject({ unsafe: 'uncertain', requests: 1 });
    expect(sent[0]?.signal?.aborted).toBe(true);
    void pending;
  });

  it('an answer that comes after the end is not shown', async () => {
    const late = Promise.withResolvers<OutboundAnswer>();
    const { broker } = worldOf([late.promise]);
    const step = broker.forStep(scopeOf());
    const pending = step.handle(get());
    await new Promise(setImmediate);
    await step.close();
    late.resolve(answered({ body: 'late' }));
    expect(await pending).toEqual({ denied: 'the step has ended' });
  });

  it('the signal of the step stops its requests', async () => {
    const stop = new AbortController();
    const { broker, sent } = worldOf();
    await broker.forStep(scopeOf({ signal: stop.signal })).handle(get());
    expect(sent[0]?.signal?.aborted).toBe(false);
    stop.abort();
    expect(sent[0]?.signal?.aborted).toBe(true);
  });
});

describe('a step whose leaving is recorded', () => {
  const stopped = { denied: expect.stringContaining('stopped to be safe') };
  it.each<[string, HttpRequest[], () => Promise<Leave>, number, unknown[]]>([
    ['is not asked for what changes nothing', [get()], async () => 'over', 0, [{ ok: true }]],
    [
      'is asked once',
      [get(), post(), post(atVault)],
      async () => 'leaves',
      1,
      [{ ok: true }, { ok: true }, { ok: true }],
    ],
    ['sends nothing when it may not leave', [post()], async () => 'over', 1, [{ denied: 'the step has ended' }]],
    ['sends nothing when nobody can say', [post()], () => Promise.reject(new Error('disk')), 1, [stopped]],
  ])('%s', async (_, requests, answer, times, answers) => {
    const { broker, sent } = worldOf();
    let asked = 0;
    const leaving = () => {
      asked += 1;
      return answer();
    };
    const step = broker.forStep(scopeOf({ leaving }));
    const got: unknown[] = [];
    for (const request of requests) got.push(await step.handle(request));
    expect(got).toMatchObject(answers);
    expect([asked, sent.length]).toEqual([times, answers.filter((one) => (one as { ok?: true }).ok).length]);
    expect((await step.close()).unsafe).toBe(times === 1 && sent.length > 0 ? 'answered' : 'none');
  });

  it('sends nothing when it ended while it was asked', async () => {
    const { broker, sent } = worldOf();
    const asked = Promise.withResolvers<Leave>();
    const step = broker.forStep(scopeOf({ leaving: () => asked.promise }));
    const pending = step.handle(post());
    await new Promise(setImmediate);
    await step.close();
    asked.resolve('leaves');
    expect(await pending).toEqual({ denied: 'the step has ended' });
    expect(sent).toEqual([]);
  });
});

describe('while its run is paused, a call', () => {
  const held = { denied: 'the run is paused' };
  const fine = { ok: true };
  it.each<[string, HttpRequest[], number, unknown[], boolean]>([
    ['begins nothing', [get(), post()], 0, [held, held], true],
    ['that has read may read on', [get(), get()], 1, [fine, fine], false],
    ['that has read changes nothing', [get(), post(), get()], 1, [fine, held, held], true],
    ['that has begun to change something ends', [post(), post(), get()], 1, [fine, fine, fine], false],
  ])('%s', async (_, requests, from, answers, isHeldBack) => {
    let asked = 0;
    const { broker, sent, refused } = worldOf();
    const step = broker.forStep(scopeOf({ isPaused: () => asked > from }));
    const got: unknown[] = [];
    for (const request of requests) {
      asked += 1;
      got.push(await step.handle(request));
    }
    expect(got).toMatchObject(answers);
    expect(sent).toHaveLength(answers.filter((one) => one === fine).length);
    expect(await step.close()).toMatchObject({ isHeldBack });
    // It is no refusal that an operator could mend.
    expect(refused).toEqual([]);
  });

  it('does not leave when it is paused while its leaving, or its secret, is on the way to the disk', async () => {
    for (const answer of ['leaves', 'paused'] as const) {
      let isPaused = false;
      const { broker, sent } = worldOf();
      const asked = Promise.withResolvers<Leave>();
      const step = broker.forStep(scopeOf({ isPaused: () => isPaused, leaving: () => asked.promise }));
      const pending = step.handle(post(atVault));
      await new Promise(setImmediate);
      // One that was told to wait is held back, also where the pause is over by now: nobody has taken back what it was told.
      isPaused = answer === 'leaves';
      asked.resolve(answer);
      expect(await pending).toEqual(held);
      expect([sent, (await step.close()).isHeldBack]).toEqual([[], true]);
    }
  });
});

describe('a secret', () => {
  it('rides only with the rule that carries it, is leased once, and is given back', async () => {
    const { broker, sent, leases } = worldOf();
    const step = broker.forStep(scopeOf());
    await step.handle(get());
    expect(leases).toEqual([]);
    await step.handle(get(atVault));
    await step.handle(post(atVault));
    await step.handle(get());
    expect(sent.map(({ headers }) => headers['authorization'])).toEqual([
      undefined,
      `Bearer ${VALUE}`,
      `Bearer ${VALUE}`,
      undefined,
    ]);
    const { secrets } = await step.close();
    expect(secrets).toEqual([{ name: 'api-key', host: 'vault.example.com', header: 'authorization' }]);
    expect(leases).toEqual([{ name: 'api-key', org: 'acme', forWhat: { run: 'run_1', step: 'ban' }, revoked: 1 }]);
  });

  it('is leased once by requests at the same time', async () => {
    const { broker, leases } = worldOf();
    const step = broker.forStep(scopeOf());
    await Promise.all([step.handle(get(atVault)), step.handle(get(atVault))]);
    expect(leases.length).toBe(1);
  });

  it('that cannot be read for the moment fails the request, not the step', async () => {
    const rules = [plain, { ...keyed, secret: { name: 'broken-key', header: 'x-key', format: '{}' } }];
    const { broker, sent } = worldOf();
    const step = broker.forStep(scopeOf({ rules }));
    expect(await step.handle(get(atVault))).toMatchObject({ ok: false, error: 'unavailable' });
    expect(await step.handle(get())).toMatchObject({ ok: true });
    expect(sent.length).toBe(1);
  });

  it('of the org that cannot be read stops everything: an answer could hold it', async () => {
    const { broker, sent } = worldOf([], { 'locked-key': VALUE });
    const step = broker.forStep(scopeOf());
    expect(await step.handle(post())).toMatchObject({ ok: false, error: 'unavailable' });
    expect(await step.close()).toMatchObject({ requests: 0, unsafe: 'none' });
    expect(sent).toEqual([]);
  });

  it.each(['line\r\nbreak-in-value', 'non-ascii-é-value', 'short', ''])(
    'that cannot stand in a header is denied: %j',
    async (value) => {
      const { broker, sent } = worldOf([], { 'api-key': value });
      const answer = await broker.forStep(scopeOf()).handle(get(atVault));
      expect(answer).toEqual({ denied: expect.stringContaining('E_SECRET') });
      expect(sent).toEqual([]);
    },
  );

  it('is put in as it is, whatever it looks like', async () => {
    const value = "$&$1$$'{}`value";
    const { broker, sent } = worldOf([], { 'api-key': value });
    await broker.forStep(scopeOf()).handle(get(atVault));
    expect(sent[0]?.headers['authorization']).toBe(`Bearer ${value}`);
  });

  it('is given back when the lease comes after the end', async () => {
    const { leases, sent, broker } = worldOf();
    const step = broker.forStep(scopeOf());
    const pending = step.handle(get(atVault));
    await step.close();
    expect(await pending).toEqual({ denied: 'the step has ended' });
    expect([sent.length, leases.map(({ revoked }) => revoked)]).toEqual([0, [1]]);
  });

  it('is taken out of everything that the plugin sees', async () => {
    const base64 = Buffer.from(`user:${VALUE}`).toString('base64');
    const { broker } = worldOf([
      answered({
        headers: { location: `https://vault.example.com/?k=${VALUE}`, 'x-request-id': base64 },
        body: JSON.stringify({
          echo: VALUE,
          url: encodeURIComponent(VALUE),
          hex: Buffer.from(VALUE).toString('hex'),
          base64,
        }),
      }),
      { kind: 'failed', class: 'upstream_error', reason: `echo of ${VALUE}`, sent: true },
      answered({ body: VALUE }),
      { kind: 'denied', reason: `E_X: ${VALUE}` },
    ]);
    const step = broker.forStep(scopeOf());
    const seen = [
      await step.handle(get(atVault)),
      await step.handle(get(atVault)),
      await step.handle(get()),
      await step.handle(get(atVault)),
      await step.close(),
    ];
    const text = JSON.stringify(seen);
    expect(text).not.toContain(VALUE);
    expect(text).not.toContain(Buffer.from(VALUE).toString('hex'));
    expect(text).not.toContain(Buffer.from(VALUE).toString('base64').slice(4, -4));
    expect(text.match(/\[secret:api-key\]/g)?.length).toBeGreaterThanOrEqual(8);
  });
});

describe('what a plugin sees of an answer', () => {
  it('is the status, the text, and a few headers', async () => {
    const passed = { 'content-type': 'a/b', 'retry-after': '3', location: '/y', link: '<z>', etag: '"1"' };
    const headers = { ...passed, 'set-cookie': 'session=1', server: 'nginx', 'x-internal': 'a' };
    const { broker } = worldOf([answered({ status: 429, headers, body: '{"é":1}' })]);
    expect(await broker.forStep(scopeOf()).handle(get())).toEqual({
      ok: true,
      status: 429,
      headers: passed,
      body: '{"é":1}',
    });
  });

  const unshown: readonly (readonly [string, string | Uint8Array])[] = [
    ['is not text', Uint8Array.of(0x61, 0xff, 0xfe)],
    ['is escaped too often', '%25252525252541'],
    ['begins like the secret at every place', 'a'.repeat(1 << 16)],
  ];
  const values = { 'api-key': 'a'.repeat(2_000) };

  it.each(unshown)('is an error, not the text, when it %s and nothing was changed', async (_, body) => {
    const { broker } = worldOf([answered({ body })], values);
    const step = broker.forStep(scopeOf());
    expect(await step.handle(get(atVault))).toMatchObject({ ok: false, error: 'upstream_error' });
    expect(await step.close()).toMatchObject({ unsafe: 'none' });
  });

  it.each(unshown)('is the status, not the text, when it %s and something may have changed', async (_, body) => {
    const headers = { etag: '"1"', 'x-request-id': '%25252525252541' };
    const { broker } = worldOf([answered({ status: 201, headers, body })], values);
    const step = broker.forStep(scopeOf());
    expect(await step.handle(post(atVault))).toEqual({
      ok: true,
      status: 201,
      headers: { etag: '"1"', 'x-request-id': '[withheld]' },
      body: '',
    });
    // Should the plugin need the text, and fail without it, nobody knows what was done.
    expect(await step.close()).toMatchObject({ unsafe: 'uncertain' });
  });

  it('is the class of the failure', async () => {
    const { broker } = worldOf([failed(false)]);
    expect(await broker.forStep(scopeOf()).handle(get())).toEqual({
      ok: false,
      error: 'unavailable',
      message: 'no route',
    });
  });
});
