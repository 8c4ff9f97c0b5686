import { afterAll, beforeAll, expect, test } from 'vitest';
import { ACME, CONTAIN, GLOBEX, type House, openHouse, playbook, started } from './kit.ts';

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
  const bytes = Buffer.from(json.page.next, 'base64url');
  for (const byte of [0x00, 0x30, 0x80, 0xff]) {
    bytes.fill(byte, 8);
    const { data } = await get(`/v1/orgs/acme/runs?limit=200&cursor=${bytes.toString('base64url')}`);
    expect(data.every((row: { org: string }) => row.org === 'acme')).toBe(true);
  }
});
