import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OrgId, PrincipalId } from '../kernel/base/id.ts';
import { readConfig } from '../kernel/config.ts';
import { startKernel } from '../kernel/main.ts';
import type { Principal } from '../kernel/org/principal.ts';
import type { Role } from '../kernel/org/role.ts';
import { SEVERITY_WANTED } from './event.ts';
import { STUB_PATH } from './stub.ts';

/**
 * A deployment to measure: configuration, policies as shipped, one org with one active playbook of three steps, and a
 * token. It is set up by a kernel in this process, which is stopped again; what is measured is another process.
 */
const ROOT = join(import.meta.dirname, '..');

/**
 * How the second step posts: `query` asks and changes nothing; `secret` asks with a secret in a header, so a lease is on
 * record too; `deliver` changes something, so it plans first.
 */
export type Post = 'query' | 'secret' | 'deliver';

export type Site = { readonly org: string; readonly token: string; readonly configFile: string };

const QUERY = {
  plugin: 'http-json',
  step: 'type: enrich\n    uses: http-json/query\n    with: { url: "URL", body: BODY }',
};
const SECRET = { name: 'stub-key', header: 'x-api-key', format: 'Token {}' };
const POSTS: Readonly<Record<Post, { plugin: string; step: string; secret?: typeof SECRET }>> = {
  query: QUERY,
  secret: { ...QUERY, secret: SECRET },
  deliver: {
    plugin: 'webhook',
    step: 'type: webhook\n    uses: webhook/deliver\n    with: { url: "URL", payload: BODY }',
  },
};

const playbook = (post: Post, stubPort: number) => `apiVersion: interlock/v1
kind: Playbook
name: contain
title: Shape a finding, tell the world outside, keep the state
owners: { technical: bench, operational: bench }
triggers:
  - id: severe-finding
    on: event
    where:
      all:
        - { fact: event, path: /category_uid, operator: equal, value: 2 }
        - { fact: event, path: /severity_id, operator: greaterThanInclusive, value: ${SEVERITY_WANTED} }
inputs:
  severity: /severity_id
  time: /time
  finding: /finding_info
  name: /finding_info/uid
  device: /device
  actor: /actor
  observables: /observables
steps:
  - id: shape
    type: enrich
    uses: transform/shape
    with:
      event:
        severity_id: "{{ inputs.severity }}"
        time: "{{ inputs.time }}"
        finding_info: "{{ inputs.finding }}"
        device: "{{ inputs.device }}"
        actor: "{{ inputs.actor }}"
        observables: "{{ inputs.observables }}"
  - id: post
    ${POSTS[post].step
      .replace('URL', `http://127.0.0.1:${stubPort}${STUB_PATH}`)
      .replace('BODY', '"{{ steps.shape }}"')}
  - id: state
    type: update_state
    incident: "{{ inputs.name }}"
    set: { state: contained, note: "{{ steps.shape.host }} was answered for" }
timeout: 5m
`;

/** A folder on the disk of the checkout: a record in memory would measure nothing. @returns it and its removal. */
export function openScratch(): { readonly folder: string; readonly remove: () => void } {
  const isSameDisk = statSync(ROOT).dev === statSync(tmpdir()).dev;
  const parent = isSameDisk ? tmpdir() : join(ROOT, '.interlock');
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, 'interlock-bench-'));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** An org of a site: how it posts, and to which stub. */
export type Tenant = { readonly org: string; readonly post: Post; readonly stubPort: number };

/** @throws Error when the kernel refuses what is set up: then nothing can be measured. */
export async function setUpSite(folder: string, post: Post, stubPort: number): Promise<Site> {
  const [site] = await setUpSites(folder, [{ org: 'bench', post, stubPort }]);
  if (!site) throw new Error('nothing was set up');
  return site;
}

/** Several orgs in one kernel, each with a token of its own. */
export async function setUpSites(folder: string, tenants: readonly Tenant[]): Promise<readonly Site[]> {
  await mkdir(folder, { recursive: true });
  const orgs = await Promise.all(tenants.map((tenant) => filesOf(folder, tenant)));
  const config = {
    apiVersion: 'interlock/config/v1',
    data: './data',
    listen: { host: '127.0.0.1', port: 0 },
    orgs,
  };
  const configFile = join(folder, 'interlock.json');
  await writeFile(configFile, JSON.stringify(config));
  const read = await readConfig(configFile);
  const started = read.ok ? await startKernel(read.value) : read;
  if (!started.ok) throw new Error(started.error);
  const { kernel, stop } = started.value;
  try {
    const sites: Site[] = [];
    for (const { org, post, stubPort } of tenants) {
      const put = await kernel.playbooks.put(as(org, 'bench-author', ['author']), playbook(post, stubPort));
      if (!put.ok) throw new Error(`the playbook of the bench is refused: ${JSON.stringify(put.error)}`);
      const by = as(org, 'bench-approver', ['approver']);
      const active = await kernel.playbooks.activate(by, 'contain', put.value.digest);
      if (!active.ok) throw new Error(`the playbook of the bench is not activated: ${active.error.kind}`);
      const holder = as(org, 'bench-driver', ['operator']);
      const { token } = await kernel.tokens.create(holder.org, 'system:bench', holder);
      const { secret } = POSTS[post];
      if (secret) await kernel.secrets.put(holder, secret.name, randomBytes(24).toString('base64url'));
      sites.push({ org, token, configFile });
    }
    return sites;
  } finally {
    await stop();
  }
}

/** As shipped. */
export const policyFiles = {
  guardrails: join(ROOT, 'policies/guardrails/baseline.rules.json'),
  approvals: join(ROOT, 'policies/approval/matrix.json'),
};

async function filesOf(folder: string, { org, post, stubPort }: Tenant) {
  const { plugin, secret } = POSTS[post];
  const egress = {
    apiVersion: 'interlock/egress/v1',
    grants: [
      {
        plugin,
        rules: [
          {
            scheme: 'http',
            host: '127.0.0.1',
            port: stubPort,
            methods: ['POST'],
            pathPrefix: STUB_PATH,
            addresses: ['127.0.0.1/32'],
            ...(secret && { secret }),
          },
        ],
      },
    ],
  };
  await writeFile(join(folder, `egress-${org}.json`), JSON.stringify(egress));
  return {
    id: org,
    ...policyFiles,
    egress: `./egress-${org}.json`,
    trust: join(ROOT, 'policies/trust/demo.json'),
    plugins: [join(ROOT, 'bench/plugins/transform'), join(ROOT, 'plugins', plugin)],
  };
}

export const as = (org: string, name: string, roles: readonly Role[]): Principal => ({
  org: org as OrgId,
  id: name as PrincipalId,
  roles,
});
