import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Run } from '../../sdk/contract/api-run.ts';
import { startEdgeFirewall } from '../service/edge-firewall.ts';
import { type Api, apiOf, cloudEvent, until, verifyExport } from '../support/api.ts';
import { type KernelProcess, startKernelProcess } from '../support/kernel-process.ts';
import {
  activatePlaybook,
  type KernelFolder,
  makeKernelFolder,
  personOf,
  prepareKernel,
  ruleFor,
  tokensFor,
} from '../support/org-files.ts';

/**
 * Lanes, items, waits, gates, sub-runs and undoing in a real kernel with real cells, a real record and a firewall that
 * keeps its own log; the kernel is killed while they are under way.
 */
const ORG = 'acme';
const TOKEN = 'control-firewall-token-0001';

const head = (name: string, inputs: string, trigger = name) => `
apiVersion: interlock/v1
kind: Playbook
name: ${name}
title: A playbook of the tests
owners: { technical: a, operational: b }
triggers: [{ id: seen, on: event, where: { fact: event, path: /kind, operator: equal, value: ${trigger} } }]
inputs: ${inputs}`;
const post = (firewall: string, ip: string) =>
  `uses: webhook/deliver, with: { url: "${firewall}/v1/bans", payload: { ip: "${ip}", seconds: 3600 } }`;

/** Bans one address, and gives it to whoever started it. */
const one = (firewall: string) => `${head('one', '{ ip: /ip }')}
outputs: { banned: "{{ inputs.ip }}" }
steps:
  - { id: ban, type: webhook, ${post(firewall, '{{ inputs.ip }}')} }`;

/** Bans every address of a list by a run of its own, waits for a verdict, and then bans two more side by side. */
const many = (firewall: string) => `${head('many', '{ ips: /ips, case: /case }')}
outputs: { banned: "{{ steps.each.results }}", verdict: "{{ steps.verdict.says }}" }
steps:
  - id: each
    type: foreach
    over: "{{ inputs.ips }}"
    concurrency: 2
    collect: "{{ steps.sub.banned }}"
    steps:
      - { id: sub, type: playbook, uses: one, with: { ip: "{{ item }}" } }
  - id: verdict
    type: wait
    event: { match: { /case: "{{ inputs.case }}" }, where: { fact: event, path: /kind, operator: equal, value: verdict }, take: { says: /says } }
    timeout: 10m
  - id: both
    type: parallel
    lanes:
      left: [ { id: l, type: webhook, ${post(firewall, '198.51.100.1')} } ]
      right: [ { id: pause, type: wait, for: 50ms }, { id: r, type: webhook, ${post(firewall, '198.51.100.2')} } ]`;

/** Contains, and cannot go on: what was contained is released again. */
const undo = (firewall: string) => `${head('undo', '{ ip: /ip }')}
steps:
  - { id: ban, type: contain, uses: edge-firewall/ban, with: { ip: "{{ inputs.ip }}", for: 4h }, rollback: true }
  - { id: broken, type: webhook, uses: webhook/deliver, with: { url: "${firewall}/v1/bans", payload: { nothing: true } } }`;

/** Asks people, and takes their no for what it is. */
const gate = (firewall: string) => `${head('gate', '{ ip: /ip }')}
steps:
  - { id: go, type: approval, ask: "Ban {{ inputs.ip }}?", onFailure: told }
  - { id: ban, type: webhook, ${post(firewall, '{{ inputs.ip }}')}, next: end }
  - { id: told, type: update_state, incident: "inc-{{ inputs.ip }}", set: { state: triaged } }`;

let firewall: Awaited<ReturnType<typeof startEdgeFirewall>>;
let folder: KernelFolder;
let kernel: KernelProcess;
let url = '';
let api: Api;
let approver: Api;
const start = async () => {
  kernel = startKernelProcess(folder.config);
  url = await kernel.listening;
};

beforeAll(async () => {
  firewall = await startEdgeFirewall({ token: TOKEN });
  const secret = { name: 'edge-firewall-token', header: 'authorization', format: 'Bearer {}' };
  folder = await makeKernelFolder('control', [
    {
      id: ORG,
      plugins: ['edge-firewall', 'webhook'],
      egress: [
        { plugin: 'edge-firewall', settings: { endpoint: firewall.url }, rules: [ruleFor(firewall.url, { secret })] },
        { plugin: 'webhook', rules: [ruleFor(firewall.url, { secret })] },
      ],
    },
  ]);
  const tokens = await prepareKernel(folder, async (prepared) => {
    await prepared.secrets.put(personOf(ORG, 'admin', ['admin']), 'edge-firewall-token', TOKEN);
    for (const text of [one, many, undo, gate]) await activatePlaybook(prepared, ORG, text(firewall.url));
    return tokensFor(prepared, ORG, { operator: ['operator', 'auditor'], approver: ['approver'] });
  });
  api = apiOf(() => url, ORG, tokens.operator);
  approver = apiOf(() => url, ORG, tokens.approver);
  await start();
}, 60_000);
afterAll(async () => {
  await kernel?.end();
  await folder?.remove();
  await firewall?.close();
});

const publish = async (id: string, data: object) => {
  const answer = await api.publish(cloudEvent(id, data));
  return answer.data.events[0] ?? expect.fail(answer.text);
};
const begun = async (id: string, data: object): Promise<string> =>
  (await publish(id, data)).triggers.find(({ outcome }) => outcome === 'matched')?.run ?? expect.fail('no run');
const stepOf = (run: Run, name: string) => run.steps.find(({ step }) => step === name);
const read = async (id: string): Promise<Run> => (await api.run(id)).data;
/** What the firewall itself says was done, by address. */
const bans = (ip: string) =>
  firewall.log().entries.filter((entry) => entry.ip === ip && entry.effect === 'ban' && !entry.repeat);
const approve = async (run: string, decision: 'approve' | 'reject' = 'approve') => {
  const approvals = await until(
    async () => (await api.approvals('?state=pending')).data.filter((one) => one.run === run),
    (list) => list.length > 0,
  );
  for (const { approval, subject } of approvals) await approver.vote(approval, decision, subject);
};

describe('a run with items, sub-runs, a wait and lanes', () => {
  const IPS = ['203.0.113.1', '203.0.113.2', '203.0.113.3'];

  test('goes on after kills of the kernel, does nothing twice, and gives what its playbook names', async () => {
    const id = await begun('many-1', { kind: 'many', ips: IPS, case: 'c-1' });
    await kernel.end();
    await start();
    const waiting = await until(
      () => read(id),
      (run) => stepOf(run, 'verdict')?.waitsFor === 'event',
      30_000,
    );
    expect(stepOf(waiting, 'each')).toMatchObject({ output: { succeeded: 3, failed: 0, lanes: 3, results: IPS } });
    expect(waiting.steps.filter(({ type }) => type === 'playbook').map(({ step }) => step)).toEqual([
      'sub[0]',
      'sub[1]',
      'sub[2]',
    ]);
    await kernel.end();
    await start();
    // Of another case, and of this one but another kind: neither is what it waits for.
    expect((await publish('v-0', { kind: 'verdict', case: 'c-2', says: 'other' })).woke).toEqual([]);
    expect((await publish('v-1', { kind: 'rumour', case: 'c-1', says: 'other' })).woke).toEqual([]);
    const receipt = await publish('v-2', { kind: 'verdict', case: 'c-1', says: 'bad' });
    expect(receipt.woke).toEqual([{ run: id, step: 'verdict' }]);
    await kernel.end();
    await start();
    const ended = await until(
      () => read(id),
      (run) => run.endedAt !== null,
      30_000,
    );
    expect(ended).toMatchObject({ state: 'completed', output: { banned: IPS, verdict: 'bad' } });
    expect((await publish('v-3', { kind: 'verdict', case: 'c-1', says: 'late' })).woke).toEqual([]);
    for (const ip of [...IPS, '198.51.100.1', '198.51.100.2']) expect(bans(ip), ip).toHaveLength(1);
  }, 90_000);

  test('sub-runs are runs of their own, that name the step which started them', async () => {
    const subs = (await api.runs('?playbook=one')).data;
    expect(subs.map(({ state }) => state)).toEqual(['completed', 'completed', 'completed']);
    const parents = await Promise.all(subs.map(async ({ run }) => (await read(run)).parent?.step));
    expect(parents.sort()).toEqual(['sub[0]', 'sub[1]', 'sub[2]']);
  });
});

test('what was contained is released when the run fails, also when the kernel is killed in between', async () => {
  const id = await begun('undo-1', { kind: 'undo', ip: '203.0.113.50' });
  await approve(id);
  await until(
    () => read(id),
    (run) => run.state === 'undoing' || run.endedAt !== null,
  );
  await kernel.end();
  await start();
  const ended = await until(
    () => read(id),
    (run) => run.endedAt !== null,
    30_000,
  );
  expect(ended).toMatchObject({ state: 'failed', partial: true, undone: true, closure: 'needs_review' });
  expect((await api.runs('?playbook=undo')).data).toMatchObject([{ run: id, partial: true, undone: true }]);
  expect(stepOf(ended, 'ban')).toMatchObject({ state: 'rolled_back', undo: { state: 'done' } });
  const closed = await api.post<Run>(`/runs/${id}/close`, { note: 'the ban is lifted, the host is fine' });
  expect(closed.data).toMatchObject({ closure: 'closed' });
}, 60_000);

test.each([
  ['approve', 'completed', 1],
  ['reject', 'completed', 0],
] as const)('a gate of the playbook: %s', async (decision, state, times) => {
  const ip = `203.0.113.${decision === 'approve' ? 70 : 71}`;
  const id = await begun(`gate-${decision}`, { kind: 'gate', ip });
  await approve(id, decision);
  const ended = (await api.run(id, '10s')).data;
  expect(ended.state).toBe(state);
  expect(stepOf(ended, decision === 'approve' ? 'ban' : 'told')).toMatchObject({ state: 'succeeded' });
  expect(bans(ip)).toHaveLength(times);
});

test('the record of all of it is whole', async () => {
  const { verdict, records } = await verifyExport(api, `${folder.data}/../evidence`);
  expect(verdict).toMatchObject({ verdict: 'valid' });
  const kinds = new Set(records().map(({ kind }) => kind));
  for (const kind of ['lane.started', 'lane.ended', 'step.opened', 'run.undoing', 'step.rolled_back', 'run.closed'])
    expect(kinds, kind).toContain(kind);
});
