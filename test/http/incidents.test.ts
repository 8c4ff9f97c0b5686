import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CONTAIN, event, type House, openHouse, playbook, started } from './kit.ts';

/** Incidents through the front door: what events, runs and people make of them, and what each may not. */
let house: House;
beforeAll(async () => {
  house = await openHouse();
  await house.activate(
    playbook(
      'contain',
      CONTAIN,
      '  - { id: note, type: update_state, incident: "{{ inputs.finding }}", set: { state: contained, note: banned } }',
    ).replace('{ host: /host }', '{ host: /host, finding: /finding_info/uid }'),
  );
  await house.activate(playbook('host').replace('inputs:', 'incident: "host-{{ inputs.host }}"\ninputs:'));
});
afterAll(() => house.close());

const at = (path: string) => `/v1/orgs/acme/incidents${path}`;
const finding = (uid: string, more: object = {}) => ({
  class_uid: 2004,
  category_uid: 2,
  type_uid: 200401,
  activity_id: 1,
  severity_id: 4,
  time: 1_700_000_000_000,
  metadata: { version: '1.8.0', product: { name: 'probe' } },
  finding_info: { uid, title: 'Outbound connection' },
  host: 'h1',
  ...more,
});
const report = async (type: string, data: object) => {
  const reply = await house.ask('source@acme', 'POST', '/v1/orgs/acme/events', {
    body: event(type, crypto.randomUUID(), data),
    type: 'application/cloudevents+json',
  });
  if (reply.status !== 202) throw new Error(reply.text);
  return reply.data.events[0];
};
const read = async (id: string) => (await house.ask('auditor@acme', 'GET', at(`/${id}`))).data;
const note = (id: string, body: object, as = 'operator@acme') => house.ask(as, 'POST', at(`/${id}/notes`), { body });
const gist = ({ kind, outcome, state, from, note: says }: Record<string, string | null>) =>
  [kind, state, outcome, from && `from ${from}`, says].filter((part) => part).join(' ');

describe('an event that carries a finding', () => {
  test('makes its incident, once, and moves it forward only', async () => {
    const first = await report('none', finding('F-1', { confidence_score: 82 }));
    expect(await read('F-1')).toMatchObject({
      state: 'new',
      severity: 'high',
      title: 'Outbound connection',
      source: '/test',
      confidence: 82,
      uncertainty: null,
      timeline: [{ kind: 'reported', event: first.event, by: 'principal:source@acme', seq: first.seq + 1 }],
    });
    await report('none', finding('F-1', { status_id: 4, severity_id: 5 }));
    await report('none', finding('F-1', { status_id: 1 }));
    const now = await read('F-1');
    expect(now).toMatchObject({ state: 'resolved', severity: 'high' });
    expect(now.timeline.map(gist)).toEqual([
      'reported',
      'reported resolved moved from new',
      'reported new refused from resolved',
    ]);
    const record = house.records().find(({ seq }) => seq === first.seq + 1);
    expect(record).toMatchObject({ kind: 'incident.updated', ref: 'F-1', cause: first.seq });
  });

  test('whose id cannot name an incident is taken all the same', async () => {
    await report('none', finding('two words'));
    expect((await house.ask('auditor@acme', 'GET', at('/two%20words'))).status).toBe(404);
  });
});

describe('a run', () => {
  test('tells of itself, of its approval and of its containment, each on its audit record', async () => {
    const run = started(await report('contain.seen', finding('F-2')));
    const asked = await house.until(
      async () => (await house.ask('approver@acme', 'GET', `/v1/orgs/acme/runs/${run}`)).data.approvals[0],
    );
    await house.ask('approver@acme', 'POST', `/v1/orgs/acme/approvals/${asked.approval}/votes`, {
      body: { decision: 'approve', rationale: 'seen', subject: asked.subject },
    });
    await house.ask('operator@acme', 'GET', `/v1/orgs/acme/runs/${run}?wait=10s`);
    const { timeline, state } = await read('F-2');
    expect(state).toBe('contained');
    expect(timeline.map(gist)).toEqual([
      'reported',
      'run_started',
      'approval requested',
      'approval approved',
      'containment succeeded',
      'updated contained moved from new banned',
      'run_ended completed',
    ]);
    const kinds = new Map(house.records().map(({ seq, kind }) => [seq, kind]));
    expect(timeline.map(({ seq }: { seq: number }) => kinds.get(seq))).toEqual([
      'incident.updated',
      'run.started',
      'step.held',
      'approval.decided',
      'step.succeeded',
      'incident.updated',
      'run.ended',
    ]);
  });

  test('that a person stops, or that is refused, ends on the timeline (S 5.4)', async () => {
    const run = started(await report('contain.seen', finding('F-3')));
    const asked = await house.until(
      async () => (await house.ask('approver@acme', 'GET', `/v1/orgs/acme/runs/${run}`)).data.approvals[0],
    );
    await house.ask('approver@acme', 'POST', `/v1/orgs/acme/approvals/${asked.approval}/votes`, {
      body: { decision: 'reject', rationale: 'no', subject: asked.subject },
    });
    await house.ask('operator@acme', 'GET', `/v1/orgs/acme/runs/${run}?wait=10s`);
    const { timeline, state } = await read('F-3');
    expect(state).toBe('new');
    expect(timeline.map(gist).slice(2)).toEqual([
      'approval requested',
      'approval rejected',
      'containment failed approval-rejected',
      'run_ended aborted approval-rejected',
    ]);
  });

  test('belongs to the incident that its playbook names', async () => {
    const run = started(await report('host.seen', finding('F-4', { host: 'pc-7' })));
    await house.ask('operator@acme', 'GET', `/v1/orgs/acme/runs/${run}?wait=10s`);
    expect((await read('host-pc-7')).timeline.map(gist)).toEqual(['run_started', 'run_ended completed']);
    expect((await read('F-4')).timeline.map(gist)).toEqual(['reported']);
  });

  test('that is a step of another belongs to the incident of that', async () => {
    await house.activate(playbook('inner'));
    await house.activate(playbook('outer', 'type: playbook, uses: inner, with: { host: "{{ inputs.host }}" }'));
    const run = started(await report('outer.seen', finding('F-8')));
    await house.ask('operator@acme', 'GET', `/v1/orgs/acme/runs/${run}?wait=10s`);
    const { timeline } = await read('F-8');
    expect(timeline.map((entry: Record<string, string>) => `${gist(entry)} ${entry['playbook'] ?? ''}`.trim())).toEqual(
      ['reported', 'run_started outer', 'run_started inner', 'run_ended completed inner', 'run_ended completed outer'],
    );
  });

  test('and another that one event starts stand on each other', async () => {
    await house.activate(playbook('twin-a').replaceAll('twin-a.seen', 'twin.seen'));
    await house.activate(playbook('twin-b').replaceAll('twin-b.seen', 'twin.seen'));
    const receipt = await report('twin.seen', finding('F-5'));
    const runs = receipt.triggers.flatMap(({ run }: { run: string | null }) => run ?? []);
    expect(runs).toHaveLength(2);
    for (const run of runs) await house.ask('operator@acme', 'GET', `/v1/orgs/acme/runs/${run}?wait=10s`);
    const { timeline } = await read('F-5');
    expect(timeline.map(gist).sort()).toEqual([
      'reported',
      'run_ended completed',
      'run_ended completed',
      'run_started',
      'run_started',
    ]);
  });
});

describe('a person', () => {
  test('adds a note, sets a severity and moves the state, on record', async () => {
    await report('none', finding('F-6'));
    expect((await note('F-6', { note: 'looked at it', severity: 'low' })).data).toMatchObject({ severity: 'low' });
    const closed = await note('F-6', { state: 'closed', note: 'false positive' });
    expect(closed.data.state).toBe('closed');
    const [entry] = closed.data.timeline.slice(-1);
    expect(gist(entry)).toBe('note closed moved from new false positive');
    const record = house.records().find(({ seq }) => seq === entry.seq);
    expect(record).toMatchObject({ actor: 'principal:operator@acme', ref: 'F-6', outcome: 'closed' });
    expect((await note('F-6', { state: 'triaged' })).data.state).toBe('triaged');
  });

  test('is told what may not be', async () => {
    await report('none', finding('F-7'));
    await note('F-7', { state: 'closed' });
    const before = house.records().length;
    const answers = [
      await note('F-7', { state: 'contained' }),
      await note('F-7', {}),
      await note('F-7', { note: '  ' }),
      await note('F-none', { note: 'x' }),
      await note('F-7', { note: 'x' }, 'auditor@acme'),
    ];
    expect(answers.map(({ status, json }) => `${status} ${json.type.split(':').at(-1)}`)).toEqual([
      '409 incident-state',
      '422 invalid-body',
      '422 invalid-body',
      '404 not-found',
      '403 forbidden',
    ]);
    expect(answers[0]?.json.detail).toBe('It is closed, and may become triaged. Nothing was changed.');
    expect(house.records().slice(before)).toMatchObject([{ kind: 'access.refused' }]);
  });
});

describe('a list', () => {
  test('has every incident once, newest first, and only those that are asked for', async () => {
    const list = async (query: string) => {
      const ids: string[] = [];
      for (let cursor: string | null = ''; cursor !== null; ) {
        const reply = await house.ask('auditor@acme', 'GET', at(`?limit=2${query}${cursor && `&cursor=${cursor}`}`));
        ids.push(...reply.data.map(({ incident }: { incident: string }) => incident));
        cursor = reply.json.page.next;
      }
      return ids;
    };
    expect(await list('')).toEqual(['F-7', 'F-6', 'F-5', 'F-8', 'host-pc-7', 'F-4', 'F-3', 'F-2', 'F-1']);
    expect(await list('&state=closed')).toEqual(['F-7']);
    expect(await list('&severity=low&state=triaged')).toEqual(['F-6']);
  });

  test('of a timeline goes on behind its cursor, newest first', async () => {
    const kinds: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const reply = await house.ask('auditor@acme', 'GET', at(`/F-2/timeline?limit=3${cursor && `&cursor=${cursor}`}`));
      kinds.push(...reply.data.map(({ kind }: { kind: string }) => kind));
      cursor = reply.json.page.next;
    }
    expect(kinds).toEqual(['run_ended', 'updated', 'containment', 'approval', 'approval', 'run_started', 'reported']);
  });
});
