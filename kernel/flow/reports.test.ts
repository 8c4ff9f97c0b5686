import { describe, expect, it } from 'vitest';
import type { EgressPolicy } from '../../sdk/contract/egress.ts';
import { HTTP_METHODS } from '../../sdk/contract/egress.ts';
import { openManualClock, openSeededEntropy } from '../adapter/memory/clock.ts';
import { openMemoryStore } from '../adapter/memory/store.ts';
import type { OrgId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import { err, ok } from '../base/result.ts';
import { parseEgressPolicy } from '../egress/policy.ts';
import type { EgressClient, OutboundAnswer, OutboundRequest } from '../port/egress.ts';
import type { SecretSource } from '../port/secret-source.ts';
import { createBroker, type StepScope } from './broker.ts';
import { openExport } from './export.ts';
import { openLedger } from './ledger.ts';
import { openReports } from './reports.ts';
import { leasesOnRecord } from './secrets.ts';

const acme = 'acme' as OrgId;
const RULE = {
  scheme: 'https' as const,
  host: 'api.example.com',
  port: 443,
  methods: ['GET' as const],
  pathPrefix: '/v1',
  addresses: ['10.0.0.0/8'],
  secret: { name: 'api-key', header: 'authorization', format: '{}' },
};

/** A step of a plugin in report mode on a real ledger. What leaves is kept with what was on disk at that moment. */
function openWorld(store = openMemoryStore(), refusal?: Extract<OutboundAnswer, { kind: 'denied' }>) {
  const clock = openManualClock(1_800_000_000_000);
  const ledger = openLedger({ store, clock, entropy: openSeededEntropy('reports') });
  const reports = openReports({ store, ledger, clock });
  const sent: (OutboundRequest & { readonly listed: number })[] = [];
  const egress: EgressClient = {
    send: async (request) => {
      sent.push({ ...request, listed: reports.list(acme, []).length });
      return refusal ?? { kind: 'answered', status: 200, headers: {}, body: Buffer.from('{}') };
    },
    selfTest: async () => ({ holds: true, detail: '' }),
    close: async () => undefined,
  };
  const leased: string[] = [];
  const secrets: SecretSource = {
    known: async () => ok([]),
    lease: async (_, name) => {
      leased.push(name);
      return err('unknown');
    },
    put: async () => undefined,
    list: async () => [],
    remove: async () => false,
  };
  const scope: StepScope = {
    org: acme,
    run: 'run_1',
    step: 'ask',
    attempt: 1,
    plugin: 'tracker',
    action: 'lookup',
    playbook: 'contain-c2',
    rules: [RULE],
    reports: true,
    effect: 'write',
    methods: HTTP_METHODS,
    op: 'execute',
    idempotencyKey: 'key',
    traceparent: '',
    timeoutMs: 10_000,
  };
  const ask = (url: string, part: Partial<StepScope> = {}, method = 'GET', headers: Record<string, string> = {}) =>
    createBroker({
      egress,
      secrets: leasesOnRecord(secrets, { stage: async () => undefined }, () => undefined),
      reports,
    })
      .forStep({ ...scope, ...part })
      .handle({ url, method, headers, body: null });
  const records = () => openExport({ store, clock })(acme);
  return { store, ledger, reports, sent, leased, ask, records };
}
const denied = (code: string) => ({ denied: expect.stringContaining(code) });

describe('a plugin in report mode', () => {
  it('gets out what no rule covers, without any secret, for public addresses, when it is on disk', async () => {
    const { ask, sent, leased, reports, records } = openWorld();
    expect(await ask('https://api.example.com/v2/items/7?q=hidden', {}, 'DELETE', { 'X-A': 'b' })).toMatchObject({
      ok: true,
    });
    expect(sent).toMatchObject([{ rule: { addresses: [], pathPrefix: '/' }, headers: { 'x-a': 'b' }, listed: 1 }]);
    expect(sent[0]?.rule.secret).toBeUndefined();
    expect([leased, sent[0]?.headers['authorization']]).toEqual([[], undefined]);
    expect(reports.list(acme, [])).toMatchObject([
      {
        plugin: 'tracker',
        rule: { host: 'api.example.com', methods: ['DELETE'], pathPrefix: '/v2/items', headers: ['x-a'] },
        requests: 1,
        run: 'run_1',
        step: 'ask',
      },
    ]);
    const record = [...records().lines].find((line) => line.includes('egress.reported')) ?? '';
    expect(record).toContain('"ref":"tracker"');
    expect(record).not.toMatch(/example|items|hidden/);
    expect(JSON.stringify(reports.list(acme, []))).not.toContain('hidden');
  });

  it.each<[string, string, Partial<StepScope>, string, string]>([
    ['with the mode off', 'https://api.example.org/', { reports: false }, 'GET', 'E_NOT_ALLOWED'],
    ['what could never be granted', 'ftp://api.example.org/', {}, 'GET', 'E_SCHEME'],
    ['in a plan, what changes something', 'https://api.example.org/', { op: 'plan' }, 'DELETE', 'E_OPERATION'],
    [
      'a method that the manifest does not name',
      'https://api.example.org/',
      { methods: ['GET'] },
      'DELETE',
      'E_EFFECT',
    ],
    ['anything for an action without effect', 'https://api.example.org/', { effect: 'none' }, 'GET', 'E_EFFECT'],
  ])('gets nothing more out than that: %s', async (_, url, part, method, code) => {
    const { ask, sent, reports } = openWorld();
    expect(await ask(url, part, method)).toEqual(denied(code));
    expect([sent, reports.list(acme, [])]).toEqual([[], []]);
  });

  it('whose address is refused is told as that: on record, and with the rule that would let it out', async () => {
    const refusal = { kind: 'denied', reason: 'E_PRIVATE_ADDRESS: no', block: '127.0.0.1/32' } as const;
    const { ask, reports, records } = openWorld(openMemoryStore(), refusal);
    expect(await ask('http://127.0.0.1:8486/v1/ip/198.51.100.7')).toEqual(denied('E_PRIVATE_ADDRESS'));
    const place = { scheme: 'http' as const, host: '127.0.0.1', port: 8486, methods: ['GET' as const] };
    const rule = { ...place, pathPrefix: '/v1/ip', addresses: ['127.0.0.1/32'] };
    expect(reports.list(acme, [])).toMatchObject([{ rule, requests: 1, refused: 1 }]);
    const told = [...records().lines].map((line) => JSON.parse(line)).filter(({ kind }) => kind === 'egress.reported');
    expect(told.map(({ outcome }) => outcome)).toEqual([undefined, 'refused']);
    expect(new Set(told.map(({ act }) => act)).size).toBe(1);
    // Pasted, it is in force, and not listed any more.
    const read = parseEgressPolicy({
      apiVersion: 'interlock/egress/v1',
      grants: [{ plugin: 'tracker', mode: 'report', rules: reports.list(acme, []).map((one) => one.rule) }],
    });
    if (!read.ok) throw new Error('the rule cannot be pasted');
    expect(reports.list(acme, read.value.policy.grants)).toEqual([]);
    expect(reports.list(acme, [{ ...read.value.policy.grants[0], plugin: 'other' } as never])).toHaveLength(1);
  });

  it('is refused as ever when its list is full, but for places that are listed', async () => {
    const { ask, sent } = openWorld();
    for (let i = 0; i < LIMITS.reportedPlaces.value; i++) await ask(`https://host-${i}.example.org/`);
    expect(sent.length).toBe(LIMITS.reportedPlaces.value);
    expect(await ask('https://one-more.example.org/')).toEqual(denied('E_NOT_ALLOWED'));
    expect(await ask('https://host-3.example.org/more')).toMatchObject({ ok: true });
  });

  it('is not let out when the record fails', async () => {
    const { ask, sent } = openWorld(openMemoryStore({ fault: () => 'lost' }));
    expect(await ask('https://api.example.org/')).toHaveProperty('denied');
    expect(sent).toEqual([]);
  });

  it('keeps its list over a restart, and loses it with the commit that ends the mode', async () => {
    const { ask, store } = openWorld();
    await ask('https://api.example.org/a');
    const { reports, ledger, ask: askAgain } = openWorld(store);
    await askAgain('https://api.example.org/a');
    expect(reports.list(acme, [])).toMatchObject([{ requests: 2 }]);
    const policy = (mode: 'report' | 'enforce'): EgressPolicy => ({
      apiVersion: 'interlock/egress/v1',
      grants: [{ plugin: 'tracker', mode, settings: {}, rules: [] }],
    });
    expect(reports.removed(acme, policy('report'))).toEqual([]);
    const rows = reports.removed(acme, policy('enforce'));
    await ledger.stage({ audit: [{ org: acme, kind: 'org.created', actor: 'system:test' }], rows });
    expect(reports.list(acme, [])).toEqual([]);
  });
});
