import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LIMITS } from '../../kernel/base/limits.ts';
import type { OpenRun } from '../../sdk/contract/api-run.ts';
import { verifyBundle } from '../../sdk/verify/bundle.ts';
import { ACME, CONTAIN, event, type House, MODULE_DIGEST, openHouse, PLUGIN_DIGEST, playbook, started } from './kit.ts';

/** What people and machines do through the front door, from the event to the record. */
let house: House;
beforeAll(async () => {
  house = await openHouse();
  await house.activate(playbook('look'));
  await house.activate(
    playbook('contain', CONTAIN, '  - { id: note, type: update_state, incident: INC/7, set: { state: contained } }'),
  );
  await house.activate(playbook('push', 'type: webhook, uses: probe/push'));
  await house.activate(playbook('wait', 'type: enrich, uses: probe/wait, timeout: 1m'));
});
afterAll(() => house.close());

const runOf = (id: string, wait = '?wait=10s') => house.ask('operator@acme', 'GET', `/v1/orgs/acme/runs/${id}${wait}`);
const outcomes = (receipt: { triggers: { playbook: string; outcome: string }[] }) =>
  Object.fromEntries(receipt.triggers.map((one) => [one.playbook, one.outcome]));

test('an event starts a run, says which triggers matched and why not, and can be read', async () => {
  const reply = await house.ask('source@acme', 'POST', '/v1/orgs/acme/events', {
    body: event('look.seen', 'e-1'),
    type: 'application/cloudevents+json',
  });
  expect(reply.status).toBe(202);
  const [receipt] = reply.data.events;
  expect(reply.data.events).toHaveLength(1);
  expect(receipt.repeat).toBe(false);
  expect(outcomes(receipt)).toEqual({
    look: 'matched',
    contain: 'not_matched',
    push: 'not_matched',
    wait: 'not_matched',
  });
  const missed = receipt.triggers.find((one: { playbook: string }) => one.playbook === 'push');
  expect(missed).toMatchObject({
    run: null,
    why: [{ fact: 'envelope', path: '/type', expected: 'push.seen', reason: 'false' }],
  });
  expect(reply.headers.get('link')).toBe(`</v1/orgs/acme/events/${receipt.event}>; rel="item"`);

  const stored = await house.ask('operator@acme', 'GET', `/v1/orgs/acme/events/${receipt.event}`);
  expect(stored.data).toMatchObject({
    event: receipt.event,
    id: 'e-1',
    by: 'source@acme',
    seq: receipt.seq,
    data: { host: 'h1' },
  });
  const listed = await house.ask('operator@acme', 'GET', '/v1/orgs/acme/events?outcome=matched');
  expect(listed.data).toContainEqual(expect.objectContaining({ event: receipt.event, id: 'e-1', by: 'source@acme' }));

  const { data: run } = await runOf(started(receipt));
  expect(run).toMatchObject({
    org: ACME,
    playbook: 'look',
    state: 'completed',
    closure: 'closed',
    requester: 'source@acme',
    event: receipt.event,
    inputs: { host: 'h1' },
    steps: [{ step: 'act', uses: 'probe/look', state: 'succeeded', attempts: [{ number: 1, end: 'succeeded' }] }],
  });
  const [attempt] = run.steps[0].attempts;
  expect([run.startedSeq, attempt.intentSeq, attempt.endSeq, run.endedSeq]).toEqual(
    [run.startedSeq, attempt.intentSeq, attempt.endSeq, run.endedSeq].toSorted((a, b) => a - b),
  );
  expect(house.records().find((record) => record.seq === attempt.intentSeq)).toMatchObject({
    kind: 'step.intent',
    run: run.run,
  });
});

test('the same event again is answered again and changes nothing; another under its name is refused', async () => {
  const first = await house.publish('look.seen', ACME, 'e-2');
  const again = await house.publish('look.seen', ACME, 'e-2');
  expect(again).toMatchObject({ event: first.event, repeat: true, seq: first.seq });
  expect(outcomes(again)).toMatchObject({ look: 'absorbed', push: 'not_matched' });
  expect(started(again)).toBe(started(first));
  const other = await house.ask('source@acme', 'POST', '/v1/orgs/acme/events', {
    body: event('look.seen', 'e-2', { host: 'h2' }),
    type: 'application/cloudevents+json',
  });
  expect([other.status, other.json.type]).toEqual([409, 'urn:interlock:problem:event-conflict']);
});

const BATCH = 'application/cloudevents-batch+json';
test('a batch is taken in its order; one bad event refuses all of it', async () => {
  const batch = [event('none.a', 'b-1'), event('none.b', 'b-2'), event('none.a', 'b-1')];
  const taken = await house.ask('source@acme', 'POST', '/v1/orgs/acme/events', { body: batch, type: BATCH });
  expect(taken.status).toBe(202);
  expect(taken.headers.get('link')).toBeNull();
  expect(taken.data.events.map((one: { repeat: boolean }) => one.repeat)).toEqual([false, false, true]);
  expect(taken.data.events[0].event).toBe(taken.data.events[2].event);

  const head = house.records().length;
  const bad = await house.ask('source@acme', 'POST', '/v1/orgs/acme/events', {
    body: [event('none.c', 'b-3'), { ...event('none.d', 'b-4'), source: '' }],
    type: BATCH,
  });
  expect([bad.status, bad.json.type]).toEqual([422, 'urn:interlock:problem:invalid-event']);
  expect(bad.json.errors).toMatchObject([{ pointer: '/1/source' }]);
  expect(house.records()).toHaveLength(head);

  const clash = await house.ask('source@acme', 'POST', '/v1/orgs/acme/events', {
    body: [event('none.e', 'b-5'), event('none.other', 'b-1'), event('none.f', 'b-6')],
    type: BATCH,
  });
  expect([clash.status, clash.json.errors[0].pointer]).toEqual([409, '/1']);
});

test('binary CloudEvents, Falco alerts and OCSF findings come in by the same door', async () => {
  const headers = { 'ce-specversion': '1.0', 'ce-id': 'x-1', 'ce-source': '/edr', 'ce-type': 'look.seen' };
  const binary = await house.ask('source@acme', 'POST', '/v1/orgs/acme/events', { body: { host: 'h9' }, headers });
  expect([binary.status, outcomes(binary.data.events[0]).look]).toEqual([202, 'matched']);
  const { FALCO, OCSF } = await import('../samples/intake.ts');
  for (const body of [FALCO, OCSF])
    expect((await house.ask('source@acme', 'POST', '/v1/orgs/acme/events', { body })).status).toBe(202);
});

test('a containment waits for another person, who decides on exactly what is shown', async () => {
  const receipt = await house.publish('contain.seen', ACME, 'finding-1');
  const id = started(receipt);
  const approval = await house.until(async () => {
    const { data } = await house.ask('approver@acme', 'GET', '/v1/orgs/acme/approvals?state=pending');
    return data.find((one: { run: string }) => one.run === id);
  });
  expect(approval).toMatchObject({
    org: 'acme',
    uses: 'probe/ban',
    tier: 'high',
    state: 'pending',
    needed: 1,
    votes: [],
  });

  const path = `/v1/orgs/acme/approvals/${approval.approval}`;
  const { data: page } = await house.ask('approver@acme', 'GET', path);
  expect(page).toMatchObject({
    org: 'acme',
    playbook: { name: 'contain' },
    step: 'act',
    parameters: { ip: '203.0.113.9', host: 'h1' },
    plan: { targets: [{ kind: 'ip', id: '203.0.113.9' }], reversible: true },
    requester: 'source@acme',
    role: 'approver',
    excluded: ['source@acme'],
    incident: { event: receipt.event, title: null, message: null },
  });
  const waiting = (await runOf(id, '')).data;
  expect([waiting.state, ...waiting.steps.map((step: { state: string }) => step.state)]).toEqual([
    'waiting',
    'held',
    'pending',
  ]);

  const vote = (as: string, form: object) => house.ask(as, 'POST', `${path}/votes`, { body: form });
  const form = { decision: 'approve', rationale: 'seen on two sensors', subject: page.subject };
  const wrong = `sha256:${'0'.repeat(64)}`;
  const refused = [
    [await vote('operator@acme', form), 403, 'forbidden'],
    [await vote('approver@acme', { ...form, subject: wrong }), 409, 'subject-changed'],
    [await vote('approver@acme', { ...form, rationale: '  \n' }), 422, 'invalid-body'],
    [await vote('approver@acme', { ...form, decision: 'maybe' }), 422, 'invalid-body'],
    [await house.ask('approver@acme', 'GET', `${path}/votes?decision=approve`), 405, 'method-not-allowed'],
  ] as const;
  for (const [reply, status, kind] of refused)
    expect([reply.status, reply.json.type]).toEqual([status, `urn:interlock:problem:${kind}`]);

  const decided = await vote('approver@acme', form);
  expect(decided.data).toMatchObject({
    state: 'approved',
    votes: [{ by: 'approver@acme', rationale: 'seen on two sensors' }],
  });
  expect((await vote('approver@acme', form)).json.type).toBe('urn:interlock:problem:approval-not-pending');
  const { data: run } = await runOf(id);
  expect(run).toMatchObject({
    state: 'completed',
    approvals: [{ state: 'approved', decidedSeq: decided.data.decidedSeq }],
  });
  const incident = await house.ask('auditor@acme', 'GET', '/v1/orgs/acme/incidents/INC%2F7');
  expect(incident.data).toMatchObject({ incident: 'INC/7', state: 'contained', timeline: [{ run: id }] });
  await house.ask('auditor@acme', 'GET', '/v1/orgs/acme/incidents?state=contained');
  await house.ask('auditor@acme', 'GET', '/v1/orgs/acme/incidents/INC%2F7/timeline');
  await house.ask('auditor@acme', 'GET', '/v1/orgs/acme/lifecycle?limit=5');
  await house.ask('auditor@acme', 'GET', '/v1/orgs/acme/lifecycle/webhooks');
  const note = { body: { note: 'seen' } };
  await house.ask('operator@acme', 'POST', '/v1/orgs/acme/incidents/INC%2F7/notes', note);
});

test('playbooks and versions are bounded, each with a problem of its own; what is there goes on', async () => {
  const crowded = await openHouse();
  const by = { org: ACME, id: 'author@acme', roles: ['author'] } as unknown as Parameters<
    typeof crowded.kernel.playbooks.put
  >[0];
  const put = (text: string) =>
    crowded.ask('author@acme', 'POST', '/v1/orgs/acme/playbooks', { body: text, type: 'text/yaml' });
  const version = (n: number) => playbook('first').replace('title: first', `title: number ${n}`);
  await Promise.all(
    Array.from({ length: LIMITS.playbooksPerOrg.value }, (_, i) =>
      crowded.kernel.playbooks.put(by, playbook(i === 0 ? 'first' : `p${i}`)),
    ),
  );
  expect((await put(playbook('one-more'))).json.type).toBe('urn:interlock:problem:too-many-playbooks');
  // As at a start of the kernel, which counts what is on disk.
  await crowded.setUp(ACME);
  expect((await put(playbook('one-more'))).json.type).toBe('urn:interlock:problem:too-many-playbooks');
  expect(
    (
      await crowded.ask('author@globex', 'POST', '/v1/orgs/globex/playbooks', {
        body: playbook('one-more'),
        type: 'text/yaml',
      })
    ).status,
  ).toBe(201);
  for (let n = 1; n < LIMITS.versionsPerPlaybook.value; n++) await crowded.kernel.playbooks.put(by, version(n));
  expect((await put(version(0))).json.type).toBe('urn:interlock:problem:too-many-versions');
  expect((await put(version(1))).status).toBe(201);
  await crowded.close();
});

test('an approval is for the settings under which it was given: after a change people are asked again', async () => {
  await house.setUp(ACME, { endpoint: 'https://one.example' });
  const id = started(await house.publish('contain.seen', ACME, 'finding-settings'));
  const pending = async () => {
    const { approvals } = (await runOf(id, '')).data;
    return approvals.find((one: { state: string }) => one.state === 'pending');
  };
  const approve = ({ approval, subject }: { approval: string; subject: string }) =>
    house.ask('approver@acme', 'POST', `/v1/orgs/acme/approvals/${approval}/votes`, {
      body: { decision: 'approve', rationale: 'seen', subject },
    });
  const changedSince = async ({ approval }: { approval: string }) =>
    (await house.ask('approver@acme', 'GET', `/v1/orgs/acme/approvals/${approval}`)).data.grantChangedSince;
  const first = await house.until(pending);
  expect(await changedSince(first)).toBeNull();
  await house.setUp(ACME, { endpoint: 'https://two.example' });
  expect((await approve(first)).data.state).toBe('approved');
  const second = await house.until(pending);
  expect([await changedSince(first), await changedSince(second)]).toEqual([null, first.approval]);
  expect(second.subject).not.toBe(first.subject);
  expect((await runOf(id, '')).data).toMatchObject({ state: 'waiting', steps: [{ state: 'held', attempts: [] }, {}] });
  expect((await approve({ ...second, subject: first.subject })).json.type).toBe(
    'urn:interlock:problem:subject-changed',
  );
  expect((await approve(second)).data.state).toBe('approved');
  expect((await runOf(id)).data.state).toBe('completed');
  expect([await changedSince(first), await changedSince(second)]).toEqual([null, first.approval]);
  await house.setUp(ACME);
});

test.each([
  ['its module', () => ({ digest: MODULE_DIGEST(), reason: 'sends too much' })],
  ['module and manifest', () => ({ digest: PLUGIN_DIGEST(), reason: 'sends too much' })],
  ['its signer', () => ({ signer: 'platform', reason: 'key lost' })],
])('a plugin that was revoked since a run pinned it is not called: by %s', async (what, entry) => {
  const id = started(await house.publish('contain.seen', ACME, `finding-revoked-${what}`));
  const pending = async () =>
    (await runOf(id, '')).data.approvals.find((one: { state: string }) => one.state === 'pending');
  const { approval, subject } = await house.until(pending);
  await house.setUp(ACME, {}, true, [entry()]);
  await house.ask('approver@acme', 'POST', `/v1/orgs/acme/approvals/${approval}/votes`, {
    body: { decision: 'approve', rationale: 'seen', subject },
  });
  const { state, steps } = (await runOf(id)).data;
  await house.setUp(ACME);
  expect(state).toBe('aborted');
  expect(JSON.stringify(steps)).toContain('the trust policy of the org has revoked this plugin since the run began');
  expect(JSON.stringify(steps)).toContain(entry().reason);
});

test('whoever caused the run does not decide on it, and nobody votes twice', async () => {
  await house.tokenOf(ACME, 'both@acme', ['source', 'approver']);
  await house.activate(playbook('grave', `${CONTAIN}, tier: critical`));
  const reply = await house.ask('both@acme', 'POST', '/v1/orgs/acme/events', {
    body: event('grave.seen'),
    type: 'application/cloudevents+json',
  });
  const id = started(reply.data.events[0]);
  const approval = await house.until(async () => (await runOf(id, '')).data.approvals[0]);
  const vote = (as: string) =>
    house.ask(as, 'POST', `/v1/orgs/acme/approvals/${approval.approval}/votes`, {
      body: { decision: 'approve', rationale: 'yes', subject: approval.subject },
    });
  expect((await vote('both@acme')).json.type).toBe('urn:interlock:problem:vote-by-requester');
  expect((await vote('approver@acme')).data).toMatchObject({
    state: 'pending',
    excluded: ['both@acme', 'approver@acme'],
  });
  expect((await vote('approver@acme')).json.type).toBe('urn:interlock:problem:vote-repeated');
  expect((await vote('all@acme')).data.state).toBe('approved');
});

test('a person settles what nobody knows, once', async () => {
  const id = started(await house.publish('push.seen'));
  await house.until(async () => (await runOf(id, '')).data.steps[0].state === 'indeterminate' || undefined);
  const settle = (form: object) =>
    house.ask('operator@acme', 'POST', `/v1/orgs/acme/runs/${id}/settle`, { body: form });
  const form = { step: 'act', outcome: 'succeeded', note: 'seen in the console of the firewall' };
  expect((await settle(form)).data).toMatchObject({ state: 'completed', steps: [{ state: 'succeeded' }] });
  expect((await settle(form)).json.type).toBe('urn:interlock:problem:step-not-indeterminate');
});

test('a run that ended with something unknown is open for review until somebody closes it, once', async () => {
  const id = started(await house.publish('push.seen'));
  await house.until(async () => (await runOf(id, '')).data.steps[0].state === 'indeterminate' || undefined);
  const close = (note: string) =>
    house.ask('operator@acme', 'POST', `/v1/orgs/acme/runs/${id}/close`, { body: { note } });
  expect((await close('too early')).json.type).toBe('urn:interlock:problem:nothing-to-close');
  await house.ask('operator@acme', 'POST', `/v1/orgs/acme/runs/${id}/cancel`, { body: { reason: 'enough' } });
  expect((await runOf(id, '')).data).toMatchObject({ state: 'cancelled', closure: 'needs_review', closed: null });
  expect((await close('looked, and mended by hand')).data).toMatchObject({
    closure: 'closed',
    closed: { note: 'looked, and mended by hand' },
  });
  expect((await close('again')).json.type).toBe('urn:interlock:problem:nothing-to-close');
});

test('a run is cancelled now; what was under way and changes nothing has failed, and needs no review', async () => {
  const id = started(await house.publish('wait.seen'));
  await house.until(() => (house.cells.stats().busy > 0 ? true : undefined));
  const cancel = () =>
    house.ask('operator@acme', 'POST', `/v1/orgs/acme/runs/${id}/cancel`, { body: { reason: 'drill is over' } });
  expect((await cancel()).data).toMatchObject({
    state: 'cancelled',
    steps: [{ state: 'failed' }],
    closure: 'closed',
  });
  expect((await cancel()).json.type).toBe('urn:interlock:problem:run-ended');
  const { data: list } = await house.ask('auditor@acme', 'GET', '/v1/orgs/acme/runs?state=cancelled&playbook=wait');
  expect(list).toMatchObject([{ run: id, state: 'cancelled', partial: false, closure: 'closed' }]);
});

test('a run is paused and resumed; what is under way ends, and nothing follows meanwhile', async () => {
  const id = started(await house.publish('wait.seen'));
  await house.until(() => (house.cells.stats().busy > 0 ? true : undefined));
  const ask = (what: string, body?: object, who = 'operator@acme') =>
    house.ask(who, 'POST', `/v1/orgs/acme/runs/${id}/${what}`, { body });
  expect((await ask('pause', {})).json.type).toBe('urn:interlock:problem:invalid-body');
  const paused = { run: id, by: 'operator@acme', reason: 'is that host ours?' };
  expect((await ask('pause', { reason: paused.reason })).data).toMatchObject({
    state: 'running',
    paused,
    changed: true,
  });
  expect((await ask('pause', { reason: 'another' }, 'admin@acme')).data).toMatchObject({ paused, changed: false });
  const { data: rows } = await house.ask('auditor@acme', 'GET', '/v1/orgs/acme/runs?state=running&playbook=wait');
  expect(rows).toMatchObject([{ run: id, paused }]);
  const { data: open } = await house.ask('auditor@acme', 'GET', '/v1/orgs/acme/open-work');
  expect(open.find((one: { run: string }) => one.run === id)).toMatchObject({ standing: 'moving', paused });
  const picture = await house.ask('auditor@acme', 'GET', `/v1/orgs/acme/runs/${id}/graph?format=svg`);
  expect(picture.text).toContain(`${id} · paused`);
  expect((await ask('resume')).data).toMatchObject({ paused: null, changed: true });
  expect((await ask('resume')).data).toMatchObject({ paused: null, changed: false });
  const records = house.records(ACME).filter((one) => one.run === id && /^run.(paused|resumed)$/.test(one.kind));
  expect(records.map(({ kind, actor }) => `${kind} ${actor}`)).toEqual([
    'run.paused principal:operator@acme',
    'run.resumed principal:operator@acme',
  ]);
  await ask('cancel', { reason: 'seen' });
  for (const what of ['pause', 'resume'])
    expect((await ask(what, what === 'pause' ? { reason: 'x' } : undefined)).json.type).toBe(
      'urn:interlock:problem:run-ended',
    );
});

test('a run that has ended runs again, when a person asks for it', async () => {
  const id = started(await house.publish('look.seen'));
  await runOf(id);
  const { data } = await house.ask('operator@acme', 'POST', `/v1/orgs/acme/runs/${id}/again`, {
    body: { reason: 'the look was too early' },
  });
  expect((await runOf(data.run)).data).toMatchObject({ state: 'completed', again: { run: id, by: 'operator@acme' } });
});

test('what has not ended is listed with whom or what it waits for, until it ends', async () => {
  const open = async (query = '') =>
    (await house.ask('auditor@acme', 'GET', `/v1/orgs/acme/open-work${query}`)).data as OpenRun[];
  const standing = async (id: string, query = '') => (await open(query)).find(({ run }) => run === id);
  const unknown = started(await house.publish('push.seen'));
  const held = started(await house.publish('contain.seen'));
  const calls = started(await house.publish('wait.seen'));
  const waits = async () => [await standing(unknown), await standing(held), await standing(calls)];
  const found = await house.until(async () => {
    const all = await waits();
    return all[0]?.standing === 'person' && all[1]?.standing === 'person' ? all : undefined;
  });
  expect(found).toMatchObject([
    { state: 'waiting', waits: [{ what: 'settlement', step: 'act', approval: null, role: null }], why: null },
    { state: 'waiting', waits: [{ what: 'approval', approval: expect.stringMatching(/^apr_/), role: 'approver' }] },
    { state: 'running', standing: 'moving', waits: [{ what: 'action' }] },
  ]);
  expect(await standing(calls, '?only=person')).toBeUndefined();
  expect(await standing(held, '?only=person&limit=200')).toBeDefined();
  expect(await open('?only=stuck')).toEqual([]);
  expect(await open('?longerThan=1h')).toEqual([]);
  for (const run of [unknown, held, calls])
    await house.ask('operator@acme', 'POST', `/v1/orgs/acme/runs/${run}/cancel`, { body: { reason: 'seen' } });
  expect((await waits()).filter(Boolean)).toEqual([]);
});

test('a playbook is checked, stored and activated by two people', async () => {
  const text = playbook('fresh', CONTAIN);
  const lint = (body: unknown, type: string) =>
    house.ask('author@acme', 'POST', '/v1/orgs/acme/playbooks/lint', { body, type });
  const [yaml, json] = [await lint(text, 'application/yaml'), await lint({ text }, 'application/json')];
  expect(yaml.data).toEqual({ valid: true, digest: expect.stringMatching(/^sha256:/), issues: [], warnings: [] });
  expect(json.data).toEqual(yaml.data);
  await house.setUp(ACME, {}, false);
  expect((await lint(text, 'application/yaml')).data).toMatchObject({
    valid: true,
    issues: [],
    warnings: [{ at: '/steps/0/uses', line: 11, text: expect.stringMatching(/^the plugin probe has no egress grant/) }],
  });
  await house.setUp(ACME);
  const broken = playbook('fresh', 'type: contain, uses: probe/none');
  expect((await lint(broken, 'text/yaml')).data).toMatchObject({
    valid: false,
    issues: [{ at: '/steps/0/uses', line: 11 }],
  });
  expect((await house.ask('author@acme', 'GET', '/v1/orgs/acme/playbooks/fresh')).status).toBe(404);

  const put = await house.ask('all@acme', 'POST', '/v1/orgs/acme/playbooks', { body: text, type: 'text/yaml' });
  expect([put.status, put.headers.get('location')]).toEqual([201, '/v1/orgs/acme/playbooks/fresh']);
  expect(put.data).toMatchObject({ name: 'fresh', active: null, digest: yaml.data.digest });
  // The holder of every role wrote it, and it contains; whoever writes only may activate nothing.
  expect(put.data.activation).toEqual({ roles: ['approver'], byYou: false });
  const mild = async (as: string) =>
    (
      await house.ask(as, 'POST', '/v1/orgs/acme/playbooks', {
        body: playbook('mild', 'type: enrich, uses: probe/look'),
        type: 'text/yaml',
      })
    ).data?.activation;
  expect([await mild('author@acme'), await mild('all@acme')]).toEqual([
    { roles: ['approver'], byYou: false },
    { roles: ['approver'], byYou: true },
  ]);
  const refused = await house.ask('author@acme', 'POST', '/v1/orgs/acme/playbooks', {
    body: broken,
    type: 'text/yaml',
  });
  expect([refused.status, refused.json.errors]).toMatchObject([
    422,
    [{ pointer: '/steps/0/uses', text: expect.stringMatching(/^line 11: /) }],
  ]);

  const activate = (as: string, digest: string) =>
    house.ask(as, 'POST', '/v1/orgs/acme/playbooks/fresh/activate', { body: { digest } });
  const read = await house.ask(
    'approver@acme',
    'GET',
    `/v1/orgs/acme/playbooks/${put.data.name}/versions/${put.data.digest}`,
  );
  expect(read.data).toEqual({ name: put.data.name, digest: put.data.digest, text });
  expect((await activate('all@acme', put.data.digest)).json.type).toBe('urn:interlock:problem:four-eyes');
  expect((await activate('approver@acme', `sha256:${'0'.repeat(64)}`)).status).toBe(404);
  expect((await activate('approver@acme', put.data.digest)).data).toMatchObject({
    active: put.data.digest,
    versions: [{ state: 'active', by: 'all@acme', activatedBy: 'approver@acme' }],
  });
  expect((await house.ask('author@acme', 'GET', '/v1/orgs/acme/playbooks/fresh')).data.active).toBe(put.data.digest);
  const { data: listed } = await house.ask('author@acme', 'GET', '/v1/orgs/acme/playbooks');
  expect(listed).toContainEqual(expect.objectContaining({ name: 'fresh', active: put.data.digest, versions: 1 }));
  const { data: plugins } = await house.ask('author@acme', 'GET', '/v1/orgs/acme/plugins');
  expect(plugins).toMatchObject([{ name: 'probe', granted: true }]);
});

test('triggers are listed, the noisy ones first, and one that is stopped starts nothing', async () => {
  const names = (await house.ask('author@acme', 'GET', '/v1/orgs/acme/triggers')).data.map(
    ({ playbook, trigger }: { playbook: string; trigger: string }) => `${playbook}/${trigger}`,
  );
  expect(names).toContain('look/seen');
  const turn = (verb: string) =>
    house.ask('operator@acme', 'POST', `/v1/orgs/acme/triggers/look/seen/${verb}`, { body: { reason: 'noise' } });
  expect((await turn('stop')).data.stopped).toMatchObject({ by: 'operator@acme', reason: 'noise' });
  const { triggers } = await house.publish('look.seen');
  expect(outcomes({ triggers })).toMatchObject({ look: 'suppressed' });
  expect((await turn('resume')).data.stopped).toBeNull();
  const { data: noisy } = await house.ask('author@acme', 'GET', '/v1/orgs/acme/triggers/noisy?limit=1');
  expect(noisy).toHaveLength(1);
});

test('secrets go in and never come out', async () => {
  const value = 'correct-horse-battery';
  const path = '/v1/orgs/acme/secrets/edge-token';
  const put = await house.ask('admin@acme', 'PUT', path, { body: { value } });
  expect(put.data).toEqual({ name: 'edge-token' });
  expect(house.secrets.values.get('acme/edge-token')).toBe(value);
  const list = await house.ask('admin@acme', 'GET', '/v1/orgs/acme/secrets');
  expect(list.data.map((one: { name: string }) => one.name)).toEqual(['edge-token']);
  const short = await house.ask('admin@acme', 'PUT', path, { body: { value: 'hunter2' } });
  expect([short.status, short.json.errors[0].pointer]).toEqual([422, '/value']);
  const rotate = (body: object) => house.ask('admin@acme', 'POST', `${path}/rotate`, { body });
  const rotated = await rotate({ value: 'correct-horse-again', keep: true });
  expect(rotated.data).toEqual({ name: 'edge-token', kept: 'new', checks: [] });
  expect(house.secrets.values.get('acme/edge-token')).toBe('correct-horse-again');
  const tooShort = await rotate({ value: 'hunter2' });
  expect([tooShort.status, tooShort.json.errors[0].pointer]).toEqual([422, '/value']);
  expect((await house.ask('admin@acme', 'DELETE', path)).data).toEqual({ name: 'edge-token' });
  expect((await house.ask('admin@acme', 'DELETE', path)).status).toBe(404);
  expect((await rotate({ value: 'correct-horse-battery' })).status).toBe(404);
  for (const reply of [put, list, short, rotated, tooShort]) expect(reply.text).not.toMatch(/horse|hunter/);
  expect(JSON.stringify(house.records())).not.toMatch(/horse|hunter/);
});

test('secrets beyond the bound are refused, also of many that come at once; those that are there can be replaced', async () => {
  const own = await openHouse();
  const put = (name: string) =>
    own.ask('admin@acme', 'PUT', `/v1/orgs/acme/secrets/${name}`, { body: { value: 'correct-horse-battery' } });
  const most = LIMITS.secretsPerOrg.value;
  for (let i = 0; i < most - 1; i++) own.secrets.values.set(`acme/key-${i}`, 'correct-horse-battery');
  const replies = await Promise.all(Array.from({ length: 8 }, (_, i) => put(`late-${i}`)));
  expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(replies.find(({ status }) => status !== 200)).toMatchObject({
    status: 422,
    json: { title: expect.stringContaining('as many secrets') },
  });
  expect((await put('key-0')).status).toBe(200);
  await own.close();
});

test('a token is shown once, works, and ends when it is withdrawn', async () => {
  const made = await house.ask('admin@acme', 'POST', '/v1/orgs/acme/tokens', {
    body: { principal: 'dana@example.org', roles: ['auditor', 'auditor'], expiresIn: '7d' },
  });
  expect(made.status).toBe(201);
  const { token, tokenId } = made.data;
  const whoami = () => house.ask(null, 'GET', '/v1/whoami', { token });
  expect((await whoami()).data).toEqual({
    org: 'acme',
    principal: 'dana@example.org',
    roles: ['auditor'],
    permissions: ['run.read', 'approval.read', 'playbook.read', 'incident.read', 'lifecycle.read', 'audit.read'],
  });
  const listed = async () =>
    (await house.ask('admin@acme', 'GET', '/v1/orgs/acme/tokens')).data.some(
      (row: { readonly tokenId: string }) => row.tokenId === tokenId,
    );
  expect(await listed()).toBe(true);
  expect((await house.ask('admin@acme', 'DELETE', `/v1/orgs/acme/tokens/${tokenId}`)).data).toEqual({ tokenId });
  expect((await whoami()).status).toBe(401);
  expect(await listed()).toBe(false);
  expect((await house.ask('admin@acme', 'DELETE', `/v1/orgs/acme/tokens/${tokenId}`)).status).toBe(404);
});

test('a token of a short life is not known after it', async () => {
  const house2 = await openHouse({ app: { now: () => Date.now() - 86_400_000 } });
  const made = await house2.ask('admin@acme', 'POST', '/v1/orgs/acme/tokens', {
    body: { principal: 'dana', roles: ['auditor'], expiresIn: '1h' },
  });
  expect((await house2.ask(null, 'GET', '/v1/whoami', { token: made.data.token })).status).toBe(401);
  await house2.close();
});

test('a connector is shown as it is, and closed by hand; one that is not there is not', async () => {
  const list = await house.ask('auditor@acme', 'GET', '/v1/orgs/acme/connectors');
  const closed = { state: 'closed', since: null, retryAt: null, inFlight: 0, waiting: 0, limit: 32 };
  expect(list.data).toMatchObject([{ connector: 'probe', ...closed }]);
  const reset = (name: string) => house.ask('operator@acme', 'POST', `/v1/orgs/acme/connectors/${name}/reset`);
  expect((await reset('probe')).data).toMatchObject({ connector: 'probe', ...closed, failures: 0, changed: false });
  for (const name of ['webhook', 'constructor', '%00']) expect((await reset(name)).status).toBe(404);
});

test('the health of a connector is checked when somebody asks, and shown', async () => {
  const check = (name: string, who = 'operator@acme') =>
    house.ask(who, 'POST', `/v1/orgs/acme/connectors/${name}/check`);
  const of = async () => (await house.ask('auditor@acme', 'GET', '/v1/orgs/acme/connectors')).data[0].health;
  expect(await of()).toEqual({ state: 'unknown', since: null, checkedAt: null, failure: null });
  expect((await check('probe')).data).toMatchObject({
    connector: 'probe',
    check: 'well',
    health: { state: 'healthy' },
  });
  expect(await of()).toMatchObject({ state: 'healthy', since: expect.any(String), checkedAt: expect.any(String) });
  for (const name of ['webhook', 'constructor', '%00']) expect((await check(name)).status).toBe(404);
  await house.setUp(ACME, {}, false);
  expect((await check('probe')).data).toMatchObject({ check: 'unasked', health: { state: 'unchecked' } });
  await house.setUp(ACME);
});

test('what plugins in report mode asked for is shown as rules, to those who write policies, and to their org alone', async () => {
  const first = 1_800_000_000_000;
  const rule = { methods: ['GET'], pathPrefix: '/v1', headers: ['x-a'], requests: 3, first, last: first + 1_000 };
  const place = { plugin: 'probe', scheme: 'https', host: 'api.example', port: 443 };
  const value = JSON.stringify({ ...place, rules: [{ ...rule, run: 'run_1', step: 'look' }] });
  await house.store.write([{ key: `acme/reported/probe/${'0'.repeat(64)}`, value }]);
  const report = (who: string, org: string) => house.ask(who, 'GET', `/v1/orgs/${org}/egress/report`);
  expect((await report('admin@acme', 'acme')).data).toEqual([
    {
      plugin: 'probe',
      rule: {
        scheme: 'https',
        host: 'api.example',
        port: 443,
        methods: ['GET'],
        pathPrefix: '/v1',
        headers: ['x-a'],
      },
      requests: 3,
      refused: 0,
      first: '2027-01-15T08:00:00.000Z',
      last: '2027-01-15T08:00:01.000Z',
      run: 'run_1',
      step: 'look',
    },
  ]);
  expect((await report('admin@globex', 'globex')).data).toEqual([]);
  expect((await report('operator@acme', 'acme')).status).toBe(403);
});

test('while the org is stopped its events are taken in and start nothing', async () => {
  const ask = (method: string, body?: object) => house.ask('operator@acme', method, '/v1/orgs/acme/stop', { body });
  expect((await ask('POST', { reason: 'it bans our own' })).data).toMatchObject({
    stopped: true,
    org: { reason: 'it bans our own', by: 'operator@acme', released: null },
    machine: null,
    changed: true,
  });
  expect((await ask('POST', { reason: 'another' })).data).toMatchObject({ stopped: true, changed: false });
  const receipt = await house.publish('look.seen');
  const look = receipt.triggers.find((one: { playbook: string }) => one.playbook === 'look');
  expect(look).toMatchObject({ outcome: 'suppressed', reason: 'stopped', stop: 'org', run: null });
  const kept = await house.ask('operator@acme', 'GET', `/v1/orgs/acme/events/${receipt.event}`);
  expect(kept.data.triggers).toContainEqual(expect.objectContaining({ playbook: 'look', stop: 'org' }));
  expect((await ask('DELETE')).data).toMatchObject({ stopped: false, org: { released: { by: 'operator@acme' } } });
  expect((await ask('DELETE')).data).toMatchObject({ stopped: false, changed: false });
  expect((await ask('GET')).data).toMatchObject({ stopped: false });
  expect((await runOf(started(await house.publish('look.seen')))).data.state).toBe('completed');
});

test('the audit records come out whole, as they were hashed, and verify', async () => {
  const { data: head } = await house.ask('auditor@acme', 'GET', '/v1/orgs/acme/audit/head');
  const reply = await house.ask('auditor@acme', 'GET', '/v1/orgs/acme/audit/export');
  expect(reply.headers.get('content-type')).toBe('application/x-ndjson');
  const sent = JSON.parse(Buffer.from(reply.headers.get('interlock-audit-head') ?? '', 'base64url').toString());
  const { exportedAt: _, ...same } = head;
  expect(sent).toMatchObject(same);
  const folder = await mkdtemp(join(tmpdir(), 'interlock-http-'));
  await writeFile(join(folder, 'entries.ndjson'), reply.text);
  await writeFile(join(folder, 'head.json'), JSON.stringify(sent));
  const verdict = await verifyBundle(folder, { org: ACME });
  await rm(folder, { recursive: true });
  expect(verdict).toMatchObject({ verdict: 'valid', findings: [] });
  expect(reply.text.trimEnd().split('\n')).toHaveLength(head.records);
});

test('triggers are asked what they would do', async () => {
  const shown = { body: event('look.seen'), type: 'application/cloudevents+json' };
  expect((await house.ask('operator@acme', 'POST', '/v1/orgs/acme/triggers/explain', shown)).status).toBe(200);
  const changed = { body: playbook('look'), type: 'text/yaml' };
  expect((await house.ask('operator@acme', 'POST', '/v1/orgs/acme/triggers/replay', changed)).status).toBe(200);
});

test('anyone may ask whether the kernel takes work', async () => {
  expect((await house.ask(null, 'GET', '/healthz')).data).toEqual({ status: 'ok' });
  await house.ask(null, 'GET', '/openapi.json');
  await house.ask(null, 'GET', '/v1/schemas');
  await house.ask(null, 'GET', '/v1/schemas/run');
});

test('runs and playbooks as pictures', async () => {
  const { data } = await house.ask('operator@acme', 'GET', '/v1/orgs/acme/runs?limit=1');
  const [{ run, playbook: name, digest }] = data;
  const drawn = await house.ask('operator@acme', 'GET', `/v1/orgs/acme/runs/${run}/graph`);
  expect(drawn.data).toMatchObject({ run, playbook: name, digest });
  const version = await house.ask('author@acme', 'GET', `/v1/orgs/acme/playbooks/${name}/versions/${digest}/graph`);
  expect(version.data).toMatchObject({ run: null, playbook: name, digest });
  const body = { body: playbook('drawn'), type: 'text/yaml' };
  expect((await house.ask('author@acme', 'POST', '/v1/orgs/acme/playbooks/graph', body)).data.playbook).toBe('drawn');
});

test('every operation of the document has given the answer that it is for', () => {
  expect([...house.contract.seen].sort()).toEqual(house.contract.operations.map(({ id }) => id).sort());
});
