import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Approval, Run } from '../../sdk/contract/api-run.ts';
import type { AuditRecord } from '../../sdk/contract/audit.ts';
import { startEdgeFirewall } from '../service/edge-firewall.ts';
import { startReputation } from '../service/reputation.ts';
import { type Api, apiOf, until, verifyExport } from '../support/api.ts';
import { type Gone, type KernelProcess, startKernelProcess } from '../support/kernel-process.ts';
import { makeKernelFolder, prepareKernel, ruleFor, tokensFor } from '../support/org-files.ts';

/**
 * One kernel with many orgs, each with a firewall and people of its own, so that tests do not meet. All have the
 * shipped policies and the shipped playbook; an org may change one thing of them.
 */
const ROOT = join(import.meta.dirname, '..', '..');
export const FIREWALL_TOKEN = 'governed-firewall-token';
const PEOPLE = {
  /** Causes the runs, and may vote on those of others. */
  operator: ['operator', 'approver', 'auditor', 'admin'],
  author: ['author', 'approver'],
  approver: ['approver'],
  second: ['approver'],
} as const;
type Person = keyof typeof PEOPLE;

export type Variant = {
  /** Replaces tiers of the approval matrix. */
  readonly approvals?: Readonly<Record<string, unknown>>;
  /** Text of the playbook, and what stands in its place. */
  readonly change?: readonly [from: string, to: string];
  /** No playbook is there yet. */
  readonly empty?: true;
};

type Firewall = Awaited<ReturnType<typeof startEdgeFirewall>>;
export type Org = Readonly<Record<Person, Api>> & { readonly firewall: Firewall };

export type GovernedWorld<Name extends string> = {
  org(name: Name): Org;
  /** The shipped playbook, with the address of the reputation service that runs. */
  readonly playbook: string;
  kernel(): KernelProcess;
  /** Ends the kernel as an operator does and starts it again on the same folder. */
  restart(): Promise<Gone>;
  /** Sends the sample alert about this address. @returns the receipt and what its first trigger said. */
  detect(org: Org, ip: string, uuid?: string): Promise<Detected>;
  /** A run whose ban waits for a person. */
  held(org: Org, ip?: string): Promise<{ readonly run: string; readonly approval: Approval }>;
  /** The records of the org, exported and verified. `head` pins them. */
  recordsOf(
    org: Org,
    pinnedHead?: string,
  ): Promise<{ readonly records: readonly AuditRecord[]; readonly head: string }>;
  close(): Promise<void>;
};

type Receipt = {
  readonly event: string;
  readonly repeat: boolean;
  readonly triggers: readonly { readonly outcome: string; readonly run: string | null }[];
};
type Detected = Receipt & { readonly outcome: string | undefined; readonly run: string };

export async function openGovernedWorld<Name extends string>(
  variants: Readonly<Record<Name, Variant>>,
): Promise<GovernedWorld<Name>> {
  const names = Object.keys(variants) as Name[];
  const reputation = await startReputation();
  const shipped = await readFile(join(ROOT, 'policies/playbooks/contain-c2.yaml'), 'utf8');
  const playbook = shipped.replace('http://127.0.0.1:8486', reputation.url);
  const alert = JSON.parse(await readFile(join(ROOT, 'test/samples/falco-c2-connection.json'), 'utf8'));

  const firewalls = new Map<Name, Firewall>();
  for (const name of names) firewalls.set(name, await startEdgeFirewall({ token: FIREWALL_TOKEN }));
  const secret = { name: 'edge-firewall-token', header: 'authorization', format: 'Bearer {}' };
  const egressOf = ({ url }: Firewall) => [
    { plugin: 'http-json', rules: [ruleFor(reputation.url, { methods: ['GET'] })] },
    { plugin: 'edge-firewall', settings: { endpoint: url }, rules: [ruleFor(url, { pathPrefix: '/v1/bans', secret })] },
  ];
  const folder = await makeKernelFolder(
    'governed',
    [...firewalls].map(([id, firewall]) => {
      const { approvals = {} } = variants[id];
      return { id, plugins: ['http-json', 'edge-firewall'], egress: egressOf(firewall), approvals };
    }),
  );

  let url = '';
  const start = async () => {
    const started = startKernelProcess(folder.config);
    url = await started.listening;
    return started;
  };
  const orgs = new Map<Name, Org>();
  await prepareKernel(folder, async (prepared) => {
    for (const [name, firewall] of firewalls) {
      const tokens = await tokensFor<Person>(prepared, name, PEOPLE);
      const person = (who: Person) => apiOf(() => url, name, tokens[who]);
      const [operator, author, approver, second] = [
        person('operator'),
        person('author'),
        person('approver'),
        person('second'),
      ];
      orgs.set(name, { operator, author, approver, second, firewall });
    }
  });
  let kernel = await start();
  for (const [name, org] of orgs) {
    await org.operator.put('/secrets/edge-firewall-token', { value: FIREWALL_TOKEN });
    const { change: [from, to] = ['', ''], empty } = variants[name];
    if (!playbook.includes(from)) throw new Error(`the shipped playbook has no ${from}`);
    if (!empty) await activate(org, playbook.replace(from, to));
  }

  let alerts = 0;
  const detect = async ({ operator }: Org, ip: string, uuid = `alert-${++alerts}`): Promise<Detected> => {
    const output_fields = { ...alert.output_fields, 'fd.rip': ip };
    const answer = await operator.post<{ events: Receipt[] }>('/events', { ...alert, uuid, output_fields });
    const [receipt] = answer.data?.events ?? [];
    if (answer.status !== 202 || !receipt) throw new Error(answer.text);
    const [trigger] = receipt.triggers;
    return { ...receipt, outcome: trigger?.outcome, run: trigger?.run ?? '' };
  };

  return {
    org: (name) => orgs.get(name) as Org,
    playbook,
    kernel: () => kernel,
    async restart() {
      const gone = await kernel.end('SIGTERM');
      kernel = await start();
      return gone;
    },
    detect,
    async held(org, ip = '203.0.113.77') {
      const { run } = await detect(org, ip);
      const { data } = await until(
        () => org.operator.run(run),
        (answer) => answer.data.state !== 'running',
      );
      const [asked] = data.approvals;
      if (!asked) throw new Error(`no approval: ${JSON.stringify(data)}`);
      return { run, approval: (await org.approver.approval(asked.approval)).data };
    },
    async recordsOf({ operator }, pinnedHead) {
      const pin = pinnedHead === undefined ? {} : { pinnedHead };
      const { verdict, records } = await verifyExport(operator, join(folder.path, `bundle-${operator.org}`), pin);
      if (verdict.verdict !== 'valid' || verdict.head === null) throw new Error(JSON.stringify(verdict));
      return { records: records(), head: verdict.head };
    },
    async close() {
      await kernel.end();
      await Promise.all([reputation, ...firewalls.values()].map((service) => service.close()));
      await folder.remove();
    },
  };
}

/** Puts a version as the author and activates it as someone else. @returns its digest. */
export async function activate({ author, approver }: Org, text: string): Promise<string> {
  const { digest } = (await author.putPlaybook(text)).data;
  const active = await approver.post('/playbooks/contain-c2/activate', { digest });
  if (active.status !== 200) throw new Error(active.text);
  return digest;
}

/** The run once it has ended. */
export const ended = async (org: Org, run: string): Promise<Run> => (await org.operator.run(run, '15s')).data;
