/** The outbox, the egress client and the secret store together: what a receiver of lifecycle events really gets. */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSecretStore } from '../../kernel/adapter/file/secret-store.ts';
import { openManualClock, openSeededEntropy } from '../../kernel/adapter/memory/clock.ts';
import { openMemoryStore, type WriteFault } from '../../kernel/adapter/memory/store.ts';
import { openEgressClient } from '../../kernel/adapter/undici/egress-client.ts';
import { digestOf } from '../../kernel/base/digest.ts';
import type { OrgId } from '../../kernel/base/id.ts';
import { DEFAULT_EXECUTION } from '../../kernel/call/policy.ts';
import { webhooksOf } from '../../kernel/egress/webhook.ts';
import type { EgressRefused } from '../../kernel/flow/broker.ts';
import { openFeed } from '../../kernel/flow/feed.ts';
import { KEYS } from '../../kernel/flow/keys.ts';
import { openLedger } from '../../kernel/flow/ledger.ts';
import { openOutbox } from '../../kernel/flow/outbox.ts';
import { openPrune } from '../../kernel/flow/prune.ts';
import { openRegistry } from '../../kernel/flow/registry.ts';
import { lifecycleRow } from '../../kernel/flow/tell.ts';
import { OCSF_FINDINGS } from '../../kernel/incident/finding.ts';
import type { Row } from '../../kernel/port/store.ts';
import { verifyWebhook } from '../../sdk/client/webhook.ts';
import type { EgressProxy } from '../../sdk/contract/egress.ts';
import { openProxyDouble, targetOf } from './proxy-double.ts';
import { answer, openUpstream, type Script, type Upstream } from './upstream.ts';

const SECRET = `whsec_${Buffer.from('a key that nobody guesses').toString('base64')}`;
const ORG = 'acme' as OrgId;
const START = 1_800_000_000_000;
const HOUR = 3_600_000;
const open: { close(): Promise<unknown> }[] = [];
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'interlock-webhook-'));
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
  await rm(folder, { recursive: true, force: true });
});

async function listen(script: Script = taken): Promise<Upstream> {
  const upstream = await openUpstream(script, { host: '0.0.0.0' });
  open.push(upstream);
  return upstream;
}
const taken: Script = (_, socket) => void socket.write(answer(204));

type Hook = { readonly id?: string; readonly port: number; readonly types?: string[]; readonly addresses?: string[] };

/** One life of an outbox on a record. */
async function openLife(
  hooks: readonly Hook[],
  part: {
    readonly rows?: readonly Row[];
    readonly secret?: string | null;
    readonly at?: number;
    readonly fault?: () => WriteFault;
    readonly proxy?: EgressProxy;
  } = {},
) {
  const { rows = [], secret = SECRET, at = START, fault = () => 'none' as const } = part;
  let begun = false;
  const store = openMemoryStore({ fault: () => (begun ? fault() : 'none') });
  if (rows.length > 0) await store.write(rows);
  begun = true;
  const clock = openManualClock(at);
  const ledger = openLedger({ store, clock, entropy: openSeededEntropy(`life-${at}`) });
  const registry = openRegistry(store);
  const webhooks = webhooksOf({
    apiVersion: 'interlock/lifecycle/v1',
    webhooks: hooks.map(({ id = 'siem', port, types = ['interlock.*'], addresses = ['127.0.0.1/32'] }) => ({
      id,
      url: `http://siem.test:${port}/hook?from=interlock`,
      types,
      secret: 'siem-key',
      addresses,
    })),
  });
  if (!webhooks.ok) throw new Error(JSON.stringify(webhooks.error));
  registry.addOrg({
    id: ORG,
    policy: digestOf('none'),
    egress: { apiVersion: 'interlock/egress/v1', grants: [], ...(part.proxy && { proxy: part.proxy }) },
    incidents: OCSF_FINDINGS,
    webhooks: webhooks.value,
    execution: DEFAULT_EXECUTION,
    plugins: new Map(),
  });
  const secrets = await openSecretStore({ file: join(folder, `secrets-${randomUUID()}.json`), key: randomBytes(32) });
  if (!secrets.ok) throw new Error(secrets.error);
  if (secret !== null) await secrets.value.put(ORG, 'siem-key', secret);
  const egress = openEgressClient({ resolve: async () => ['127.0.0.1'] });
  const feed = openFeed({ store, ledger });
  const refused: EgressRefused[] = [];
  const reported: unknown[] = [];
  const outbox = openOutbox({
    ledger,
    registry,
    feed,
    egress,
    secrets: secrets.value,
    clock,
    report: (defect) => void reported.push(defect),
    onRefusal: (one) => void refused.push(one),
  });
  const ticking = setInterval(outbox.sweep, 5);
  const close = async () => {
    clearInterval(ticking);
    await outbox.stop();
    await egress.close();
  };
  open.push({ close });
  outbox.begin();

  const all = () => store.range({ from: '', to: '\u{7f}', limit: 100_000 });
  return {
    store,
    ledger,
    feed,
    outbox,
    clock,
    secrets: secrets.value,
    refused,
    reported,
    close,
    rows: all,
    prune: (events: number) => openPrune({ store, ledger, registry, clock, bounds: { events, ageMs: 30 * 24 * HOUR } }),
    records: () =>
      all()
        .filter(({ key }) => key.startsWith(`${ORG}/audit/`))
        .flatMap(({ value }) => value.split('\n').map((line) => JSON.parse(line) as Record<string, string>)),
    state: () => JSON.parse(store.get(KEYS.webhook(ORG, 'siem')) ?? '{}') as Record<string, unknown>,
    /** Something of this name happens, on record. */
    tell(playbook: string, type: 'activated' | 'stop' = 'activated') {
      const seq = ledger.nextSeq();
      const draft =
        type === 'stop'
          ? ({ type: 'interlock.stop.engaged', subject: playbook, data: { seq, by: playbook } } as const)
          : ({
              type: 'interlock.playbook.activated',
              subject: playbook,
              data: { seq, playbook, digest: digestOf(playbook), by: 'ann' },
            } as const);
      return ledger.stage({
        audit: [{ org: ORG, kind: 'org.created', actor: 'system:test' }],
        rows: [lifecycleRow(ORG, clock.now(), draft)],
      });
    },
  };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 3));
}
const subjects = ({ requests }: Upstream) => requests.map(({ body }) => JSON.parse(body).subject as string);
const idsOf = ({ requests }: Upstream) => requests.map(({ headers }) => headers['webhook-id']);

describe('a receiver', () => {
  it('gets each event once, in order, signed, and as the feed has it', async () => {
    const siem = await listen();
    const life = await openLife([{ port: siem.port }]);
    for (const name of ['a', 'b', 'c']) await life.tell(name);
    await until(() => life.state().delivered === 3);
    expect(subjects(siem)).toEqual(['a', 'b', 'c']);
    const { events } = life.feed.read(ORG, { after: '', types: [], limit: 10 });
    expect(siem.requests.map(({ body }) => JSON.parse(body))).toEqual(events);
    for (const { method, path, headers, body } of siem.requests) {
      expect([method, path]).toEqual(['POST', '/hook?from=interlock']);
      expect(headers['content-type']).toBe('application/cloudevents+json; charset=utf-8');
      expect(verifyWebhook({ headers, body }, SECRET, START)).toMatchObject({
        ok: true,
        event: { specversion: '1.0' },
      });
    }
    expect(idsOf(siem)).toEqual(events.map(({ id }) => `msg_acme_${id}`));
    const mine = life.records().filter(({ actor }) => actor === 'system:outbox');
    expect(new Set(mine.map(({ kind, ref }) => `${kind} ${ref}`))).toEqual(
      new Set([
        'secret.leased siem-key',
        'secret.used siem-key/siem.test/webhook-signature',
        'secret.revoked siem-key',
        'webhook.delivered siem',
      ]),
    );
    expect(JSON.stringify([life.rows(), siem.requests])).not.toContain(SECRET.slice(6));
  });

  it('gets only the types that it asks for', async () => {
    const siem = await listen();
    const life = await openLife([{ port: siem.port, types: ['interlock.stop.*'] }]);
    await life.tell('a');
    await life.tell('b', 'stop');
    await life.tell('c');
    await life.tell('d', 'stop');
    await until(() => life.state().delivered === 2);
    expect(subjects(siem)).toEqual(['b', 'd']);
  });

  it('that fails gets the same event again under the same id before any other', async () => {
    const siem = await listen((_, socket, n) => void socket.write(answer(n <= 2 ? 503 : 200)));
    const life = await openLife([{ port: siem.port }]);
    await life.tell('a');
    await life.tell('b');
    await until(() => life.state().attempts === 1);
    life.clock.advance(1_000);
    await until(() => life.state().attempts === 2);
    // Twice as long as before.
    life.clock.advance(1_000);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(siem.requests).toHaveLength(2);
    life.clock.advance(1_000);
    await until(() => life.state().delivered === 2);
    expect(subjects(siem)).toEqual(['a', 'a', 'a', 'b']);
    expect(new Set(idsOf(siem)).size).toBe(2);
    const stamps = siem.requests.map(({ headers }) => Number(headers['webhook-timestamp']));
    expect(stamps).toEqual([0, 1, 3, 3].map((late) => START / 1_000 + late));
    expect(life.records().filter(({ kind }) => kind === 'webhook.failed')).toMatchObject([
      { ref: 'siem', outcome: 'http.503' },
      { ref: 'siem', outcome: 'http.503' },
    ]);
    expect(life.state()).toMatchObject({ attempts: 0, failure: null });
  });

  it.each<[string, Script, string]>([
    ['redirects', (_, socket) => void socket.write(answer(302, { location: 'http://siem.test/' })), 'http.302'],
    ['breaks the connection', (_, socket) => void socket.destroy(), 'unavailable'],
    ['answers what is not HTTP', (_, socket) => void socket.end('what?\r\n\r\n'), 'upstream_error'],
  ])('that %s has not taken it', async (_, script, outcome) => {
    const siem = await listen(script);
    const life = await openLife([{ port: siem.port }]);
    await life.tell('a');
    await until(() => life.state().attempts === 1);
    expect(life.state()).toMatchObject({ delivered: 0, failure: outcome });
    expect(siem.requests).toHaveLength(1);
  });

  it('that does not answer keeps no other waiting', async () => {
    const [silent, siem] = [await listen(() => undefined), await listen()];
    const life = await openLife([{ id: 'silent', port: silent.port }, { port: siem.port }]);
    await life.tell('a');
    await life.tell('b');
    await until(() => life.state().delivered === 2);
    expect([subjects(siem), subjects(silent)]).toEqual([['a', 'b'], ['a']]);
  });
});

describe('nothing is sent', () => {
  it('to an address that is not granted, and the operator is told what it would take', async () => {
    const siem = await listen();
    const life = await openLife([{ port: siem.port, addresses: [] }]);
    await life.tell('a');
    await until(() => life.state().failure === 'denied');
    expect(siem.connections).toEqual([]);
    expect(life.refused).toMatchObject([
      { org: ORG, plugin: 'webhook siem', reason: expect.stringContaining('E_PRIVATE_ADDRESS') },
    ]);
    expect(life.refused[0]?.hint).toContain('127.0.0.1/32');
  });

  it('without its secret, and what waited is sent once it is stored', async () => {
    const siem = await listen();
    const life = await openLife([{ port: siem.port }], { secret: null });
    await life.tell('a');
    await until(() => life.state().failure === 'no_secret');
    expect(siem.connections).toEqual([]);
    const asked = { ref: 'siem-key', actor: 'system:outbox' };
    expect(life.records().filter(({ kind }) => kind?.startsWith('secret.'))).toMatchObject([
      { ...asked, kind: 'secret.leased' },
      { ...asked, kind: 'secret.revoked', outcome: 'not_lent' },
    ]);
    await life.secrets.put(ORG, 'siem-key', SECRET);
    life.clock.advance(1_000);
    await until(() => life.state().delivered === 1);
    expect(subjects(siem)).toEqual(['a']);
  });

  it('before it is on disk', async () => {
    const siem = await listen();
    const life = await openLife([{ port: siem.port }], { fault: () => 'lost' });
    await expect(life.tell('a')).rejects.toThrow('record');
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(siem.connections).toEqual([]);
  });
});

describe('a kernel that ends', () => {
  it.each<WriteFault>(['lost', 'failed-but-done'])(
    'between sending and noting (%s) sends again under the same id, and loses nothing',
    async (fault) => {
      let isBroken = false;
      const siem = await listen((_, socket) => {
        isBroken = true;
        socket.write(answer(204));
      });
      const life = await openLife([{ port: siem.port }], { fault: () => (isBroken ? fault : 'none') });
      await life.tell('a');
      await life.ledger.failure;
      await life.close();
      expect(subjects(siem)).toEqual(['a']);

      const again = await openLife([{ port: siem.port }], { rows: life.rows(), at: START + HOUR });
      await again.tell('b');
      await until(() => again.state().delivered === 2);
      expect(subjects(siem)).toEqual(fault === 'lost' ? ['a', 'a', 'b'] : ['a', 'b']);
      expect(new Set(idsOf(siem)).size).toBe(2);
    },
  );

  it('goes on where it was, after its waits as before', async () => {
    const siem = await listen((_, socket, n) => void socket.write(answer(n === 1 ? 500 : 204)));
    const life = await openLife([{ port: siem.port }]);
    await life.tell('a');
    await until(() => life.state().attempts === 1);
    await life.close();
    const again = await openLife([{ port: siem.port }], { rows: life.rows(), at: START });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(siem.requests).toHaveLength(1);
    again.clock.advance(1_000);
    await until(() => again.state().delivered === 1);
    expect(subjects(siem)).toEqual(['a', 'a']);
  });
});

it('goes through the proxy of the org, whose secret is on record before it is used', async () => {
  const siem = await listen();
  const proxy = await openProxyDouble();
  open.push(proxy);
  const place = { host: 'proxy.test', port: proxy.port, addresses: ['127.0.0.1/32'] };
  const life = await openLife([{ port: siem.port, types: ['interlock.playbook.*'] }], {
    proxy: { ...place, secret: { name: 'siem-key', format: 'Bearer {}' } },
  });
  await life.tell('a');
  await until(() => life.state().delivered === 1);
  expect(proxy.heads.map(targetOf)).toEqual([`127.0.0.1:${siem.port}`]);
  expect(proxy.heads[0]).toContain(`Proxy-Authorization: Bearer ${SECRET}\r\n`);
  expect(JSON.stringify(siem.requests)).not.toContain(SECRET);
  expect(life.records().filter(({ kind }) => kind === 'secret.leased')).toMatchObject([
    { ref: 'siem-key' },
    { ref: 'siem-key' },
  ]);
});

it('waits while the secret of the proxy is not stored, and nothing leaves', async () => {
  const siem = await listen();
  const proxy = await openProxyDouble();
  open.push(proxy);
  const place = { host: 'proxy.test', port: proxy.port, addresses: ['127.0.0.1/32'] };
  const life = await openLife([{ port: siem.port, types: ['interlock.playbook.*'] }], {
    proxy: { ...place, secret: { name: 'no-such-key', format: '{}' } },
  });
  await life.tell('a');
  await until(() => life.state().attempts === 1);
  expect([proxy.connections(), siem.connections.length]).toEqual([0, 0]);
  expect(life.refused).toMatchObject([{ reason: 'the secret no-such-key is not stored' }]);
});

describe('what nobody takes', () => {
  it('is given up when it is too old, loudly, and what is newer comes', async () => {
    let isUp = false;
    const siem = await listen((_, socket) => void socket.write(answer(isUp ? 204 : 500)));
    const life = await openLife([{ port: siem.port, types: ['interlock.playbook.*'] }]);
    await life.tell('a');
    await life.tell('b');
    await until(() => life.state().attempts === 1);
    life.clock.advance(73 * HOUR);
    await life.tell('c');
    await until(() => life.state().dropped === 2);
    isUp = true;
    await until(() => life.state().delivered === 1);
    expect(subjects(siem).slice(-1)).toEqual(['c']);
    expect(subjects(siem)).not.toContain('b');
    expect(life.records().filter(({ kind }) => kind === 'webhook.dropped')).toMatchObject([
      { ref: 'siem', outcome: 'too_old' },
    ]);
    const { events } = life.feed.read(ORG, { after: '', types: ['interlock.webhook.dropped'], limit: 10 });
    expect(events).toMatchObject([{ data: { webhook: 'siem', events: 2 } }]);
  });

  it('goes with the feed when that is full, on record', async () => {
    const siem = await listen((_, socket) => void socket.write(answer(500)));
    const life = await openLife([{ port: siem.port, types: ['interlock.playbook.*'] }]);
    for (let n = 0; n < 600; n++) await life.tell(`p${n}`);
    await until(() => life.state().attempts === 1);
    await life.prune(5).pruneOrg(ORG);
    const { events } = life.feed.read(ORG, { after: '', types: [], limit: 10 });
    expect(events.map(({ subject }) => subject)).toEqual(['p595', 'p596', 'p597', 'p598', 'p599']);
    expect(life.state()).toMatchObject({ dropped: 595 });
    const kinds = life.records().map(({ kind, outcome }) => [kind, outcome].join(' '));
    expect(kinds).toContain('lifecycle.pruned ');
    expect(kinds).toContain('webhook.dropped not_kept');
  });
});

it('a feed is cut by age as well, and by nothing that it is not too old for', async () => {
  const life = await openLife([]);
  await life.tell('old');
  life.clock.advance(29 * 24 * HOUR);
  await life.tell('young');
  const left = () => life.feed.read(ORG, { after: '', types: [], limit: 10 }).events.map(({ subject }) => subject);
  await life.prune(100).pruneOrg(ORG);
  expect(left()).toEqual(['old', 'young']);
  life.clock.advance(2 * 24 * HOUR);
  await life.prune(100).pruneOrg(ORG);
  expect(left()).toEqual(['young']);
});
