import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OrgId, PrincipalId } from '../../kernel/base/id.ts';
import { readConfig } from '../../kernel/config.ts';
import { type Running, startKernel } from '../../kernel/main.ts';
import type { Principal } from '../../kernel/org/principal.ts';
import type { Role } from '../../kernel/org/role.ts';
import { prepareCells } from '../../kernel/prepare.ts';
import { prepareAll } from '../../sdk/build/prepare.ts';
import { startEdgeFirewall } from '../service/edge-firewall.ts';
import { startReputation } from '../service/reputation.ts';
import { forgetRunning, noteRunning } from './running.ts';

/**
 * The demo org and the small world around it: a firewall and a reputation service on loopback, policies and a playbook
 * from policies/, sealed plugins, and a token per role. `npm start` and `npm run demo` use it.
 */
const ROOT = join(import.meta.dirname, '..', '..');
const ORG = 'demo' as OrgId;

/** Who exists in the demo org. The operator has all roles but may not approve what it caused. */
const PEOPLE: Readonly<Record<string, readonly Role[]>> = {
  operator: ['operator', 'author', 'approver', 'auditor', 'admin'],
  approver: ['approver'],
  'second-approver': ['approver'],
  pipeline: ['source'],
};

export type World = {
  readonly kernel: Running;
  readonly url: string;
  readonly tokens: Readonly<Record<string, string>>;
  readonly tokenFile: (principal: string) => string;
  readonly firewall: Awaited<ReturnType<typeof startEdgeFirewall>>;
  readonly reputation: Awaited<ReturnType<typeof startReputation>>;
  stop(): Promise<void>;
};

const PLUGINS = ['http-json', 'webhook', 'edge-firewall'];
const FIREWALL_SECRET = 'edge-firewall-token';
const FIREWALL_TOKEN = 'demo-firewall-token-0001';

/**
 * @param options `folder`: where everything is kept; `plugins`: folders of more than those of the checkout; `port`: of the kernel, 0 for a free one; `ports`: of the firewall
 *                and the reputation service, 0 for free ones.
 */
export async function startWorld(options: {
  folder: string;
  port: number;
  plugins?: readonly string[];
  ports?: { firewall: number; reputation: number };
  say?: (line: string) => void;
}): Promise<World> {
  const { folder, port, plugins = [], ports = { firewall: 0, reputation: 0 }, say = () => undefined } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await prepareAll(say);
  await prepareCells(say);
  const logFile = join(folder, 'firewall.log');
  const firewall = await startEdgeFirewall({ token: FIREWALL_TOKEN, port: ports.firewall, logFile });
  const reputation = await startReputation({ port: ports.reputation });
  /** The shipped files name the ports that `npm start` uses. */
  const here = (text: string) =>
    text
      .replaceAll(':8485', `:${new URL(firewall.url).port}`)
      .replaceAll(': 8485', `: ${new URL(firewall.url).port}`)
      .replaceAll(':8486', `:${new URL(reputation.url).port}`)
      .replaceAll(': 8486', `: ${new URL(reputation.url).port}`);

  const egress = here(await readFile(join(ROOT, 'policies/egress/demo.json'), 'utf8'));
  await writeFile(join(folder, 'egress.json'), egress);
  const config = {
    apiVersion: 'interlock/config/v1',
    data: './data',
    listen: { host: '127.0.0.1', port },
    orgs: [
      {
        id: ORG,
        guardrails: join(ROOT, 'policies/guardrails/baseline.rules.json'),
        approvals: join(ROOT, 'policies/approval/matrix.json'),
        egress: './egress.json',
        // Takes what is unsigned and unlocked: the plugins of this checkout were sealed a moment ago.
        trust: join(ROOT, 'policies/trust/demo.json'),
        plugins: [...PLUGINS.map((name) => join(ROOT, 'plugins', name)), ...plugins],
      },
    ],
  };
  await writeFile(join(folder, 'interlock.json'), `${JSON.stringify(config, null, 2)}\n`);
  const read = await readConfig(join(folder, 'interlock.json'));
  if (!read.ok) throw new Error(read.error);
  // What a first start warns of is stored a moment later.
  const started = await startKernel(read.value, (line) => void (line.includes(FIREWALL_SECRET) || say(line)));
  if (!started.ok) throw new Error(started.error);
  const { kernel } = started.value;

  const tokens: Record<string, string> = {};
  const tokenFile = (name: string) => join(folder, name === 'operator' ? 'token' : `token-${name}`);
  for (const [name, roles] of Object.entries(PEOPLE))
    tokens[name] = await tokenOf(kernel, tokenFile(name), name, roles);

  await kernel.secrets.put(as('operator'), FIREWALL_SECRET, FIREWALL_TOKEN);
  const playbook = here(await readFile(join(ROOT, 'policies/playbooks/contain-c2.yaml'), 'utf8'));
  const put = await kernel.playbooks.put(as('operator'), playbook);
  if (!put.ok) throw new Error(`the demo playbook is refused: ${JSON.stringify(put.error)}`);
  const active = await kernel.playbooks.activate(as('approver'), 'contain-c2', put.value.digest);
  if (!active.ok) throw new Error(`the demo playbook is not activated: ${active.error.kind}`);

  await noteRunning(folder, { url: started.value.url, pid: process.pid });
  return {
    kernel: started.value,
    url: started.value.url,
    tokens,
    tokenFile,
    firewall,
    reputation,
    async stop() {
      await forgetRunning(folder);
      await started.value.stop();
      await Promise.all([firewall.close(), reputation.close()]);
    },
  };
}

const as = (name: string): Principal => ({ org: ORG, id: name as PrincipalId, roles: PEOPLE[name] ?? [] });

/** Kept from one start to the next, so that a token in someone's shell goes on working. */
async function tokenOf(kernel: Running['kernel'], file: string, name: string, roles: readonly Role[]): Promise<string> {
  const known = await readFile(file, 'utf8').catch(() => '');
  if (kernel.tokens.recognise(known.trim())) return known.trim();
  const { token } = await kernel.tokens.create(ORG, 'system:demo', { id: name as PrincipalId, roles });
  await writeFile(file, `${token}\n`, { mode: 0o600 });
  return token;
}
