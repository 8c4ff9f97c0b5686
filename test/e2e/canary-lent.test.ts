import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGithub } from '../double/github.ts';
import { type OAuth, startOAuth } from '../double/oauth.ts';
import { startSts } from '../double/sts.ts';
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
const JWT_VALUE = 'jwt~|0123456789abcdef^`{}';
let vault: VaultDouble;
/** Logged in to with a JWT. */
let cluster: VaultDouble;
let github: Awaited<ReturnType<typeof startGithub>>;
let sts: Awaited<ReturnType<typeof startSts>>;
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
  [vault, cluster, idp, echo] = await Promise.all([startVault(), startVault(), startOAuth(), startEcho()]);
  [github, sts] = await Promise.all([startGithub(), startSts()]);
  vault.write('soc/edr', { key: KV_VALUE });
  cluster.write('soc/siem', { key: JWT_VALUE });
  const rule = (prefix: string, name: string) =>
    ruleFor(echo.url, { pathPrefix: prefix, secret: { name, header: 'x-api-key', format: '{}' } });
  const addresses = ['127.0.0.0/8'];
  const credentials = await makeCredentials();
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
            rule('/repository', 'repository-token'),
            rule('/cloud', 'cloud-session'),
            rule('/siem', 'siem-key'),
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
          login: { method: 'approle', roleId: vault.ids.roleId, secretId: { file: credentials('secret-id') } },
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
        {
          kind: 'vault',
          name: 'cluster',
          url: cluster.url,
          addresses,
          login: { method: 'jwt', role: 'soc', jwt: { file: credentials('jwt') } },
          secrets: [{ name: 'siem-key', engine: 'kv', path: 'soc/siem', field: 'key' }],
        },
        {
          kind: 'github-app',
          name: 'github',
          url: github.url,
          addresses,
          appId: 'Iv1.app',
          installation: '42',
          key: { file: credentials('app.pem') },
          secrets: [{ name: 'repository-token', permissions: { contents: 'read' } }],
        },
        {
          kind: 'aws-sts',
          name: 'aws',
          url: sts.url,
          addresses,
          token: { file: credentials('identity') },
          secrets: [{ name: 'cloud-session', roleArn: 'arn:aws:iam::123456789012:role/soc', field: 'sessionToken' }],
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
  for (const one of [echo, vault, cluster, idp, github, sts]) await one?.close();
  await folder?.remove();
  for (const remove of removers) await remove();
});

const removers: (() => Promise<void>)[] = [];
/** What the kernel logs in with, each in a file of its own. */
async function makeCredentials(): Promise<(name: string) => string> {
  const place = await mkdtemp(join(tmpdir(), 'interlock-credential-'));
  removers.push(() => rm(place, { recursive: true }));
  const texts = {
    'secret-id': vault.ids.secretId,
    jwt: cluster.ids.jwt,
    'app.pem': github.keyPem,
    identity: sts.token,
  };
  for (const [name, text] of Object.entries(texts)) await writeFile(join(place, name), text, { mode: 0o600 });
  return (name) => join(place, name);
}

/** All that must stay between the kernel, its providers and its target, as far as it was made. */
const needles = (): readonly Needle[] => [
  ...needlesOf('kv value', KV_VALUE),
  ...needlesOf('secret id', vault.ids.secretId),
  ...needlesOf('client secret', idp.client.secret),
  ...[...vault.seen.secrets].flatMap((value, i) => needlesOf(`of vault ${i}`, value)),
  ...idp.made.flatMap((value, i) => needlesOf(`token ${i}`, value)),
  ...needlesOf('jwt value', JWT_VALUE),
  ...needlesOf('jwt', cluster.ids.jwt),
  ...[...cluster.seen.secrets].flatMap((value, i) => needlesOf(`of cluster ${i}`, value)),
  // Each line of the key: whoever prints a part of it prints too much.
  ...github.keyPem.split('\n').flatMap((line, i) => (line.length < 60 ? [] : needlesOf(`line ${i} of the key`, line))),
  ...needlesOf('key', github.keyLine),
  ...[...github.made, ...github.asserted].flatMap((value, i) => needlesOf(`of github ${i}`, value)),
  ...needlesOf('identity', sts.token),
  ...sts.made.flatMap(({ id, secret, session }, i) =>
    [id, secret, session].flatMap((value, part) => needlesOf(`part ${part} of sts ${i}`, value)),
  ),
];
/** Where each secret rides. */
const LENT = [
  ['/key', 'db-password'],
  ['/bearer', 'api-token'],
  ['/basic', 'edr-key'],
  ['/repository', 'repository-token'],
  ['/cloud', 'cloud-session'],
  ['/siem', 'siem-key'],
] as const;
const ask = async (path: string) => {
  const answer = await api.publish(cloudEvent(`${path}-${runs.length}`, { path: `${echo.url}${path}` }));
  const id = answer.data.events[0]?.triggers.find((one) => one.run)?.run ?? '';
  runs.push(id);
  return api.run(id, '20s');
};

describe('secrets that were lent', { timeout: 60_000 }, () => {
  it('reach the target, and come back as their names', async () => {
    expect((await api.put('/secrets/idp-secret', { value: idp.client.secret })).status).toBe(200);
    for (const [prefix, name] of LENT) {
      const { data, text } = await ask(`${prefix}/forms`);
      expect(data.steps[0]?.state, name).toBe('succeeded');
      expect(text).toContain(`[secret:${name}]`);
    }
    const sent = echo.received.get('/key/forms') ?? '';
    expect([...vault.seen.secrets].some((value) => sent.includes(value))).toBe(true);
    expect(idp.made.some((value) => (echo.received.get('/bearer/forms') ?? '').includes(value))).toBe(true);
    expect(echo.received.get('/repository/forms')).toContain(github.made.at(-1));
    expect(echo.received.get('/cloud/forms')).toContain(sts.made.at(-1)?.session);
    expect(echo.received.get('/siem/forms')).toContain(JWT_VALUE);
  });

  it('are over when the step is', async () => {
    await until(
      async () => vault.live(),
      (live) => live === 0,
    );
    await until(
      async () => idp.made.every(idp.isOver) && github.made.every(github.isOver),
      (isOver) => isOver,
    );
  });

  it('are found, after that, in what a target kept and shows to a step that has none', async () => {
    const { data, text } = await ask('/open/kept');
    expect(data.steps[0]?.state).toBe('succeeded');
    for (const [, name] of LENT) expect(text).toContain(`[secret:${name}]`);
  });

  it('are not told by a provider that refuses, and repeats what it was sent', async () => {
    const word = (text: string) => ({ status: 403, body: JSON.stringify({ message: text, error: text }) });
    for (const one of [vault, cluster]) {
      one.revokeTokens();
      one.state.loginStatus = 500;
    }
    github.state.reply = word(`no: ${github.keyLine} ${github.asserted.at(-1)} ${github.made.at(-1)}`);
    sts.state.reply = word(`no: ${sts.token} ${sts.made.at(-1)?.secret}`);
    idp.state.reply = word(`no: ${idp.client.secret} ${idp.made.at(-1)}`);
    for (const [prefix, name] of LENT) expect((await ask(`${prefix}/plain`)).data.steps[0]?.state, name).toBe('failed');
    for (const one of [vault, cluster]) one.state.loginStatus = 0;
    for (const one of [github, sts, idp]) one.state.reply = null;
    for (const [prefix, name] of LENT)
      expect((await ask(`${prefix}/plain`)).data.steps[0]?.state, name).toBe('succeeded');
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
    expect(new Set(looked.map(({ secret }) => secret)).size).toBeGreaterThan(35);
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
    for (const one of [vault, cluster]) expect(one.asked.at(-1)).toBe('POST /v1/auth/token/revoke-self');
    // It did say that they refused.
    for (const name of ['vault', 'cluster', 'github', 'aws', 'idp'])
      expect(kernel.said()).toContain(`is not lent by ${name}`);
  });
});
