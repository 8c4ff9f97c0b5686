import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { type CallEnvelope, HEALTH_STAGES, type HealthStage, PluginManifestSchema } from '../../sdk/contract/plugin.ts';
import { personOf } from '../../test/support/org-files.ts';
import { openManualClock, openSeededEntropy } from '../adapter/memory/clock.ts';
import type { AuditDraft } from '../audit/record.ts';
import type { OrgId } from '../base/id.ts';
import { ok } from '../base/result.ts';
import { ExecutionPolicySchema } from '../call/policy.ts';
import type { CellHost, CellOutcome } from '../port/cell-host.ts';
import type { OutboundRequest } from '../port/egress.ts';
import type { Write } from '../port/store.ts';
import { createBroker } from './broker.ts';
import { type HealthChange, openHealthChecks } from './health.ts';
import type { Org, Plugin } from './registry.ts';
import { leasesOnRecord } from './secrets.ts';

const ACME = 'acme' as OrgId;
/** All first checks of a start are due within this. */
const FIRST_MS = 11_000;

type Does = 'is well' | { readonly fails: HealthStage } | 'sends POST' | 'finds no cell' | 'never answers';
const NO_LOGS = { logs: [], elapsedMs: 1 } as const;

/** The health checks over a cell, a target and a record that the test owns. */
function openWorld(
  part: {
    readonly stages?: readonly HealthStage[];
    readonly health?: object;
    readonly isGranted?: boolean;
    readonly names?: readonly string[];
    /** Rows of an earlier life. */
    readonly rows?: ReadonlyMap<string, string>;
  } = {},
) {
  const { stages = HEALTH_STAGES, health = {}, isGranted = true, names = ['firewall'] } = part;
  const world = { does: 'is well' as Does, isStopped: false, now: 0 };
  const asked: HealthStage[] = [];
  const sent: OutboundRequest[] = [];
  const audit: AuditDraft[] = [];
  const leases: AuditDraft[] = [];
  const told: HealthChange[] = [];
  const rows = new Map<string, string>(part.rows);
  const clock = openManualClock(1_800_000_000_000);

  const plugin = (name: string): Plugin => ({
    name,
    digest: `sha256:${'0'.repeat(64)}` as Plugin['digest'],
    module: `sha256:${'0'.repeat(64)}` as Plugin['module'],
    contracts: new Map(),
    facts: { imports: [], memory: { pagesMin: 1, pagesMax: 1 }, tables: [], functions: 2, startFunction: false },
    manifest: v.parse(PluginManifestSchema, {
      apiVersion: 'interlock/plugin/v1',
      name,
      version: '1.0.0',
      title: 'Firewall',
      capabilities: { http: true },
      ...(stages.length > 0 && { healthCheck: stages }),
      actions: { look: { title: 'Look', effect: 'read', input: {}, output: {} } },
    }),
  });
  const secret = { name: 'key', header: 'x-key', format: '{}' };
  const rule = { scheme: 'https', host: 'fw.example', port: 443, methods: ['GET', 'POST'], pathPrefix: '/', secret };
  const org = {
    execution: v.parse(ExecutionPolicySchema, { apiVersion: 'interlock/execution/v1', health }),
    egress: {
      grants: isGranted ? names.map((name) => ({ plugin: name, settings: { site: 'a' }, rules: [rule] })) : [],
    },
    plugins: new Map(names.map((name) => [name, plugin(name)])),
  } as unknown as Org;

  const cells: CellHost = {
    load: async () => ok(undefined),
    stats: () => ({ cells: 1, busy: 0, waiting: 0, respawns: 0 }),
    close: async () => undefined,
    async call({ envelope, broker, signal }): Promise<CellOutcome> {
      const { does } = world;
      const { op, action, settings, run } = JSON.parse(envelope) as CallEnvelope;
      expect({ action, settings, run }).toEqual({ action: '', settings: { site: 'a' }, run: '' });
      asked.push(op as HealthStage);
      if (does === 'finds no cell') return { ...NO_LOGS, kind: 'unavailable', reason: 'none' };
      if (does === 'never answers') {
        await new Promise((resolve) => signal?.addEventListener('abort', resolve));
        return { ...NO_LOGS, kind: 'aborted' };
      }
      const method = does === 'sends POST' ? 'POST' : 'GET';
      const asks = op !== 'validate' || does === 'sends POST';
      const answer = asks ? await broker({ url: 'https://fw.example/', method, headers: {}, body: null }) : null;
      if (answer && 'denied' in answer) return { ...NO_LOGS, kind: 'refused', reason: answer.denied };
      const isWell = typeof does === 'string' || does.fails !== op;
      const reply = isWell
        ? { ok: true, output: null }
        : { ok: false, error: { class: 'unauthorized', message: 'no' } };
      return { ...NO_LOGS, kind: 'replied', reply: JSON.stringify(reply) };
    },
  };
  const source = {
    known: async () => ok([]),
    lease: async (_: OrgId, name: string) =>
      ok({ name, reveal: () => 'the-key-itself', isOver: () => false, revoke: () => 'ended' as const }),
    put: async () => undefined,
    list: async () => [],
    remove: async () => false,
  };
  const egress = {
    send: async (request: OutboundRequest) => {
      sent.push(request);
      return { kind: 'answered', status: 200, headers: {}, body: Buffer.from('') } as const;
    },
    selfTest: async () => ({ holds: true, detail: '' }),
    close: async () => undefined,
  };
  const scheduler = {
    elapsed: () => world.now,
    worked: () => ({ workMs: 0, restMs: 1 }),
    soon: (task: () => void) => void setImmediate(task),
    after: () => () => undefined,
    every: () => () => undefined,
  };
  const checks = openHealthChecks({
    ledger: {
      read: (key) => rows.get(key),
      nextSeq: () => audit.length,
      async stage({ audit: drafts, rows: writes }) {
        audit.push(...drafts);
        for (const { key, value } of writes as readonly Write[]) if (value !== null) rows.set(key, value);
      },
    } as Parameters<typeof openHealthChecks>[0]['ledger'],
    registry: { org: (id) => (id === ACME ? org : undefined), orgs: () => [ACME] },
    cells,
    broker: createBroker({
      egress,
      secrets: leasesOnRecord(
        source,
        { stage: async ({ audit: drafts }) => void leases.push(...drafts) },
        () => undefined,
      ),
      scheduler,
      isStopped: () => world.isStopped,
    }),
    isStopped: () => world.isStopped,
    clock,
    entropy: openSeededEntropy('health'),
    scheduler,
    report: (defect) => {
      throw defect;
    },
    tell: (change) => void told.push(change),
  });
  /** Lets so much time pass, and whatever is due be done. */
  const pass = async (ms: number) => {
    world.now += ms;
    clock.advance(ms);
    checks.sweep();
    await new Promise((resolve) => setTimeout(resolve, 5));
  };
  return { world, checks, asked, sent, audit, leases, told, rows, pass };
}

const MINUTES_5 = 300_000;
const lifecycle = (rows: ReadonlyMap<string, string>) =>
  [...rows].filter(([key]) => key.startsWith('acme/lifecycle/')).map(([, text]) => JSON.parse(text).type);

describe('by the clock', () => {
  it('asks every stage soon after the start, then every five minutes, and records only what changed', async () => {
    const { asked, audit, told, rows, pass, checks, sent } = openWorld();
    expect(checks.show(ACME, 'firewall').health).toEqual({ state: 'unknown' });
    await pass(0);
    await pass(FIRST_MS);
    expect(asked).toEqual(['validate', 'auth', 'health']);
    expect(sent.map(({ method, headers }) => [method, headers['x-key']])).toEqual([
      ['GET', 'the-key-itself'],
      ['GET', 'the-key-itself'],
    ]);
    await pass(MINUTES_5 - 2_000);
    expect(asked).toHaveLength(3);
    await pass(2_000);
    expect(asked).toHaveLength(6);
    expect(audit).toEqual([{ org: ACME, kind: 'connector.healthy', actor: 'system:health', ref: 'firewall' }]);
    expect(lifecycle(rows)).toEqual(['interlock.connector.healthy']);
    expect(told).toMatchObject([{ connector: 'firewall', health: { state: 'healthy' } }]);
  });

  it('after two failures in a row it is unhealthy, on record and in the feed, and the stages behind are not asked', async () => {
    const { world, asked, audit, rows, pass, checks } = openWorld();
    world.does = { fails: 'auth' };
    await pass(0);
    await pass(FIRST_MS);
    expect(checks.show(ACME, 'firewall')).toMatchObject({
      health: { state: 'unknown' },
      checked: { answer: { kind: 'failed', stage: 'auth', error: { class: 'unauthorized', message: 'no' } } },
    });
    await pass(MINUTES_5);
    expect(asked).toEqual(['validate', 'auth', 'validate', 'auth']);
    expect(audit).toMatchObject([
      { kind: 'connector.unhealthy', ref: 'firewall', step: 'auth', outcome: 'unauthorized' },
    ]);
    world.does = 'is well';
    await pass(MINUTES_5);
    expect(audit.map(({ kind }) => kind)).toEqual(['connector.unhealthy', 'connector.healthy']);
    expect(lifecycle(rows)).toEqual(['interlock.connector.unhealthy', 'interlock.connector.healthy']);
  });

  it.each([
    ['off', { every: 'off' }, 0],
    ['off for this one', { connectors: { firewall: { every: 'off' } } }, 0],
    ['another pace for this one', { every: 'off', connectors: { firewall: { every: '1m' } } }, 2],
  ])('%s', async (_, health, checks) => {
    const { asked, pass } = openWorld({ health });
    for (const ms of [0, FIRST_MS, 60_000]) await pass(ms);
    expect(asked.length / 3).toBe(checks);
  });

  it.each([
    ['without stages', { stages: [] }],
    ['without a grant', { isGranted: false }],
  ])('%s there is nothing to ask', async (_, part) => {
    const { asked, pass, checks } = openWorld(part);
    for (const ms of [0, FIRST_MS]) await pass(ms);
    expect(asked).toEqual([]);
    expect(checks.show(ACME, 'firewall')).toEqual({ health: null, checked: null });
    expect(await checks.check(ACME, 'firewall')).toBeNull();
  });

  it('no more than four at a time, and those that are due for longest first', async () => {
    const names = Array.from({ length: 12 }, (_, i) => `firewall-${i}`);
    const { world, asked, pass, checks } = openWorld({ names, stages: ['health'] });
    world.does = 'never answers';
    await pass(0);
    await pass(FIRST_MS);
    await pass(FIRST_MS);
    expect(asked).toHaveLength(4);
    await checks.stop();
  });

  it('while the org is stopped nothing is asked', async () => {
    const { world, asked, audit, pass, checks } = openWorld();
    world.isStopped = true;
    for (const ms of [0, FIRST_MS, MINUTES_5]) await pass(ms);
    expect(await checks.check(ACME, 'firewall')).toEqual({ kind: 'unasked' });
    expect([asked, audit]).toEqual([[], []]);
  });
});

describe('what is no fault of the connector changes nothing', () => {
  it('no cell is free', async () => {
    const { world, audit, pass, checks } = openWorld({ health: { failures: 1 } });
    world.does = 'finds no cell';
    for (const ms of [0, FIRST_MS]) await pass(ms);
    expect(audit).toEqual([]);
    expect(checks.show(ACME, 'firewall')).toEqual({ health: { state: 'unknown' }, checked: null });
  });

  it('the kernel stops', async () => {
    const { world, audit, pass, checks } = openWorld({ health: { failures: 1 } });
    world.does = 'never answers';
    for (const ms of [0, FIRST_MS]) await pass(ms);
    await checks.stop();
    expect(audit).toEqual([]);
  });
});

it('a check changes nothing: what is no GET and no HEAD is refused, and validate sends nothing at all', async () => {
  const { world, sent, checks } = openWorld();
  world.does = 'sends POST';
  expect(await checks.check(ACME, 'firewall')).toMatchObject({
    kind: 'failed',
    stage: 'validate',
    error: { class: 'refused_by_policy', message: expect.stringContaining('E_EFFECT') },
  });
  const behind = openWorld({ stages: ['health'] });
  behind.world.does = 'sends POST';
  expect(await behind.checks.check(ACME, 'firewall')).toMatchObject({
    stage: 'health',
    error: { message: expect.stringContaining('E_OPERATION') },
  });
  expect([...sent, ...behind.sent]).toEqual([]);
});

it('whose lease a secret was is on record, without a run', async () => {
  const { checks, leases } = openWorld();
  await checks.check(ACME, 'firewall');
  const head = (stage: string) => ({ org: ACME, actor: 'system:broker', step: `firewall/${stage}` });
  expect(leases).toEqual(
    ['auth', 'health'].flatMap((stage) => [
      { ...head(stage), kind: 'secret.leased', ref: 'key' },
      { ...head(stage), kind: 'secret.used', ref: 'key/fw.example/x-key' },
      { ...head(stage), kind: 'secret.revoked', ref: 'key', outcome: 'ended' },
    ]),
  );
});

it('what is known outlives a restart, by class and without the words of the plugin', async () => {
  const first = openWorld({ health: { failures: 1 } });
  first.world.does = { fails: 'health' };
  await first.checks.check(ACME, 'firewall');
  expect(first.rows.get('acme/health/firewall')).not.toContain('no"');
  const second = openWorld({ rows: first.rows });
  expect(second.checks.show(ACME, 'firewall')).toMatchObject({
    health: { state: 'unhealthy', stage: 'health', error: { class: 'unauthorized' } },
    checked: null,
  });
  await second.checks.check(ACME, 'firewall');
  expect(second.audit).toMatchObject([{ kind: 'connector.healthy' }]);
});

describe('when somebody asks', () => {
  it('it is on record who, and what it came to', async () => {
    const { world, checks, audit } = openWorld();
    const ann = personOf(ACME, 'ann', ['operator']);
    expect(await checks.checkFor(ann, 'firewall')).toEqual({ kind: 'well' });
    world.does = { fails: 'auth' };
    await checks.checkFor(ann, 'firewall');
    const by = { kind: 'connector.checked', actor: 'principal:ann', ref: 'firewall' };
    expect(audit).toMatchObject([
      { kind: 'connector.healthy' },
      { ...by, outcome: 'well' },
      { ...by, outcome: 'unauthorized' },
    ]);
  });

  it('the check begins after the asking: one that is under way is waited for, and all who wait share the next', async () => {
    const { asked, checks } = openWorld({ stages: ['health'] });
    const running = checks.check(ACME, 'firewall');
    await Promise.all([running, checks.check(ACME, 'firewall'), checks.check(ACME, 'firewall')]);
    expect(asked).toHaveLength(2);
  });

  it('another org has nothing there', async () => {
    const { checks } = openWorld();
    expect(await checks.check('globex' as OrgId, 'firewall')).toBeNull();
  });
});
