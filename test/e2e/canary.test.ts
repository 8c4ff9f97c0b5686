import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openUpstream, type Upstream } from '../egress/upstream.ts';
import { cellsOf } from '../hostile/processes.ts';
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
import { ECHO_PATHS, type Echo, startEcho } from './echo-upstream.ts';
import { findIn, findInFolder, type Needle, needlesOf } from './search.ts';

/**
 * Canaries: secrets that are used for real, against an upstream that gives them back in every way it can. Afterwards
 * every byte that the kernel kept, said, answered or handed to a plugin is searched for them.
 */
const ORG = 'acme';
/** Characters that change under every escaping there is, around what makes the value unique. */
const canary = () => `c"+/${randomBytes(12).toString('hex')}=%&<>\\'~ ?#$\`{}`;
const CANARIES = {
  'api-key': canary(),
  replaced: canary(),
  spare: canary(),
  refused: `${canary()}\n`,
  'edge-firewall-token': `f+/${randomBytes(12).toString('hex')}=`,
  'inside-basic': `user:${canary()}`,
} as const;
const BASIC = Buffer.from(CANARIES['inside-basic']).toString('base64');

let echo: Echo;
/** Answers with what is not HTTP: the parser's error quotes it from the first bad character, which comes before it. */
let broken: Upstream;
let folder: KernelFolder;
let kernel: KernelProcess;
let api: Api;
let tap: string;
let needles: readonly Needle[];
const tokens: Record<string, string> = {};

/** `field` of the event names the path; what is not answered in time is asked for by a playbook of its own. */
const playbook = (url: string, name: string, field: string, timeout: string) => `
apiVersion: interlock/v1
kind: Playbook
name: ${name}
title: Ask, and tell what was answered
owners: { technical: a, operational: b }
triggers: [{ id: seen, on: event, where: { fact: event, path: /${field}, operator: notEqual, value: "" } }]
inputs: { path: /${field} }
steps:
  - { id: look, type: enrich, uses: http-json/get, with: { url: "{{ inputs.path }}" }, timeout: ${timeout}, retry: { attempts: 1 } }
  - { id: tell, type: webhook, uses: webhook/deliver, with: { url: "${url}/sink", payload: "{{ steps.look.body }}" } }
  - { id: note, type: update_state, incident: "inc-1", set: { state: triaged, note: "{{ inputs.path }} said {{ steps.look.status }}" } }
`;
const containment = `
apiVersion: interlock/v1
kind: Playbook
name: contain
title: Ban, with a plan that quotes the target
owners: { technical: a, operational: b }
triggers: [{ id: seen, on: event, where: { fact: event, path: /ip, operator: notEqual, value: "" } }]
inputs: { ip: /ip }
steps:
  - { id: ban, type: contain, uses: edge-firewall/ban, with: { ip: "{{ inputs.ip }}", for: 4h } }
`;

beforeAll(async () => {
  echo = await startEcho();
  broken = await openUpstream(({ headers }, socket) =>
    socket.end(`HTTP/1.1 200 OK\r\n"${headers['x-api-key']}\r\n\r\n`),
  );
  const brokenUrl = `http://127.0.0.1:${broken.port}`;
  const secret = (name: string, header: string, format: string) => ({ secret: { name, header, format } });
  folder = await makeKernelFolder('canary', [
    {
      id: ORG,
      plugins: ['http-json', 'webhook', 'edge-firewall'],
      // Most of what is asked here fails, and is to be asked all the same.
      breakerFailures: 100,
      egress: [
        {
          plugin: 'http-json',
          rules: [
            ruleFor(echo.url, { pathPrefix: '/key', ...secret('api-key', 'x-api-key', '{}') }),
            ruleFor(echo.url, { pathPrefix: '/open' }),
            ruleFor(brokenUrl, secret('api-key', 'x-api-key', '{}')),
            ruleFor(echo.url, { pathPrefix: '/bearer', ...secret('api-key', 'authorization', 'Bearer {}') }),
            ruleFor(echo.url, { pathPrefix: '/basic', ...secret('basic', 'authorization', 'Basic {}') }),
          ],
        },
        { plugin: 'webhook', rules: [ruleFor(echo.url, { pathPrefix: '/sink' })] },
        {
          plugin: 'edge-firewall',
          settings: { endpoint: echo.url },
          rules: [ruleFor(echo.url, secret('edge-firewall-token', 'authorization', 'Bearer {}'))],
        },
      ],
    },
  ]);
  Object.assign(
    tokens,
    await prepareKernel(folder, async (prepared) => {
      await activatePlaybook(prepared, ORG, playbook(echo.url, 'echo', 'path', '20s'));
      await activatePlaybook(prepared, ORG, playbook(echo.url, 'late', 'late', '1s'));
      await activatePlaybook(prepared, ORG, playbook(brokenUrl, 'broken', 'broken', '20s'));
      await activatePlaybook(prepared, ORG, containment);
      return tokensFor(prepared, ORG, {
        everything: ['operator', 'auditor', 'admin', 'author'],
        approver: ['approver'],
      });
    }),
  );
  needles = [
    ...Object.entries(CANARIES).flatMap(([name, value]) => needlesOf(name, value.trim())),
    ...needlesOf('basic', BASIC),
    ...Object.entries(tokens).flatMap(([name, value]) => needlesOf(`token of ${name}`, value)),
  ];
  tap = join(folder.path, 'tap.bin');
  kernel = startKernelProcess(folder.config, {
    imports: [join(import.meta.dirname, 'tap.ts')],
    env: { INTERLOCK_TEST_TAP: tap },
  });
  api = apiOf(await kernel.listening, ORG, tokens['everything'] ?? '');
});
afterAll(async () => {
  await kernel?.end();
  await echo?.close();
  await broken?.close();
  await folder?.remove();
});

const runIds: string[] = [];

describe('the search itself', () => {
  it('finds a canary in every form, in a text and in a file', async () => {
    for (const { secret, form, bytes } of needles) {
      const hay = Buffer.concat([randomBytes(100), bytes, randomBytes(100)]);
      expect(findIn(hay, needles), form).toContain(`${secret}: ${form}`);
    }
    const planted = join(folder.data, 'modules', 'planted');
    await writeFile(planted, `x${CANARIES['api-key']}x`);
    const { found } = await findInFolder(folder.data, needles);
    await rm(planted);
    expect(found).toEqual([`${planted}: api-key: raw`]);
  });
});

describe('secrets that were used for real', () => {
  it('are stored through the API, and refused ones are refused without an echo', async () => {
    const put = (name: string, value: string) => api.put(`/secrets/${name}`, { value });
    expect((await put('api-key', CANARIES.replaced)).status).toBe(200);
    expect((await put('api-key', CANARIES['api-key'])).status).toBe(200);
    expect((await put('spare', CANARIES.spare)).status).toBe(200);
    expect((await put('basic', BASIC)).status).toBe(200);
    expect((await put('edge-firewall-token', CANARIES['edge-firewall-token'])).status).toBe(200);
    const refusals = [
      await put('api-key', CANARIES.refused),
      await api.put(`/secrets/${encodeURIComponent(CANARIES.refused.trim())}`, { value: 'a-fine-value' }),
      await api.put('/secrets/api-key', { value: [CANARIES.refused] }),
      await api.put('/secrets/api-key', { [CANARIES.refused]: 'a-fine-value' }),
      await api.put('/secrets/api-key', `{"value":"${CANARIES.refused}`),
      await api.ask('PUT', `/v1/orgs/${ORG}/secrets/api-key`, CANARIES.refused, 'text/plain'),
    ];
    for (const { status, text } of refusals) {
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
      expect(findIn(Buffer.from(text), needles)).toEqual([]);
    }
  });

  it('reach the upstream, which gives them back in every way it can', { timeout: 60_000 }, async () => {
    const prefixes = ['/key', '/bearer', '/basic'];
    for (const prefix of prefixes)
      for (const path of ECHO_PATHS) {
        const field = path === 'late' ? 'late' : 'path';
        const answer = await api.publish(cloudEvent(`${prefix}-${path}`, { [field]: `${echo.url}${prefix}/${path}` }));
        runIds.push(answer.data.events[0]?.triggers.find((one) => one.run)?.run ?? '');
      }
    const contain = await api.publish(cloudEvent('contain', { ip: '20.1.1.1' }));
    const held = contain.data.events[0]?.triggers.find((one) => one.run)?.run ?? '';
    const states = new Map<string, number>();
    for (const id of runIds) {
      const { data } = await api.run(id, '20s');
      states.set(data.state, (states.get(data.state) ?? 0) + 1);
    }
    // The four paths that answer with JSON, times three; the others are errors to the plugin.
    expect(Object.fromEntries(states)).toEqual({ completed: 12, failed: 21 });
    const waiting = await until(
      () => api.run(held),
      ({ data }) => data.state === 'waiting',
    );
    expect(waiting.data.steps[0]?.plan?.summary).toContain('[secret:edge-firewall-token]');
    runIds.push(held);

    for (const path of ECHO_PATHS) {
      expect(echo.received.get(`/key/${path}`)).toContain(CANARIES['api-key']);
      expect(echo.received.get(`/bearer/${path}`)).toContain(`Bearer ${CANARIES['api-key']}`);
      expect(echo.received.get(`/basic/${path}`)).toContain(`Basic ${BASIC}`);
    }
    expect(echo.received.get('/v1/bans/20.1.1.1')).toContain(`Bearer ${CANARIES['edge-firewall-token']}`);
  });

  it('are shown by a target that kept them to a run that has none, by their names only', async () => {
    const answer = await api.publish(cloudEvent('kept', { path: `${echo.url}/open/kept` }));
    const id = answer.data.events[0]?.triggers.find((one) => one.run)?.run ?? '';
    const { data, text } = await api.run(id, '20s');
    expect(data.steps[0]?.state).toBe('succeeded');
    for (const name of ['api-key', 'basic', 'edge-firewall-token']) expect(text).toContain(`[secret:${name}]`);
    expect(findIn(Buffer.from(text), needles)).toEqual([]);
    runIds.push(id);
  });

  it('reach one that answers with what is not HTTP', async () => {
    const answer = await api.publish(cloudEvent('broken', { broken: `http://127.0.0.1:${broken.port}/` }));
    const id = answer.data.events[0]?.triggers.find((one) => one.run)?.run ?? '';
    const { data } = await api.run(id, '20s');
    expect(data).toMatchObject({ state: 'failed', steps: [{ error: { class: 'upstream_error' } }, {}, {}] });
    expect(broken.requests.map(({ headers }) => headers['x-api-key'])).toEqual([CANARIES['api-key']]);
    runIds.push(id);
  });

  it('are in no answer of the API', async () => {
    const approver = apiOf(await kernel.listening, ORG, tokens['approver'] ?? '');
    const approvals = await api.approvals();
    const [approval] = approvals.data;
    const texts: string[] = [approvals.text];
    const look = async (path: string) => {
      const { status, text } = await api.get(path);
      expect(status, path).toBe(200);
      texts.push(text);
    };
    for (const id of runIds) {
      await look(`/runs/${id}`);
      await look(`/events/${(await api.run(id)).data.event}`);
    }
    for (const path of ['/runs?limit=200', '/secrets', '/incidents/inc-1', '/playbooks/echo']) await look(path);
    await look(`/approvals/${approval?.approval}`);
    for (const path of ['/audit/export', '/audit/head']) await look(path);
    texts.push((await approver.vote(approval?.approval ?? '', 'reject', approval?.subject ?? '')).text);
    texts.push((await api.ask('GET', '/v1/whoami')).text, (await api.ask('GET', '/openapi.json')).text);
    const all = Buffer.from(texts.join('\n'));
    expect(findIn(all, needles)).toEqual([]);
    // The answers did go through here: what stood where the secrets were is there.
    for (const name of ['api-key', 'basic', 'edge-firewall-token'])
      expect(all.includes(`[secret:${name}]`), name).toBe(true);
  });

  it('are in no file of the data folder, while the kernel runs', async () => {
    const { found, files, bytes } = await findInFolder(folder.data, needles);
    expect(found).toEqual([]);
    expect(files).toBeGreaterThan(5);
    expect(bytes).toBeGreaterThan(100_000);
    expect((await readFile(join(folder.data, 'record/data.mdb'))).includes('[secret:api-key]')).toBe(true);
  });

  it('are in no frame to or from a cell', async () => {
    const frames = await readFile(tap);
    expect(findIn(frames, needles)).toEqual([]);
    // It is the pipe that was listened to: calls, requests and scrubbed answers are in it.
    for (const mark of ['"idempotencyKey"', '/key/forms', '[secret:api-key]', '[secret:basic]', 'Replace the ban'])
      expect(frames.includes(mark), mark).toBe(true);
  });

  it('are not passed on to another host that a later step writes to', () => {
    expect(echo.bodies.length).toBeGreaterThan(8);
    expect(findIn(Buffer.from(echo.bodies.join('\n')), needles)).toEqual([]);
  });

  it('are in no command line and no environment of the kernel and its cells', async () => {
    const processes = [kernel.pid, ...cellsOf(kernel.pid)];
    expect(processes.length).toBeGreaterThan(1);
    for (const pid of processes)
      for (const file of ['cmdline', 'environ'])
        expect(findIn(await readFile(`/proc/${pid}/${file}`), needles), file).toEqual([]);
  });

  it('are in nothing that is left when the kernel has stopped', async () => {
    expect(await kernel.end('SIGTERM')).toEqual({ code: 0, signal: null });
    const { found, files } = await findInFolder(folder.path, needles);
    expect(found).toEqual([]);
    expect(files).toBeGreaterThan(8);
    expect(kernel.said()).toContain('listening');
    expect(findIn(Buffer.from(kernel.said()), needles)).toEqual([]);
  });
});
