import { describe, expect, it } from 'vitest';
import { parseEgressPolicy } from './policy.ts';

const good = { scheme: 'https', host: 'api.example.com', port: 443, methods: ['GET'], pathPrefix: '/v1' };
const policyOf = (...rules: object[]) => ({
  apiVersion: 'interlock/egress/v1',
  grants: [{ plugin: 'tracker', rules }],
});
const faultsOf = (document: unknown) => {
  const parsed = parseEgressPolicy(document);
  return parsed.ok ? [] : parsed.error;
};
const warningsOf = (document: unknown) => {
  const parsed = parseEgressPolicy(document);
  return parsed.ok ? parsed.value.warnings : ['refused'];
};

describe('a policy that means what it says', () => {
  it('is read with its defaults and without warnings', () => {
    const parsed = parseEgressPolicy(policyOf(good));
    expect(parsed).toEqual({
      ok: true,
      value: {
        policy: {
          apiVersion: 'interlock/egress/v1',
          grants: [{ plugin: 'tracker', settings: {}, rules: [{ ...good, addresses: [] }] }],
        },
        warnings: [],
      },
    });
  });

  it.each([
    { ...good, host: '203.0.114.9' },
    { ...good, host: '[2606:4700::1111]' },
    { ...good, host: '2606:4700::1111' },
    { ...good, host: 'xn--bcher-kva.example' },
    { ...good, pathPrefix: '/' },
    { ...good, pathPrefix: '/a%20b/' },
    { ...good, addresses: ['10.0.0.0/8', 'fd00::/8'] },
    { ...good, secret: { name: 'api-key', header: 'authorization', format: 'Bearer {}' } },
    { ...good, secret: { name: 'api-key', header: 'x-api-key' } },
    { ...good, secret: { name: 'api-key', header: 'x-api-key', for: { actions: ['ban'], playbooks: ['contain-c2'] } } },
    { ...good, headers: ['x-region', 'prefer'], rate: '20/m' },
    { ...good, rate: '3/12h' },
  ])('%j', (rule) => expect([faultsOf(policyOf(rule)), warningsOf(policyOf(rule))]).toEqual([[], []]));
});

describe('a rule that no request could meet, or that means something else', () => {
  it.each([
    [{ host: 'api.example.com.' }, 'host'],
    [{ host: 'api..example.com' }, 'host'],
    [{ host: '127.1' }, 'host'],
    [{ host: '0x7f000001' }, 'host'],
    [{ host: '[0:0::1]' }, 'host'],
    [{ host: '::ffff:10.0.0.1' }, 'host'],
    [{ host: 'a:b' }, 'host'],
    [{ pathPrefix: '/v1/../admin' }, 'pathPrefix'],
    [{ pathPrefix: '/v1/%2e%2e' }, 'pathPrefix'],
    [{ pathPrefix: '/v1?x=1' }, 'pathPrefix'],
    [{ pathPrefix: '/v1#x' }, 'pathPrefix'],
    [{ pathPrefix: '/v1/"x"' }, 'pathPrefix'],
    [{ pathPrefix: '/a\\b' }, 'pathPrefix'],
    [{ addresses: ['10.0.0.5/8'] }, 'addresses.0'],
    [{ addresses: ['10.0.0.0/8', 'intranet'] }, 'addresses.1'],
    [{ secret: { name: 'k', header: 'host' } }, 'secret.header'],
    [{ secret: { name: 'k', header: 'content-length' } }, 'secret.header'],
    [{ secret: { name: 'k', header: 'connection' } }, 'secret.header'],
    [{ secret: { name: 'k', header: 'idempotency-key' } }, 'secret.header'],
    [{ secret: { name: 'k', header: 'x-key', format: '{}\r\nx: y' } }, 'secret.format'],
    [{ secret: { name: 'k', header: 'x-key', format: 'no place' } }, 'secret.format'],
    [{ secret: { name: 'k', header: 'x-key', for: { actions: [] } } }, 'secret.for.actions'],
    [{ secret: { name: 'k', header: 'x-key', for: { runs: ['r'] } } }, 'secret.for.runs'],
    [{ headers: ['X-Region'] }, 'headers.0'],
    [{ headers: ['x-region', 'host'] }, 'headers.1'],
    [{ headers: ['authorization'] }, 'headers.0'],
    [{ headers: ['x-forwarded-for'] }, 'headers.0'],
    [{ headers: ['x-key'], secret: { name: 'k', header: 'x-key' } }, 'headers.0'],
    [{ rate: '0/m' }, 'rate'],
    [{ rate: '20 per minute' }, 'rate'],
    [{ rate: '1/31d' }, 'rate'],
    [{ port: 0 }, 'port'],
    [{ methods: ['TRACE'] }, 'methods.0'],
    [{ unknown: true }, 'unknown'],
  ])('%j is refused at %s', (part, at) =>
    expect(faultsOf(policyOf({ ...good, ...part })).map(({ path }) => path)).toContain(`grants.0.rules.0.${at}`),
  );

  it('says how to mend it', () => {
    expect(faultsOf(policyOf({ ...good, addresses: ['10.0.0.5/8'], pathPrefix: '/a?b' }))).toEqual([
      { path: 'grants.0.rules.0.pathPrefix', text: 'no request has this path; write /a' },
      { path: 'grants.0.rules.0.addresses.0', text: 'has bits set after its length; write 10.0.0.0/8' },
    ]);
  });

  it('two grants for one plugin', () => {
    const grant = { plugin: 'tracker', rules: [good] };
    expect(faultsOf({ apiVersion: 'interlock/egress/v1', grants: [grant, grant] })).toMatchObject([
      { path: 'grants.1.plugin' },
    ]);
  });

  it('two rules for one place and method, since only one secret could ride along', () => {
    expect(faultsOf(policyOf(good, { ...good, methods: ['GET', 'PUT'] }))).toMatchObject([
      { path: 'grants.0.rules.1' },
    ]);
    expect(faultsOf(policyOf(good, { ...good, methods: ['PUT'] }))).toEqual([]);
  });

  it.each([null, 7, 'x', [], {}, { apiVersion: 'interlock/egress/v2', grants: [] }])('not a policy: %j', (document) =>
    expect(faultsOf(document).length).toBeGreaterThan(0),
  );
});

describe('a rule that is worth a second look', () => {
  const secret = { name: 'k', header: 'x-key' };
  it.each([
    [{ scheme: 'http', port: 80 }, 'scheme', 'requests travel unencrypted'],
    [{ scheme: 'http', port: 80, secret }, 'scheme', 'secret travels unencrypted'],
    [{ addresses: ['169.254.0.0/16'] }, 'addresses.0', 'cloud metadata'],
    [{ addresses: ['0.0.0.0/0'] }, 'addresses.0', 'cloud metadata'],
    [{ host: '10.0.0.5' }, 'addresses', 'always refused'],
  ])('%j is granted with a warning', (part, at, text) =>
    expect(warningsOf(policyOf({ ...good, ...part }))).toEqual([
      { path: `grants.0.rules.0.${at}`, text: expect.stringContaining(text) },
    ]),
  );
});

describe('two rules for one place', () => {
  const secretFor = (whom?: object) => ({
    ...good,
    secret: { name: 'k', header: 'x-key', ...(whom && { for: whom }) },
  });
  it.each<[object, object, boolean]>([
    [{ actions: ['ban'] }, { actions: ['look', 'list'] }, true],
    [{ playbooks: ['a'] }, { playbooks: ['b'] }, true],
    [{ actions: ['ban'], playbooks: ['a'] }, { actions: ['ban'], playbooks: ['b'] }, true],
    [{ actions: ['ban', 'look'] }, { actions: ['look'] }, false],
    [{ actions: ['ban'] }, { playbooks: ['a'] }, false],
    [{ actions: ['ban'] }, {}, false],
  ])('whose secrets are for %j and %j: %j', (one, other, isFine) => {
    const faults = faultsOf(policyOf(secretFor(one), secretFor(other)));
    expect(faults.map(({ text }) => text)).toEqual(isFine ? [] : [expect.stringContaining('granted twice')]);
  });

  it('of which one has no secret, or one for all', () => {
    expect(faultsOf(policyOf(secretFor({ actions: ['ban'] }), good)).length).toBe(1);
    expect(faultsOf(policyOf(secretFor({ actions: ['ban'] }), secretFor())).length).toBe(1);
  });
});

describe('the proxy of an org', () => {
  const proxy = { host: 'proxy.example.com', port: 3128 };
  const withProxy = (part: object) => ({ ...policyOf(good), proxy: { ...proxy, ...part } });
  it.each([
    {},
    { host: '10.0.0.8', addresses: ['10.0.0.8/32'] },
    { host: '[fd00::8]', addresses: ['fd00::8/128'] },
    { secret: { name: 'proxy-login', format: 'Basic {}' }, resolve: 'proxy' },
  ])('may be %j', (part) => expect(faultsOf(withProxy(part))).toEqual([]));

  it.each([
    [{ host: '127.1' }, 'proxy.host'],
    [{ host: 'http://proxy' }, 'proxy.host'],
    [{ port: 0 }, 'proxy.port'],
    [{ addresses: ['10.0.0.8/8'] }, 'proxy.addresses.0'],
    [{ secret: { name: 'k', format: 'Basic' } }, 'proxy.secret.format'],
    [{ secret: { name: 'k', format: '{}\r\nhost: x' } }, 'proxy.secret.format'],
    [{ resolve: 'nobody' }, 'proxy.resolve'],
    [{ user: 'x' }, 'proxy.user'],
  ])('%j is refused at %s', (part, at) => expect(faultsOf(withProxy(part)).map(({ path }) => path)).toContain(at));
});
