import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ROLES } from '../../kernel/org/role.ts';
import { interlock } from '../cli/run.ts';
import { openProxyDouble, targetOf } from '../egress/proxy-double.ts';
import { answerOk, openUpstream, type Upstream } from '../egress/upstream.ts';
import { type Api, apiOf, cloudEvent, until } from '../support/api.ts';
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

/** What an egress policy says, from its file to the wire: a kernel process, shipped plugins, real sockets. */
vi.setConfig({ testTimeout: 60_000 });

let target: Upstream;
let proxy: Awaited<ReturnType<typeof openProxyDouble>>;
let folder: KernelFolder;
let kernel: KernelProcess;
let url = '';
const apis: Record<string, Api> = {};

const KINDS = {
  get: 'type: enrich, uses: http-json/get, timeout: 10m, with: { url: "{to}/{{ inputs.name }}" }',
  named: 'type: enrich, uses: http-json/get, with: { url: "{to}/named", headers: { X-Region: eu } }',
  unnamed: 'type: enrich, uses: http-json/get, with: { url: "{to}/unnamed", headers: { X-Unit: "7" } }',
  post: 'type: webhook, uses: webhook/post, with: { url: "{to}/{{ inputs.name }}", payload: {} }',
};

beforeAll(async () => {
  target = await openUpstream((request, socket, n) => {
    if (!request.path.startsWith('/hang')) answerOk(request, socket, n);
  });
  proxy = await openProxyDouble();
  const to = `http://127.0.0.1:${target.port}`;
  const both = (rule: object) => ['http-json', 'webhook'].map((plugin) => ({ plugin, rules: [ruleFor(to, rule)] }));
  const plugins = ['http-json', 'webhook'];
  const place = { host: '127.0.0.1', port: proxy.port, addresses: ['127.0.0.1/32'] };
  const orgs = [
    { id: 'acme', plugins, egress: both({ headers: ['x-region'] }), concurrency: { 'http-json': 2 } },
    { id: 'globex', plugins, egress: both({ rate: '1/h' }) },
    { id: 'initech', plugins, egress: both({}), proxy: place },
    { id: 'hooli', plugins, egress: plugins.map((plugin) => ({ plugin, mode: 'report' as const, rules: [] })) },
  ];
  folder = await makeKernelFolder('egress', orgs);
  const tokens = await prepareKernel(folder, async (prepared) => {
    const made: [string, string][] = [];
    for (const { id } of orgs) {
      for (const [kind, step] of Object.entries(KINDS))
        await activatePlaybook(prepared, id, playbook(kind as 'get', step.replace('{to}', to)));
      made.push([id, (await tokensFor(prepared, id, { all: ROLES })).all]);
    }
    return made;
  });
  kernel = startKernelProcess(folder.config);
  url = await kernel.listening;
  for (const [id, token] of tokens) apis[id] = apiOf(url, id, token);
});
afterAll(async () => {
  await kernel.end();
  await Promise.all([target.close(), proxy.close()]);
  await folder.remove();
});

let events = 0;
async function begin(org: string, kind: keyof typeof KINDS, name: string) {
  const api = apis[org] as Api;
  const answer = await api.publish(cloudEvent(`e${events++}`, { kind, name, incident: `INC-${name}` }));
  const trigger = answer.data.events[0]?.triggers.find(({ playbook: of }) => of === kind);
  if (!trigger?.run) throw new Error(answer.text);
  return { run: trigger.run, end: async () => (await api.run(trigger.run ?? '', '30s')).data };
}
const asked = (path: string) => target.requests.filter((request) => request.path === path);

test('a header leaves where its rule names it, and nothing leaves where it does not', async () => {
  const named = await begin('acme', 'named', 'a');
  expect((await named.end()).state).toBe('completed');
  expect(asked('/named').map(({ headers }) => headers['x-region'])).toEqual(['eu']);
  const unnamed = await (await begin('acme', 'unnamed', 'b')).end();
  expect([unnamed.state, asked('/unnamed').length]).toEqual(['aborted', 0]);
  expect(JSON.stringify(unnamed.steps)).toContain('E_HEADER_NOT_ALLOWED');
  await until(
    async () => kernel.said(),
    (said) => said.includes('write into the rule for 127.0.0.1: "headers":["x-region","x-unit"]'),
  );
});

test('what is over the rate of its rule does not leave, and is tried again later', async () => {
  expect((await (await begin('globex', 'get', 'first')).end()).state).toBe('completed');
  const { run } = await begin('globex', 'get', 'second');
  const { data } = await until(
    () => (apis['globex'] as Api).run(run),
    (answer) => JSON.stringify(answer.data.steps).includes('rate_limited'),
  );
  // The next try is when there is room again.
  expect([data.state, asked('/second').length]).toEqual(['waiting', 0]);
});

test('what an org sends goes through its proxy, and that of others does not', async () => {
  expect((await (await begin('initech', 'get', 'through')).end()).state).toBe('completed');
  expect((await (await begin('acme', 'get', 'straight')).end()).state).toBe('completed');
  expect([proxy.heads.map(targetOf), asked('/through').length, asked('/straight').length]).toEqual([
    [`127.0.0.1:${target.port}`],
    1,
    1,
  ]);
});

test('a target that hangs keeps its connector busy, and no other one and no other org', async () => {
  const hung = await Promise.all(Array.from({ length: 6 }, (_, i) => begin('acme', 'get', `hang-${i}`)));
  const hanging = () => target.requests.filter(({ path }) => path.startsWith('/hang')).length;
  await until(
    async () => hanging(),
    (count) => count === 2,
  );
  for (const [org, kind] of [
    ['acme', 'post'],
    ['initech', 'get'],
    ['initech', 'post'],
  ] as const)
    expect((await (await begin(org, kind, `beside-${org}-${kind}`)).end()).state, `${org} ${kind}`).toBe('completed');
  expect(hanging()).toBe(2);
  for (const { run } of hung) await (apis['acme'] as Api).post(`/runs/${run}/cancel`, { reason: 'done' });
});

test('report mode is warned of at the start, lists what is asked for, and opens no way to an inner place', async () => {
  expect(kernel.said()).toMatch(/warning: .*\/grants\/0\/mode: the plugin http-json of org hooli is in report mode/);
  const before = target.connections.length;
  const run = await (await begin('hooli', 'post', 'inner')).end();
  expect([run.state, target.connections.length - before]).toEqual(['aborted', 0]);
  expect(JSON.stringify(run.steps)).toContain('E_PRIVATE_ADDRESS');
  const env = { INTERLOCK_URL: url, INTERLOCK_TOKEN: apis['hooli']?.token ?? '' };
  const report = await interlock(['egress', 'report'], { env });
  expect(report.stdout).toMatch(/^webhook +http:\S+\/inner +1 +refused /m);
  expect(report.stdout).toContain('to allow it, add to the rules of webhook:');
  expect(report.stdout).toContain(
    `{"scheme":"http","host":"127.0.0.1","port":${target.port},"methods":["POST"],"pathPrefix":"/inner","addresses":["127.0.0.1/32"]}`,
  );
});
