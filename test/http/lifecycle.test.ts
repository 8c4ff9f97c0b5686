import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LifecycleEvent } from '../../sdk/contract/lifecycle.ts';
import { CONTAIN, type House, openHouse, playbook, started } from './kit.ts';

/** The feed of lifecycle events through the front door. */
let house: House;
beforeAll(async () => {
  house = await openHouse();
  await house.activate(playbook('contain', CONTAIN));
  await house.activate(playbook('look'));
});
afterAll(() => house.close());

const feed = (query = '', as = 'auditor@acme') => house.ask(as, 'GET', `/v1/orgs/acme/lifecycle${query}`);
type Told = { readonly id: string; readonly type: string; readonly subject: string; readonly data: { seq: number } };
const all = async (): Promise<readonly Told[]> => {
  const events: Told[] = [];
  for (let after = ''; ; ) {
    const { data, json } = await feed(`?limit=7${after && `&after=${after}`}`);
    if (data.length === 0) return events;
    events.push(...data);
    after = json.page.next;
  }
};
const decide = async (run: string, decision: 'approve' | 'reject') => {
  const asked = await house.until(
    async () => (await house.ask('approver@acme', 'GET', `/v1/orgs/acme/runs/${run}`)).data.approvals[0],
  );
  const body = { decision, rationale: 'seen', subject: asked.subject };
  await house.ask('approver@acme', 'POST', `/v1/orgs/acme/approvals/${asked.approval}/votes`, { body });
  await house.ask('operator@acme', 'GET', `/v1/orgs/acme/runs/${run}?wait=10s`);
};
const ofRun = async (run: string) => (await all()).filter(({ subject }) => subject === run);
const gist = (events: readonly Told[]) => events.map(({ type }) => type.replace('interlock.', '')).sort();

describe('a governed run', () => {
  test('is told from its start to its end, each event by its schema and on its audit record', async () => {
    const run = started(await house.publish('contain.seen'));
    await decide(run, 'approve');
    const told = await ofRun(run);
    expect(gist(told)).toEqual([
      'approval.decided',
      'approval.requested',
      'run.ended',
      'run.started',
      'run.waiting',
      'step.held',
      'step.succeeded',
    ]);
    for (const event of await all()) expect(v.safeParse(LifecycleEvent, event).issues).toBeUndefined();
    const kinds = new Map(house.records().map(({ seq, kind }) => [seq, kind]));
    const record = (type: string) => kinds.get(told.find((one) => one.type === type)?.data.seq);
    expect(record('interlock.run.started')).toBe('run.started');
    expect(record('interlock.approval.decided')).toBe('approval.decided');
    expect(record('interlock.run.ended')).toBe('run.ended');
    // Parameters and outputs stay inside.
    expect(JSON.stringify(told)).not.toMatch(/203\.0\.113\.9|"h1"/);
  });

  test('that is refused is told to be aborted', async () => {
    const run = started(await house.publish('contain.seen'));
    await decide(run, 'reject');
    expect(gist(await ofRun(run))).toEqual([
      'approval.decided',
      'approval.requested',
      'run.aborted',
      'run.ended',
      'run.started',
      'run.waiting',
      'step.failed',
      'step.held',
    ]);
  });
});

test('what people do to playbooks and incidents is told', async () => {
  const events = await all();
  expect(events.filter(({ type }) => type === 'interlock.playbook.activated').map(({ subject }) => subject)).toEqual([
    'contain',
    'look',
  ]);
  await house.activate(
    playbook('note', 'type: update_state, incident: INC-1, set: { state: triaged, severity: high }'),
  );
  const run = started(await house.publish('note.seen'));
  const told = (await all()).filter(({ subject }) => subject === 'INC-1');
  expect(told).toMatchObject([
    { type: 'interlock.incident.updated', data: { state: 'triaged', from: null, severity: 'high', run } },
  ]);
});

describe('the feed', () => {
  test('is in order, has each event once, and goes on while events come', async () => {
    const before = await all();
    const ids = before.map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)].sort());
    await house.publish('look.seen');
    const now = await all();
    expect(now.slice(0, before.length)).toEqual(before);
    expect(now.length).toBeGreaterThan(before.length);
  });

  test('gives only the types that are asked for', async () => {
    const events = (await feed('?type=interlock.approval.*&limit=200')).data as Told[];
    expect(new Set(gist(events))).toEqual(new Set(['approval.requested', 'approval.decided']));
    expect((await feed('?type=interlock.breaker.opened')).data).toEqual([]);
    expect((await feed('?type=interlock.nothing')).status).toBe(422);
    expect((await feed('?type=run')).status).toBe(422);
  });

  test('waits for what comes next, and for nothing else', async () => {
    const waiting = feed('?after=now&type=interlock.run.ended&wait=30s');
    const run = started(await house.publish('look.seen'));
    expect((await waiting).data).toMatchObject([{ type: 'interlock.run.ended', subject: run }]);
    const { json } = await feed('?after=now&wait=1ms');
    expect([json.data, typeof json.page.next]).toEqual([[], 'string']);
    const next = started(await house.publish('look.seen'));
    const { data } = await feed(`?after=${json.page.next}&type=interlock.run.started`);
    expect(data).toMatchObject([{ subject: next }]);
  });

  test('takes no cursor of another list or org, and shows nobody else anything', async () => {
    const { json } = await feed();
    const runs = await house.ask('auditor@acme', 'GET', '/v1/orgs/acme/runs?limit=1');
    expect((await feed(`?after=${runs.json.page.next}`)).status).toBe(422);
    expect((await feed('?after=nowhere')).status).toBe(422);
    const theirs = await house.ask('auditor@globex', 'GET', `/v1/orgs/globex/lifecycle?after=${json.page.next}`);
    expect(theirs.status).toBe(422);
    expect((await house.ask('auditor@globex', 'GET', '/v1/orgs/acme/lifecycle')).status).toBe(404);
    expect((await feed('', 'source@acme')).status).toBe(403);
  });

  test('answers whoever waits when the kernel stops', async () => {
    const other = await openHouse();
    const waiting = other.ask('auditor@acme', 'GET', '/v1/orgs/acme/lifecycle?after=now&wait=60s');
    await other.until(async () => ((await other.ask(null, 'GET', '/healthz')).status === 200 ? true : undefined));
    other.kernel.endWaits();
    expect((await waiting).data).toEqual([]);
    await other.close();
  });
});
