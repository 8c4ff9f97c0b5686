import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ACME, CONTAIN, GLOBEX, type House, openHouse, PROBE, playbook, started } from './kit.ts';

/** Lists end, lose nothing and repeat nothing, while the things that they list go on coming. */
let house: House;
beforeAll(async () => {
  house = await openHouse();
  for (const org of [ACME, GLOBEX]) {
    await house.activate(playbook('look'), org);
    await house.activate(playbook('note', 'type: update_state, incident: I, set: { state: new }'), org);
    await house.activate(playbook('contain', CONTAIN), org);
  }
});
afterAll(() => house.close());

type Row = { readonly run: string; readonly approval: string; readonly playbook: string };
const get = (path: string, as = 'operator@acme') => house.ask(as, 'GET', path);

/** Reads to the end; `meanwhile` is done after every page. */
const readAll = async (path: string, meanwhile: () => Promise<unknown> = async () => undefined) => {
  const rows: Row[] = [];
  let pages = 0;
  for (let cursor: string | null = ''; cursor !== null; pages++) {
    const reply = await get(cursor === '' ? path : `${path}&cursor=${cursor}`);
    if (reply.status !== 200) throw new Error(reply.text);
    rows.push(...reply.data);
    cursor = reply.json.page.next;
    await meanwhile();
  }
  return { rows, pages };
};

test('all runs come, once each, newest first, while more are added', async () => {
  const old: string[] = [];
  for (let i = 0; i < 40; i++) old.push(started(await house.publish(i % 4 === 0 ? 'note.seen' : 'look.seen')));
  const { rows, pages } = await readAll('/v1/orgs/acme/runs?limit=7', () => house.publish('look.seen'));
  expect(rows.map(({ run }) => run)).toEqual(old.toReversed());
  expect(pages).toBeGreaterThanOrEqual(6);

  const notes = await readAll('/v1/orgs/acme/runs?limit=3&playbook=note&state=completed', () =>
    house.publish('note.seen'),
  );
  expect(notes.rows.map(({ run }) => run)).toEqual(old.filter((_, i) => i % 4 === 0).toReversed());
});

test('approvals, too', async () => {
  const runs: string[] = [];
  for (let i = 0; i < 5; i++) runs.push(started(await house.publish('contain.seen')));
  const pending = () => get('/v1/orgs/acme/approvals?state=pending');
  await house.until(async () => ((await pending()).data.length === 5 ? true : undefined));
  const { rows } = await readAll('/v1/orgs/acme/approvals?state=pending&limit=2');
  expect(new Set(rows.map(({ run }) => run))).toEqual(new Set(runs));
  expect(new Set(rows.map(({ approval }) => approval)).size).toBe(5);
  expect((await get('/v1/orgs/acme/approvals?state=expired')).json).toEqual({ data: [], page: { next: null } });
});

test('runs are found by everything that is asked for together, and by nothing misspelt', async () => {
  const id = started(await house.publish('note.seen'));
  const run = (await get(`/v1/orgs/acme/runs/${id}?wait=10s`)).data;
  const since = `since=${run.startedAt}`;
  const until = (ms: number) => `until=${new Date(Date.parse(run.startedAt) + ms).toISOString()}`;
  const found = async (query: string) => {
    const { rows } = await readAll(`/v1/orgs/acme/runs?limit=50&${query}`);
    return rows.some((row) => row.run === id);
  };
  const whole = `playbook=note&trigger=seen&state=completed&closure=closed&partial=false&incident=I&requester=${run.requester}`;
  expect(await found(`${whole}&${since}&${until(1)}`)).toBe(true);
  for (const other of ['partial=true', 'closure=needs_review', 'state=failed', 'trigger=other', 'requester=nobody'])
    expect([other, await found(`playbook=note&${other}`)]).toEqual([other, false]);
  for (const other of ['incident=J', until(0), `since=${new Date(Date.parse(run.startedAt) + 1).toISOString()}`])
    expect([other, await found(other)]).toEqual([other, false]);
  for (const wrong of [
    'partial=yes',
    'closure=all',
    'since=yesterday',
    'since=2026-02-31',
    'until=1',
    'incident=',
    'trigger=A',
  ])
    expect([wrong, (await get(`/v1/orgs/acme/runs?${wrong}`)).json.type]).toEqual([
      wrong,
      'urn:interlock:problem:invalid-query',
    ]);
});

test('a page has 50 rows, or as many as are wanted, and never more than 200', async () => {
  await Promise.all(Array.from({ length: 205 }, () => house.publish('look.seen', GLOBEX)));
  const sizes = [];
  for (const query of ['', '?limit=1', '?limit=200', '?limit=100000'])
    sizes.push((await get(`/v1/orgs/globex/runs${query}`, 'operator@globex')).data.length);
  expect(sizes).toEqual([50, 1, 200, 200]);
});

test('a cursor is good for its own list, org and filter, and for nothing else', async () => {
  const { json } = await get('/v1/orgs/acme/runs?limit=1&playbook=look');
  const { next } = json.page;
  expect((await get(`/v1/orgs/acme/runs?playbook=look&cursor=${next}`)).status).toBe(200);
  // The size of a page may change in between.
  expect((await get(`/v1/orgs/acme/runs?playbook=look&limit=2&cursor=${next}`)).status).toBe(200);
  const bytes = Buffer.from(next, 'base64url');
  const others: [string, string][] = [
    [`/v1/orgs/acme/runs?cursor=${next}`, 'operator@acme'],
    [`/v1/orgs/acme/runs?playbook=note&cursor=${next}`, 'operator@acme'],
    [`/v1/orgs/acme/runs?playbook=look&state=completed&cursor=${next}`, 'operator@acme'],
    [`/v1/orgs/acme/approvals?cursor=${next}`, 'operator@acme'],
    [`/v1/orgs/globex/runs?playbook=look&cursor=${next}`, 'operator@globex'],
    [`/v1/orgs/acme/runs?playbook=look&cursor=${next}A`, 'operator@acme'],
    [`/v1/orgs/acme/runs?playbook=look&cursor=${next}%3D`, 'operator@acme'],
    [`/v1/orgs/acme/runs?playbook=look&cursor=`, 'operator@acme'],
    [`/v1/orgs/acme/runs?playbook=look&cursor=${Buffer.from('globex/run/').toString('base64url')}`, 'operator@acme'],
    [
      `/v1/orgs/acme/runs?playbook=look&cursor=${Buffer.from(bytes.toReversed()).toString('base64url')}`,
      'operator@acme',
    ],
  ];
  for (const [path, as] of others)
    expect([path, (await get(path, as)).json.type]).toEqual([path, 'urn:interlock:problem:invalid-cursor']);
});

test('whatever stands in a cursor, the rows are of the own org', async () => {
  const { json } = await get('/v1/orgs/acme/runs?limit=1');
  const check = Buffer.from(json.page.next, 'base64url').subarray(0, 8);
  const forged = (key: string) =>
    get(`/v1/orgs/acme/runs?limit=200&cursor=${Buffer.concat([check, Buffer.from(key)]).toString('base64url')}`);
  for (const digit of ['0', '8', 'f']) {
    const { data } = await forged(`run_${digit.repeat(32)}`);
    expect(data.every((row: { org: string }) => row.org === 'acme')).toBe(true);
  }
  for (const key of ['', '~', 'run_', `${'0'.repeat(36)}`, '../../globex/run', `apr_${'0'.repeat(32)}`])
    expect((await forged(key)).json.type).toBe('urn:interlock:problem:invalid-cursor');
});

describe('lists by name', () => {
  test('playbooks: which version is active, since when, and the newest', async () => {
    const names = ['contain', 'look', 'note'];
    const { rows, pages } = await readAll('/v1/orgs/acme/playbooks?limit=2');
    expect([rows.map((row) => (row as unknown as { name: string }).name), pages]).toEqual([names, 2]);
    const put = (text: string) =>
      house.ask('author@acme', 'POST', '/v1/orgs/acme/playbooks', { body: text, type: 'text/yaml' });
    const before = (await get('/v1/orgs/acme/playbooks/look')).data;
    const { digest } = (await put(`${playbook('look')}timeout: 5m`)).data;
    // `look-at` stands between `look` and `note`, and begins with the name of another.
    await put(playbook('look-at'));
    const after = await readAll('/v1/orgs/acme/playbooks?limit=1');
    expect(after.rows.map((row) => (row as unknown as { name: string }).name)).toEqual([
      'contain',
      'look',
      'look-at',
      'note',
    ]);
    expect(after.rows.slice(1, 3)).toMatchObject([
      { active: before.active, activatedAt: before.versions[0].activatedAt, newest: digest, versions: 2 },
      { active: null, activatedAt: null, versions: 1 },
    ]);
    expect(before.versions[0].activatedAt).toMatch(/^2\d\d\d-/);
  });

  test('playbooks of many versions come in short pages, each of them once', async () => {
    const names = Array.from({ length: 40 }, (_, n) => `many-${String(n).padStart(2, '0')}`);
    const digest = (n: number) => `sha256:${n.toString(16).padStart(64, '0')}`;
    const version = { state: 'deprecated', by: 'author', at: 1, activatedBy: 'approver', activatedAt: 2 };
    const versions = Array.from({ length: 1_000 }, (_, n) => ({ ...version, digest: digest(n) }));
    await house.store.write(
      names.map((name, n) => ({
        key: `globex/playbook/${name}`,
        // Small ones among them.
        value: JSON.stringify({ name, title: 'x', active: null, versions: n % 5 ? versions : versions.slice(0, 1) }),
      })),
    );
    const found: string[] = [];
    const sizes: number[] = [];
    for (let cursor = ''; ; ) {
      const { json } = await get(`/v1/orgs/globex/playbooks?limit=200${cursor}`, 'all@globex');
      found.push(...json.data.map(({ name }: { name: string }) => name));
      sizes.push(json.data.length);
      if (json.page.next === null) break;
      cursor = `&cursor=${json.page.next}`;
    }
    expect(found.filter((name) => name.startsWith('many-'))).toEqual(names);
    expect(new Set(found).size).toBe(found.length);
    expect(Math.max(...sizes)).toBeLessThan(12);
  });

  test('tokens: who holds what until when; nothing that could be used, and none that is withdrawn', async () => {
    const make = (principal: string, more: object) =>
      house.ask('admin@acme', 'POST', '/v1/orgs/acme/tokens', { body: { principal, roles: ['source'], ...more } });
    const [siem, gone] = [(await make('siem', { expiresIn: '1d' })).data, (await make('gone', {})).data];
    await house.ask('admin@acme', 'DELETE', `/v1/orgs/acme/tokens/${gone.tokenId}`);
    const all: { tokenId: string }[] = [];
    let cursor = '';
    do {
      const reply = await get(`/v1/orgs/acme/tokens?limit=3${cursor}`, 'admin@acme');
      expect(reply.text).not.toMatch(/ilk_|hash|[0-9a-f]{64}/);
      all.push(...reply.data);
      cursor = reply.json.page.next === null ? '' : `&cursor=${reply.json.page.next}`;
    } while (cursor !== '');
    expect(all.map(({ tokenId }) => tokenId)).toEqual(
      [...house.tokens]
        .filter(([name]) => name.endsWith('@acme'))
        .map(([, token]) => token.split('_')[2])
        .concat(siem.tokenId)
        .sort(),
    );
    expect(all.find(({ tokenId }) => tokenId === siem.tokenId)).toMatchObject({
      principal: 'siem',
      roles: ['source'],
      expiresAt: siem.expiresAt,
    });
  });

  test('plugins: what they can do, and whether the org has a grant', async () => {
    const { data, json } = await get('/v1/orgs/acme/plugins');
    expect(json.page).toEqual({ next: null });
    expect(data).toMatchObject([
      {
        name: PROBE.name,
        version: PROBE.version,
        digest: expect.stringMatching(/^sha256:/),
        granted: true,
        actions: Object.keys(PROBE.actions).map((action) => ({ action })),
      },
    ]);
    const ban = data[0].actions.find(({ action }: { action: string }) => action === 'ban');
    expect(ban).toMatchObject({ effect: 'write', types: ['contain'], plan: expect.any(Boolean) });
    expect(ban.parameters).toEqual([
      { name: 'ip', required: true },
      { name: 'host', required: false },
    ]);
  });
});

test('an event that is known already says which run took it, and what became of that', async () => {
  const id = crypto.randomUUID();
  const first = await house.publish('look.seen', ACME, id);
  const run = started(first);
  expect(first.triggers.every(({ runState }: { runState: unknown }) => runState === null)).toBe(true);
  const ended = (await get(`/v1/orgs/acme/runs/${run}?wait=10s`)).data;
  const again = await house.publish('look.seen', ACME, id);
  const absorbed = again.triggers.filter(({ outcome }: { outcome: string }) => outcome === 'absorbed');
  expect([again.repeat, absorbed]).toEqual([true, [expect.objectContaining({ run, runState: ended.state })]]);
});
