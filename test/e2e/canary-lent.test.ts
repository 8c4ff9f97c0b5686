import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OAuth, startOAuth } from '../double/oauth.ts';
import { startVault, type VaultDouble } from '../double/vault.ts';
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
import { type Echo, startEcho } from './echo-upstream.ts';
import { findIn, findInFolder, type Needle, needlesOf } from './search.ts';

/**
 * Canaries of what providers lend: values that were made for one step, the ones that the kernel logs in with, and the
 * tokens and lease ids between it and the provider. The upstream gives back what it is sent; afterwards every byte that the
 * kernel kept, said, answered or handed to a plugin is searched for them.
 */
const ORG = 'acme';
const KV_VALUE = 'kv"+/0123456789abcdef=%&<>';
let vault: VaultDouble;
let idp: OAuth;
let echo: Echo;
let folder: KernelFolder;
let kernel: KernelProcess;
let api: Api;
let tap: string;
const runs: string[] = [];

const PLAYBOOK = `
apiVersion: interlock/v1
kind: Playbook
name: echo
title: Ask, and tell what was answered
owners: { technical: a, operational: b }
triggers: [{ id: seen, on: event, where: { fact: event, path: /path, operator: notEqual, value: "" } }]
inputs: { path: /path }
steps:
  - { id: look, type: enrich, uses: http-json/get, with: { url: "{{ inputs.path }}" }, retry: { attempts: 1 } }
  - { id: note, type: update_state, incident: "inc-1", set: { state: triaged, note: "{{ inputs.path }} said {{ steps.look.status }}" } }
`;

beforeAll(async () => {
  [vault, idp, echo] = await Promise.all([startVault(), startOAuth(), startEcho()]);
  vault.write('soc/edr', { key: KV_VALUE });
  const rule = (prefix: string, name: string) =>
    ruleFor(echo.url, { pathPrefix: prefix, secret: { name, header: 'x-api-key', format: '{}' } });
  const addresses = ['127.0.0.0/8'];
  const loginFile = join(await makeCredential(), 'secret-id');
  folder = await makeKernelFolder('canary-lent', [
    {
      id: ORG,
      plugins: ['http-json'],
      breakerFailures: 100,
      egress: [
        {
          plugin: 'http-json',
          rules: [
            rule('/key', 'db-password'),
            rule('/bearer', 'api-token'),
            rule('/basic', 'edr-key'),
            ruleFor(echo.url, { pathPrefix: '/open' }),
          ],
        },
      ],
      providers: [
        {
          kind: 'vault',
          name: 'vault',
          url: vault.url,
          addresses,
          login: { method: 'approle', roleId: vault.ids.roleId, secretId: { file: loginFile } },
          secrets: [
            { name: 'db-password', engine: 'dynamic', path: 'database/creds/soc', field: 'password' },
            { name: 'edr-key', engine: 'kv', path: 'soc/edr', field: 'key' },
          ],
        },
        {
          kind: 'oauth',
          name: 'idp',
          addresses,
          issuer: idp.url,
          tokenUrl: `${idp.url}/token`,
          revocationUrl: `${idp.url}/revoke`,
          clientId: idp.client.id,
          auth: 'client_secret_basic',
          credential: { secret: 'idp-secret' },
          tokens: 'step',
          secrets: [{ name: 'api-token' }],
        },
      ],
    },
  ]);
  let token = '';
  await prepareKernel(folder, async (prepared) => {
    await activatePlaybook(prepared, ORG, PLAYBOOK);
    token = (await tokensFor(prepared, ORG, { all: ['operator', 'auditor', 'admin'] }))['all'] ?? '';
  });
  tap = join(folder.path, 'tap.bin');
  kernel = startKernelProcess(folder.config, {
    imports: [join(import.meta.dirname, 'tap.ts')],
    env: { INTERLOCK_TEST_TAP: tap },
  });
  api = apiOf(await kernel.listening, ORG, token);
}, 60_000);
afterAll(async () => {
  await kernel?.end();
  for (const one of [echo, vault, idp]) await one?.close();
  await folder?.remove();
  for (const remove of removers) await remove();
});

const removers: (() => Promise<void>)[] = [];
async function makeCredential(): Promise<string> {
  const place = await mkdtemp(join(tmpdir(), 'interlock-credential-'));
  removers.push(() => rm(place, { recursive: true }));
  await writeFile(join(place, 'secret-id'), vault.ids.secretId, { mode: 0o600 });
  return place;
}

/** All that must stay between the kernel, its providers and its target, as far as it was made. */
const needles = (): readonly Needle[] => [
  ...needlesOf('kv value', KV_VALUE),
  ...needlesOf('secret id', vault.ids.secretId),
  ...needlesOf('client secret', idp.client.secret),
  ...[...vault.seen.secrets].flatMap((value, i) => needlesOf(`of vault ${i}`, value)),
  ...idp.made.flatMap((value, i) => needlesOf(`token ${i}`, value)),
];
const ask = async (path: string) => {
  const answer = await api.publish(cloudEvent(`${path}-${runs.length}`, { path: `${echo.url}${path}` }));
  const id = answer.data.events[0]?.triggers.find((one) => one.run)?.run ?? '';
  runs.push(id);
  return api.run(id, '20s');
};

describe('secrets that were lent', { timeout: 60_000 }, () => {
  it('reach the target, and come back as their names', async () => {
    expect((await api.put('/secrets/idp-secret', { value: idp.client.secret })).status).toBe(200);
    for (const [prefix, name] of [
      ['/key', 'db-password'],
      ['/bearer', 'api-token'],
      ['/basic', 'edr-key'],
    ]) {
      const { data, text } = await ask(`${prefix}/forms`);
      expect(data.steps[0]?.state, name).toBe('succeeded');
      expect(text).toContain(`[secret:${name}]`);
    }
    const sent = echo.received.get('/key/forms') ?? '';
    expect([...vault.seen.secrets].some((value) => sent.includes(value))).toBe(true);
    expect(idp.made.some((value) => (echo.received.get('/bearer/forms') ?? '').includes(value))).toBe(true);
  });

  it('are over when the step is', async () => {
    await until(
      async () => vault.live(),
      (live) => live === 0,
    );
    await until(
      async () => idp.made.every(idp.isOver),
      (isOver) => isOver,
    );
  });

  it('are found, after that, in what a target kept and shows to a step that has none', async () => {
    const { data, text } = await ask('/open/kept');
    expect(data.steps[0]?.state).toBe('succeeded');
    for (const name of ['db-password', 'api-token', 'edr-key']) expect(text).toContain(`[secret:${name}]`);
  });

  it('are on record: lent, used where, and taken back', async () => {
    const { text } = await api.get('/audit/export');
    for (const part of [
      '"secret.used"',
      '"db-password/127.0.0.1/x-api-key"',
      '"secret.revoked"',
      '"outcome":"revoked"',
    ])
      expect(text).toContain(part);
  });

  it('are, like what the kernel logs in with, in no answer, file, frame, command line or word of the log', async () => {
    const looked = needles();
    expect(looked.length).toBeGreaterThan(20);
    const texts: string[] = [];
    for (const id of runs)
      texts.push(
        (await api.get(`/runs/${id}`)).text,
        (await api.get(`/events/${(await api.run(id)).data.event}`)).text,
      );
    for (const path of ['/runs?limit=200', '/secrets', '/incidents/inc-1', '/audit/export'])
      texts.push((await api.get(path)).text);
    expect(findIn(Buffer.from(texts.join('\n')), looked)).toEqual([]);
    for (const pid of [kernel.pid, ...cellsOf(kernel.pid)])
      for (const file of ['cmdline', 'environ'])
        expect(findIn(await readFile(`/proc/${pid}/${file}`), looked)).toEqual([]);
    const frames = await readFile(tap);
    expect(frames.includes('[secret:db-password]')).toBe(true);
    expect(findIn(frames, looked)).toEqual([]);
    expect(await kernel.end('SIGTERM')).toEqual({ code: 0, signal: null });
    const { found, files } = await findInFolder(folder.path, looked);
    expect(found).toEqual([]);
    expect(files).toBeGreaterThan(8);
    expect(findIn(Buffer.from(kernel.said()), looked)).toEqual([]);
    // The token that the kernel logged in with ended with it.
    expect(vault.asked.at(-1)).toBe('POST /v1/auth/token/revoke-self');
  });
});
