import { ROLES } from '../../kernel/org/role.ts';
import { answerOk, openUpstream, type Upstream } from '../egress/upstream.ts';
import { type Api, apiOf, cloudEvent } from '../support/api.ts';
import { type KernelProcess, startKernelProcess } from '../support/kernel-process.ts';
import { makeKernelFolder, prepareKernel, ruleFor, tokensFor } from '../support/org-files.ts';

/** Two orgs in one kernel, with people, playbooks and secrets of the same names, and two upstreams. */
const PEOPLE = { asker: ['operator'], all: ROLES } as const;
export type Org = Readonly<Record<keyof typeof PEOPLE, Api>>;

export const SECRETS = { acme: 'the-key-of-acme-0001', globex: 'the-key-of-globex-0002' } as const;
type OrgName = keyof typeof SECRETS;

export type TenantsWorld = {
  readonly acme: Org;
  readonly globex: Org;
  readonly url: string;
  readonly kernel: KernelProcess;
  /** Granted to both orgs, with a secret of the same name. */
  readonly vault: Upstream;
  /** Granted to acme alone. */
  readonly inner: Upstream;
  readonly playbooks: ReturnType<typeof playbooksFor>;
  /** For what a test writes. */
  readonly path: string;
  /** Puts a version and activates it. @returns its digest. */
  activate(org: Org, text: string): Promise<string>;
  close(): Promise<void>;
};

export async function openTenantsWorld(): Promise<TenantsWorld> {
  const vault = await openUpstream();
  const inner = await openUpstream((request, socket, n) =>
    request.path === '/lost' ? socket.destroy() : answerOk(request, socket, n),
  );
  const playbooks = playbooksFor(vault, inner);
  const secret = { name: 'shared-key', header: 'authorization', format: 'Bearer {}' };
  const shared = ruleFor(addressOf(vault), { secret });
  const own = ruleFor(addressOf(inner));
  const folder = await makeKernelFolder('tenants', [
    {
      id: 'acme',
      plugins: ['http-json', 'webhook', 'edge-firewall'],
      egress: [
        { plugin: 'http-json', rules: [shared, own] },
        { plugin: 'webhook', rules: [own] },
      ],
    },
    { id: 'globex', plugins: ['http-json', 'webhook'], egress: [{ plugin: 'http-json', rules: [shared] }] },
  ]);
  const tokens = await prepareKernel(folder, async (prepared) => ({
    acme: await tokensFor(prepared, 'acme', PEOPLE),
    globex: await tokensFor(prepared, 'globex', PEOPLE),
  }));
  const kernel = startKernelProcess(folder.config);
  const url = await kernel.listening;
  const orgOf = (org: OrgName): Org => ({
    asker: apiOf(url, org, tokens[org].asker),
    all: apiOf(url, org, tokens[org].all),
  });
  const [acme, globex] = [orgOf('acme'), orgOf('globex')];

  const activate = async ({ all }: Org, text: string): Promise<string> => {
    // The author is a person of his own, because the four-eyes rule holds here too.
    const made = await all.post<{ token: string }>('/tokens', { principal: 'author', roles: ['author'] });
    const put = await apiOf(url, all.org, made.data.token).putPlaybook(text);
    const name = /^name: (\S+)$/m.exec(text)?.[1];
    const active = await all.post(`/playbooks/${name}/activate`, { digest: put.data?.digest });
    if (active.status !== 200) throw new Error(`${put.text} ${active.text}`);
    return put.data.digest;
  };
  for (const [org, text] of [
    [acme, playbooks.lost],
    [globex, playbooks.push],
  ] as const) {
    await org.all.put('/secrets/shared-key', { value: SECRETS[org.all.org as OrgName] });
    for (const one of [playbooks.gate, playbooks.reach, text]) await activate(org, one);
  }

  return {
    acme,
    globex,
    url,
    kernel,
    vault,
    inner,
    playbooks,
    activate,
    path: folder.path,
    async close() {
      await kernel.end();
      await Promise.all([vault.close(), inner.close()]);
      await folder.remove();
    },
  };
}

/** Started by an event whose `kind` is their name. */
export const playbook = (name: string, step: string, more = '') => `
apiVersion: interlock/v1
kind: Playbook
name: ${name}
title: ${name}
owners: { technical: a, operational: b }
triggers:
  - { id: seen, on: event, where: { fact: event, path: /kind, operator: equal, value: ${name} }${more} }
inputs: { incident: /incident, name: /name }
steps:
  - { id: act, ${step} }
  - { id: note, type: update_state, incident: "{{ inputs.incident }}", set: { state: triaged } }
`;

const addressOf = (upstream: Upstream) => `http://127.0.0.1:${upstream.port}`;

function playbooksFor(vault: Upstream, inner: Upstream) {
  const get = (to: Upstream, path: string) =>
    `type: enrich, uses: http-json/get, with: { url: "${addressOf(to)}/${path}" }`;
  const post = (to: Upstream, path: string) =>
    `type: webhook, uses: webhook/post, with: { url: "${addressOf(to)}/${path}", payload: {} }`;
  const dedup = ', dedup: { key: [/incident], window: 30m, repeat: coalesce }';
  return {
    /** Held until someone agrees, then it asks the vault. */
    gate: playbook('gate', `${get(vault, '{{ inputs.name }}')}, tier: high`, dedup),
    reach: playbook('reach', get(inner, 'reach')),
    push: playbook('push', post(vault, 'push')),
    /** Its answer gets lost, so that a person has to settle it. */
    lost: playbook('lost', post(inner, 'lost')),
    /** Not put by anyone. */
    intruder: playbook('intruder', get(vault, 'intruder')),
  };
}

let sent = 0;
/** Sends an event. @returns its receipt, and the run that it started or that absorbed it. */
export async function publish(org: Org, kind: string, id = `event-${++sent}`, incident = `INC-${id}`) {
  const answer = await org.asker.publish(cloudEvent(id, { kind, incident, name: org.all.org }));
  const [receipt] = answer.data?.events ?? [];
  if (!receipt) throw new Error(answer.text);
  const run = receipt.triggers.find((one) => one.run !== null)?.run ?? '';
  return { ...receipt, run };
}

/** A run that waits for a person. */
export async function held(org: Org) {
  const { run, event } = await publish(org, 'gate');
  const [approval] = (await org.all.run(run)).data.approvals;
  if (approval?.state !== 'pending') throw new Error(`${run} is not held`);
  return { run, event, approval: approval.approval, subject: approval.subject };
}
