import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Playbook } from '../../sdk/contract/api.ts';
import type { Incident } from '../../sdk/contract/api-incident.ts';
import type { Approval, Run } from '../../sdk/contract/api-run.ts';
import type { AuditRecord } from '../../sdk/contract/audit.ts';
import { type Answer, type Api, apiOf } from '../support/api.ts';
import {
  activate,
  ended,
  FIREWALL_TOKEN,
  type GovernedWorld,
  type Org,
  openGovernedWorld,
  type Variant,
} from './governed-world.ts';

/**
 * The shipped playbook and policies through the HTTP API, from a detection to its end: every way in which a ban is
 * decided, and what the firewall itself has seen of it.
 */
const ORGS = {
  approved: {},
  rejected: {},
  expired: { approvals: { high: { approvers: 1, role: 'approver', expires: '700ms' } } },
  cancelled: {},
  subject: {},
  critical: { change: ['tier: high', 'tier: critical'] },
  authored: { empty: true },
  pinned: {},
  restarted: {},
  repeated: {},
  /** Bans whatever the score is: addresses of our own have a good one. */
  inner: { change: ['value: 70', 'value: 0'] },
} as const satisfies Record<string, Variant>;

let world: GovernedWorld<keyof typeof ORGS>;
beforeAll(async () => {
  world = await openGovernedWorld(ORGS);
});
afterAll(() => world?.close());

const approve = (by: Api, { approval, subject }: Approval) => by.vote(approval, 'approve', subject);
const outcomeOf = ({ status, problem }: Answer) => `${status} ${problem}`.trim();
const bans = ({ firewall }: Org) => firewall.log().entries;
const banOf = (ip: string) => ({ effect: 'ban', ip, key: expect.stringMatching(/^ilk-[0-9a-f]{40}$/), repeat: false });

const line = ({ kind, step, outcome, ref }: AuditRecord) =>
  [kind, step, outcome, /^(apr|evt)_/.test(ref ?? '') ? undefined : ref].filter((part) => part !== undefined).join(' ');

describe('a ban that is approved', () => {
  const ip = '203.0.113.77';
  let run: Run;

  test('waits until someone other than its cause agrees to exactly this, and is then carried out once', async () => {
    const org = world.org('approved');
    const { run: id, approval } = await world.held(org, ip);
    const waiting = (await org.operator.run(id)).data;
    expect(waiting.steps.map(({ step, state }) => `${step} ${state}`)).toEqual([
      'reputation succeeded',
      'bad succeeded',
      'ban held',
      'contained pending',
      'note pending',
    ]);
    expect(waiting.steps[0]?.output).toMatchObject({ status: 200, body: { ip, score: 95 } });
    expect(approval).toMatchObject({
      state: 'pending',
      uses: 'edge-firewall/ban',
      requester: 'operator',
      excluded: ['operator'],
      parameters: { ip, for: '4h', reason: 'Outbound Connection to C2 Servers' },
      plan: { targets: [{ kind: 'ip', id: ip }], reversible: true },
      incident: { title: 'Outbound Connection to C2 Servers' },
      verdict: { kind: 'allow', by: 'contain-few', text: expect.stringMatching(/^A plugin with an egress grant/) },
    });
    expect(outcomeOf(await approve(org.operator, approval))).toBe('403 vote-by-requester');
    expect(outcomeOf(await org.operator.get(`/approvals/${approval.approval}`))).toBe('200');
    expect([(await org.operator.run(id)).data.state, bans(org)]).toEqual(['waiting', []]);

    expect((await approve(org.approver, approval)).data).toMatchObject({
      state: 'approved',
      votes: [{ by: 'approver', decision: 'approve' }],
    });
    run = await ended(org, id);
    expect([run.state, run.closure, run.partial]).toEqual(['completed', 'closed', false]);
    expect(bans(org)).toEqual([banOf(ip)]);
    expect(outcomeOf(await approve(org.second, approval))).toBe('409 approval-not-pending');
    const incident = await org.operator.get(`/incidents/${run.inputs['finding']}`);
    expect(incident.data).toMatchObject({
      state: 'contained',
      timeline: [
        { kind: 'reported' },
        { kind: 'run_started', run: id },
        { kind: 'approval', outcome: 'requested' },
        { kind: 'approval', outcome: 'approved' },
        { kind: 'containment', step: 'ban', outcome: 'succeeded' },
        { kind: 'updated', run: id, note: `${ip} banned for 4h` },
        { kind: 'run_ended', outcome: 'completed' },
      ],
    });
    expect(bans(org)).toHaveLength(1);
  });

  test('is on the record step by step, each with its cause', async () => {
    const { records } = await world.recordsOf(world.org('approved'));
    const own = records.filter((record) => record.run === run.run);
    expect(own.map(line)).toEqual([
      'run.started contain-c2',
      'step.intent reputation http-json/get',
      'step.succeeded reputation',
      'branch.taken bad ban',
      'step.ready ban',
      'secret.leased ban edge-firewall-token',
      'secret.used ban edge-firewall-token/127.0.0.1/authorization',
      'secret.revoked ban ended edge-firewall-token',
      'step.planned ban',
      'step.held ban',
      'approval.voted approved',
      'approval.decided ban approved',
      'step.intent ban edge-firewall/ban',
      'secret.leased ban edge-firewall-token',
      'secret.used ban edge-firewall-token/127.0.0.1/authorization',
      'secret.revoked ban ended edge-firewall-token',
      'step.succeeded ban',
      `incident.updated contained contained ${run.inputs['finding']}`,
      'steps.skipped branch-not-taken',
      'run.ended completed',
    ]);
    const [refused] = records.filter(({ kind }) => kind === 'approval.refused');
    expect(refused).toMatchObject({ actor: 'principal:operator', outcome: 'requester-may-not-vote' });
    const voted = own.find(({ kind }) => kind === 'approval.voted');
    expect(voted?.actor).toBe('principal:approver');
    const intent = own.find(({ kind, step }) => kind === 'step.intent' && step === 'ban');
    expect(intent?.cause).toBe(run.approvals[0]?.decidedSeq);
  });

  test('shows numbers of the record, and the export has exactly that under each', async () => {
    const { records } = await world.recordsOf(world.org('approved'));
    const at = (seq: number | null | undefined) => {
      const record = records.find((one) => one.seq === seq);
      return record && `${record.kind} ${record.step ?? record.ref ?? ''}`.trim();
    };
    const event = await world.org('approved').operator.get<{ seq: number }>(`/events/${run.event}`);
    expect(at(event.data.seq)).toBe(`event.accepted ${run.event}`);
    expect([at(run.startedSeq), at(run.endedSeq)]).toEqual(['run.started contain-c2', 'run.ended']);
    expect(run.approvals.map(({ decidedSeq }) => at(decidedSeq))).toEqual(['approval.decided ban']);
    expect(
      run.steps.map(({ step, seq, attempts }) => [
        step,
        at(seq),
        ...attempts.flatMap(({ intentSeq, endSeq }) => [at(intentSeq), at(endSeq)]),
      ]),
    ).toEqual([
      ['reputation', 'step.succeeded reputation', 'step.intent reputation', 'step.succeeded reputation'],
      ['bad', 'branch.taken bad'],
      ['ban', 'step.succeeded ban', 'step.intent ban', 'step.succeeded ban'],
      ['contained', 'incident.updated contained'],
      ['note', 'steps.skipped'],
    ]);
  });
});

describe('a ban that nobody agrees to', () => {
  test('is not carried out when it is rejected, and no later vote changes that', async () => {
    const org = world.org('rejected');
    const { run, approval } = await world.held(org);
    const vote = await org.approver.vote(approval.approval, 'reject', approval.subject);
    expect(vote.data.state).toBe('rejected');
    expect(outcomeOf(await approve(org.second, approval))).toBe('409 approval-not-pending');
    expect(await ended(org, run)).toMatchObject({ state: 'aborted', reason: 'approval-rejected' });
    expect(bans(org)).toEqual([]);
  });

  test('is not carried out when time runs out', async () => {
    const org = world.org('expired');
    const { run } = await world.detect(org, '203.0.113.77');
    const over = await ended(org, run);
    expect(over).toMatchObject({ state: 'aborted', reason: 'approval-expired' });
    const [approval] = over.approvals;
    expect(approval).toMatchObject({ state: 'expired', votes: [] });
    expect(Date.parse(over.endedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(approval?.expiresAt ?? ''));
    const late = await org.approver.vote(approval?.approval ?? '', 'approve', approval?.subject ?? '');
    expect(outcomeOf(late)).toBe('409 approval-expired');
    expect(bans(org)).toEqual([]);
    const { records } = await world.recordsOf(org);
    expect(records.filter(({ kind }) => kind === 'approval.decided').map(line)).toEqual([
      'approval.decided ban expired',
    ]);
  });

  test('is not carried out when the run is cancelled', async () => {
    const org = world.org('cancelled');
    const { run, approval } = await world.held(org);
    expect(outcomeOf(await org.approver.post(`/runs/${run}/cancel`, { reason: 'no' }))).toBe('403 forbidden');
    const cancelled = await org.operator.post<Run>(`/runs/${run}/cancel`, { reason: 'a false alarm' });
    expect(cancelled.data).toMatchObject({ state: 'cancelled', approvals: [{ state: 'withdrawn' }] });
    expect(outcomeOf(await approve(org.approver, approval))).toBe('409 approval-not-pending');
    expect(outcomeOf(await org.operator.post(`/runs/${run}/cancel`, { reason: 'again' }))).toBe('409 run-ended');
    expect(bans(org)).toEqual([]);
  });
});

test('a vote on something else than what is asked does not count', async () => {
  const org = world.org('subject');
  const [one, two] = [await world.held(org, '203.0.113.1'), await world.held(org, '203.0.113.2')];
  const crossed = await org.approver.vote(one.approval.approval, 'approve', two.approval.subject);
  expect(outcomeOf(crossed)).toBe('409 subject-changed');
  expect((await org.operator.run(one.run)).data.approvals[0]).toMatchObject({ state: 'pending', votes: [] });
  await approve(org.approver, two.approval);
  expect((await ended(org, two.run)).state).toBe('completed');
  expect(bans(org)).toEqual([banOf('203.0.113.2')]);
});

test('a critical step takes two different people', async () => {
  const org = world.org('critical');
  const { run, approval } = await world.held(org);
  expect(approval).toMatchObject({ tier: 'critical', needed: 2 });
  expect((await approve(org.approver, approval)).data.state).toBe('pending');
  expect(outcomeOf(await approve(org.approver, approval))).toBe('409 vote-repeated');
  // A second token does not make a second person.
  const form = { principal: 'approver', roles: ['approver', 'operator'] };
  const { token } = (await org.operator.post<{ token: string }>('/tokens', form)).data;
  expect(outcomeOf(await approve(apiOf(await world.kernel().listening, 'critical', token), approval))).toBe(
    '409 vote-repeated',
  );
  expect(outcomeOf(await approve(org.operator, approval))).toBe('403 vote-by-requester');
  expect([(await org.operator.run(run)).data.state, bans(org)]).toEqual(['waiting', []]);
  expect((await approve(org.second, approval)).data.state).toBe('approved');
  expect((await ended(org, run)).state).toBe('completed');
  expect(bans(org)).toHaveLength(1);
});

describe('a playbook', () => {
  test('is linted, put, and activated by someone other than its author', async () => {
    const org = world.org('authored');
    const broken = world.playbook.replace('edge-firewall/ban', 'edge-firewall/banish');
    const lint = await org.author.ask('POST', '/v1/orgs/authored/playbooks/lint', broken, 'application/yaml');
    expect(lint.data).toMatchObject({ valid: false, issues: [{ at: '/steps/2/uses', line: expect.any(Number) }] });
    const refused = await org.author.putPlaybook(broken);
    expect(outcomeOf(refused)).toBe('422 invalid-playbook');
    expect(outcomeOf(await org.author.get('/playbooks/contain-c2'))).toBe('404 not-found');

    const put = await org.author.putPlaybook(world.playbook);
    const { digest } = put.data;
    const playbook = async () => (await org.author.get<Playbook>('/playbooks/contain-c2')).data;
    expect(put.status).toBe(201);
    expect((await world.detect(org, '203.0.113.5')).triggers).toEqual([]);
    const activateAs = (by: Api) => by.post('/playbooks/contain-c2/activate', { digest });
    expect(outcomeOf(await activateAs(org.author))).toBe('403 four-eyes');
    const { records } = await world.recordsOf(org);
    expect(records.findLast(({ kind }) => kind === 'access.refused')).toMatchObject({
      actor: 'principal:author',
      ref: 'activatePlaybook;four-eyes=contain-c2',
      act: digest,
    });
    expect(outcomeOf(await activateAs(org.operator))).toBe('200');
    expect(await playbook()).toMatchObject({
      active: digest,
      versions: [{ digest, state: 'active', by: 'author', activatedBy: 'operator' }],
    });
    expect((await world.detect(org, '203.0.113.5')).outcome).toBe('matched');
  });

  test('that is new does not touch a run that is under way', async () => {
    const org = world.org('pinned');
    const old = (await org.author.get<Playbook>('/playbooks/contain-c2')).data.active;
    const before = await world.held(org, '203.0.113.1');
    // The hours stand in the step that waits, and in one that comes after it.
    const digest = await activate(org, world.playbook.replaceAll('4h', '8h'));
    const after = await world.held(org, '203.0.113.2');
    const rows = [
      [before, old, '4h', 14_400],
      [after, digest, '8h', 28_800],
    ] as const;
    for (const [{ run, approval }, version, hours, seconds] of rows) {
      await approve(org.approver, approval);
      const over = await ended(org, run);
      expect(over).toMatchObject({ state: 'completed', digest: version, pins: { playbook: version } });
      const ip = String(over.inputs['ip']);
      const incident = await org.author.get<Incident>(`/incidents/${over.inputs['finding']}`);
      const notes = incident.data.timeline.flatMap(({ kind, note }) => (kind === 'updated' ? [note] : []));
      expect(notes).toEqual([`${ip} banned for ${hours}`]);
      const headers = { authorization: `Bearer ${FIREWALL_TOKEN}` };
      const ban = await (await fetch(`${org.firewall.url}/v1/bans/${ip}`, { headers })).json();
      expect(ban).toMatchObject({ seconds });
    }
    expect(digest).not.toBe(old);
  });
});

test('a restart keeps what waits for a person, as it was', async () => {
  const org = world.org('restarted');
  const { run, approval } = await world.held(org);
  const { head } = await world.recordsOf(org);
  const shown = (await org.operator.run(run)).text;
  expect(await world.restart()).toEqual({ code: 0, signal: null });
  expect((await org.operator.run(run)).text).toBe(shown);
  expect((await org.approver.approval(approval.approval)).data).toEqual(approval);
  expect(outcomeOf(await approve(org.operator, approval))).toBe('403 vote-by-requester');
  expect((await approve(org.approver, approval)).status).toBe(200);
  expect((await ended(org, run)).state).toBe('completed');
  expect(bans(org)).toEqual([banOf('203.0.113.77')]);
  const { records } = await world.recordsOf(org, head);
  const lives = records.map(({ kind }) => kind).filter((kind) => kind.startsWith('kernel.'));
  expect(lives.slice(-2)).toEqual(['kernel.stopped', 'kernel.started']);
  // The address is still known: what dedup has seen is on the record too.
  expect(await world.detect(org, '203.0.113.77')).toMatchObject({ outcome: 'absorbed', run });
});

test('the same address again is taken in by the run that is there, whatever the alert is called', async () => {
  const org = world.org('repeated');
  const { run, approval } = await world.held(org, '203.0.113.77');
  const like = await world.detect(org, '203.0.113.77', 'another-alert');
  expect(like).toMatchObject({ outcome: 'absorbed', repeat: false, run });
  expect(await world.detect(org, '203.0.113.77', 'another-alert')).toMatchObject({
    repeat: true,
    run,
    event: like.event,
  });
  await approve(org.approver, approval);
  expect((await ended(org, run)).state).toBe('completed');
  expect(await world.detect(org, '203.0.113.77')).toMatchObject({ outcome: 'absorbed', run });
  expect((await org.operator.runs()).data.map((one) => one.run)).toEqual([run]);
  expect(bans(org)).toEqual([banOf('203.0.113.77')]);
  expect((await world.detect(org, '203.0.113.78')).outcome).toBe('matched');
});

test.each(['10.0.0.7', '192.168.1.20', 'fd00::7'])('an address of our own is never banned: %s', async (ip) => {
  const org = world.org('inner');
  const received = org.firewall.log().received;
  const over = await ended(org, (await world.detect(org, ip)).run);
  expect(over).toMatchObject({ state: 'aborted', reason: 'guardrail', approvals: [] });
  const ban = over.steps.find(({ step }) => step === 'ban');
  expect(ban).toMatchObject({ state: 'failed', error: { class: 'refused_by_policy' }, attempts: [] });
  expect(ban?.verdict).toMatchObject({
    kind: 'deny',
    by: 'contain-spares-inner-addresses',
    text: expect.stringMatching(/^Private, /),
  });
  const { records } = await world.recordsOf(org);
  const blocked = records.filter((record) => record.kind === 'guardrail.blocked' && record.run === over.run);
  expect(blocked.map(line)).toEqual(['guardrail.blocked ban denied contain-spares-inner-addresses']);
  // The plan has asked whether there is a ban; that was all.
  expect([bans(org), org.firewall.log().received]).toEqual([[], received + 1]);
});

test('the health of a connector is checked at its target, and a token that is not taken is told', async () => {
  const { operator, firewall } = world.org('approved');
  const check = async () => (await operator.post<Record<string, unknown>>('/connectors/edge-firewall/check', {})).data;
  const effects = firewall.log().entries.length;
  expect(await check()).toMatchObject({ check: 'well', health: { state: 'healthy', failure: null } });
  await operator.put('/secrets/edge-firewall-token', { value: 'another-token-than-it-takes' });
  const failure = { stage: 'auth', class: 'unauthorized' };
  // Once may be chance; twice is told.
  expect(await check()).toMatchObject({ check: 'failed', health: { state: 'healthy', failure } });
  expect(await check()).toMatchObject({ check: 'failed', health: { state: 'unhealthy', failure } });
  await operator.put('/secrets/edge-firewall-token', { value: FIREWALL_TOKEN });
  expect(await check()).toMatchObject({ check: 'well', health: { state: 'healthy', failure: null } });
  expect(firewall.log().entries).toHaveLength(effects);
  expect(world.kernel().said()).toContain(
    'connector edge-firewall of org approved is unhealthy: auth fails with unauthorized',
  );
});

test('the kernel has met no defect of its own, and ends in good order', async () => {
  expect(world.kernel().said()).not.toContain('defect');
  expect(await world.kernel().end('SIGTERM')).toEqual({ code: 0, signal: null });
});
