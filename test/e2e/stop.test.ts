import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ROLES } from '../../kernel/org/role.ts';
import type { StopState } from '../../sdk/contract/api-call.ts';
import { interlock } from '../cli/run.ts';
import { answerOk, openUpstream, type Upstream } from '../egress/upstream.ts';
import { type Api, apiOf, cloudEvent, until, verifyExport } from '../support/api.ts';
import { type KernelProcess, startKernelProcess } from '../support/kernel-process.ts';
import {
  activatePlaybook,
  type KernelFolder,
  makeKernelFolder,
  prepareKernel,
  ruleFor,
  tokensFor,
} from '../support/org-files.ts';
import { playbook } from './tenants-world.ts';

/**
 * Requests on the wire when somebody says stop: a kernel process, real sockets, and a target that never answers. A call
 * that was not cut off would hang for ten minutes, which is longer than any test.
 */
vi.setConfig({ testTimeout: 60_000 });

let target: Upstream;
let folder: KernelFolder;
let kernel: KernelProcess;
let url = '';
let acme: Api;
let globex: Api;
/** Connections that were ended by the kernel while their request was under way, by path. */
const cutOff: string[] = [];

beforeAll(async () => {
  target = await openUpstream((request, socket, n) => {
    if (!request.path.startsWith('/hang')) return answerOk(request, socket, n);
    socket.once('close', () => cutOff.push(request.path));
  });
  const to = `http://127.0.0.1:${target.port}`;
  const names = ['acme', 'globex'] as const;
  folder = await makeKernelFolder(
    'stop',
    names.map((id) => ({
      id,
      plugins: ['http-json', 'webhook'],
      egress: ['http-json', 'webhook'].map((plugin) => ({ plugin, rules: [ruleFor(to)] })),
    })),
  );
  const tokens = await prepareKernel(folder, async (prepared) => {
    const made: string[] = [];
    for (const org of names) {
      const get = `type: enrich, uses: http-json/get, timeout: 10m, with: { url: "${to}/{{ inputs.name }}" }`;
      const post = `type: webhook, uses: webhook/post, timeout: 10m, with: { url: "${to}/{{ inputs.name }}", payload: {} }`;
      await activatePlaybook(prepared, org, playbook('get', get));
      await activatePlaybook(prepared, org, playbook('post', post));
      made.push((await tokensFor(prepared, org, { all: ROLES })).all);
    }
    return made;
  });
  kernel = startKernelProcess(folder.config);
  url = await kernel.listening;
  [acme, globex] = names.map((org, i) => apiOf(url, org, tokens[i] ?? '')) as [Api, Api];
});
afterAll(async () => {
  await kernel.end();
  await target.close();
  await folder.remove();
});

let events = 0;
async function begin(api: Api, kind: 'get' | 'post', name: string) {
  const event = cloudEvent(`e${events++}`, { kind, name, incident: `INC-${name}` });
  const answer = await api.publish(event);
  const trigger = answer.data.events[0]?.triggers.find(({ playbook: of }) => of === kind);
  if (!trigger) throw new Error(answer.text);
  return { ...trigger, run: trigger.run ?? '' };
}
const arrived = (path: string) =>
  until(
    async () => target.requests.filter((request) => request.path === path).length,
    (count) => count > 0,
  );
const ended = (path: string) =>
  until(
    async () => cutOff.includes(path),
    (is) => is,
  );
/** What the kernel's own log says of stops. */
const logged = () =>
  kernel.said().match(/(?<=^interlock: )(?:org \S+|the machine) is (?:stopped|released) .*$/gm) ?? [];
/** These are the last of them; the log may come a moment after the answer. */
const logs = (...lines: readonly string[]) =>
  until(
    async () => logged().slice(-lines.length).join('\n'),
    (last) => last === lines.join('\n'),
  );
const step = async (api: Api, run: string) => (await api.run(run)).data.steps[0];

test('a cancelled run hangs up at once, and what it may have changed is unknown', async () => {
  const { run } = await begin(acme, 'post', 'hang-cancel');
  await arrived('/hang-cancel');
  const cancelled = await acme.post(`/runs/${run}/cancel`, { reason: 'a false alarm' });
  expect(cancelled).toMatchObject({ status: 200, data: { state: 'cancelled', closure: 'needs_review' } });
  await ended('/hang-cancel');
  expect(await step(acme, run)).toMatchObject({ state: 'indeterminate', attempts: [{ end: 'indeterminate' }] });
});

describe('a stop of an org', () => {
  test('hangs up what is under way, keeps the rest from leaving, and does not touch another org', async () => {
    const posted = await begin(acme, 'post', 'hang-post');
    const got = await begin(acme, 'get', 'hang-get');
    await Promise.all([arrived('/hang-post'), arrived('/hang-get')]);
    const stopped = await acme.post<StopState>('/stop', { reason: 'it bans our own resolvers' });
    await logs('org acme is stopped by all: nothing is sent for it until the release');
    expect(stopped).toMatchObject({ status: 200, data: { stopped: true, org: { by: 'all', released: null } } });
    await Promise.all([ended('/hang-post'), ended('/hang-get')]);
    await until(
      () => step(acme, posted.run),
      (one) => one?.state === 'indeterminate',
    );
    expect(await begin(acme, 'get', 'while-stopped')).toMatchObject({
      ...{ outcome: 'suppressed', reason: 'stopped', stop: 'org' },
    });
    const unknown = await interlock(['run', 'show', posted.run], {
      env: { INTERLOCK_URL: url, INTERLOCK_TOKEN: acme.token },
    });
    expect(unknown.stdout).toMatch(/ indeterminate .* stop-of-org$/m);

    const other = await begin(globex, 'get', 'of-globex');
    expect((await globex.run(other.run, '30s')).data.state).toBe('completed');
    expect((await globex.get<StopState>('/stop')).data).toEqual({ stopped: false, org: null, machine: null });

    const before = target.requests.length;
    // A read that was cut off is tried again, and the time for that comes while the org is stopped.
    await until(
      () => step(acme, got.run),
      (one) => one?.waitsFor === 'release',
    );
    expect(target.requests.filter(({ path }) => path !== '/of-globex').length).toBe(before - 1);
    const shown = await interlock(['run', 'show', got.run], {
      env: { INTERLOCK_URL: url, INTERLOCK_TOKEN: acme.token },
    });
    expect(shown.stdout).toMatch(/^stop +org acme is stopped by all since .*: nothing is sent until the release/m);
    expect((await acme.delete<StopState>('/stop')).data).toMatchObject({ stopped: false, org: { released: {} } });
    await logs(
      'org acme is stopped by all: nothing is sent for it until the release',
      'org acme is released by all: what waited goes on',
    );
    await until(
      async () => target.requests.filter(({ path }) => path === '/hang-get').length,
      (count) => count === 2,
    );
    expect(target.requests.filter(({ path }) => path === '/hang-post')).toHaveLength(1);
    await acme.post(`/runs/${got.run}/cancel`, { reason: 'the test is over' });
    expect((await verifyExport(acme, join(folder.path, 'export'))).verdict).toMatchObject({ verdict: 'valid' });
  });

  test('is for whoever may: engaged by an approver, released by an operator', async () => {
    const tokenOf = async (role: string) =>
      (await acme.post<{ token: string }>('/tokens', { principal: role, roles: [role] })).data.token;
    const [approver, auditor] = [await tokenOf('approver'), await tokenOf('auditor')].map((token) =>
      apiOf(url, 'acme', token),
    ) as [Api, Api];
    expect((await auditor.post('/stop', { reason: 'no' })).problem).toBe('forbidden');
    expect((await auditor.get('/stop')).status).toBe(200);
    expect((await approver.post('/stop', {})).problem).toBe('invalid-body');
    expect((await approver.post('/stop', { reason: 'an approver sees it first' })).status).toBe(200);
    expect((await approver.delete('/stop')).problem).toBe('forbidden');
    expect((await acme.delete('/stop')).status).toBe(200);
  });
});

test('the command stops and releases the machine by its file, which every org is shown', async () => {
  const env = { INTERLOCK_URL: url, INTERLOCK_TOKEN: globex.token };
  const { run } = await begin(globex, 'get', 'hang-machine');
  await arrived('/hang-machine');
  const wrong = await interlock(['stop', '--all', '--data', folder.path, '--reason', 'an intruder'], { env });
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('no data folder of a kernel') });
  const all = ['--all', '--data', folder.data];
  expect(await interlock(['stop', ...all, '--reason', 'an intruder'], { env })).toMatchObject({ code: 0, stderr: '' });
  await ended('/hang-machine');
  const cutOff = await until(
    () => step(globex, run),
    (one) => one?.attempts[0]?.end === 'failed',
  );
  expect(cutOff?.attempts[0]?.error?.message).toBe('stopped before it changed anything: stop-of-machine');
  const shown = await interlock(['stop', 'show'], { env });
  expect(shown).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/globex is stopped[\s\S]*machine[\s\S]*an intruder/),
  });
  // It is not the org's to release.
  const kept = await interlock(['stop', 'release'], { env });
  expect(kept).toMatchObject({ code: 0, stdout: expect.stringContaining('the machine is still stopped') });
  expect((await acme.get<StopState>('/stop')).data).toMatchObject({ stopped: true });
  expect(await interlock(['stop', 'release', ...all], { env })).toMatchObject({ code: 0, stderr: '' });
  await until(
    async () => target.requests.filter(({ path }) => path === '/hang-machine').length,
    (count) => count === 2,
  );
  await globex.post(`/runs/${run}/cancel`, { reason: 'the test is over' });
  await logs(
    'the machine is stopped by its file STOP: nothing is sent for it until the release',
    'the machine is released by its file STOP: what waited goes on',
  );
  expect(kernel.said()).not.toContain('intruder');
});

test('a file of any kind in that place stops the machine', async () => {
  const file = join(folder.data, 'STOP');
  await writeFile(file, '', { mode: 0o000 });
  await until(
    async () => (await acme.get<StopState>('/stop')).data.stopped,
    (stopped) => stopped,
  );
  // A kernel that starts stopped says so, for whoever looks only at the log of this start.
  expect((await acme.post('/stop', { reason: 'over night' })).status).toBe(200);
  await kernel.end();
  kernel = startKernelProcess(folder.config);
  url = await kernel.listening;
  acme = apiOf(url, 'acme', acme.token);
  expect(logged()).toEqual([
    'the machine is stopped by its file STOP: nothing is sent for it until the release',
    'org acme is stopped by all: nothing is sent for it until the release',
  ]);
  expect((await acme.delete('/stop')).status).toBe(200);
  await rm(file);
  await until(
    async () => (await acme.get<StopState>('/stop')).data.stopped,
    (stopped) => !stopped,
  );
});
