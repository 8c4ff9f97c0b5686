import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import type { OrgId, PrincipalId } from '../../kernel/base/id.ts';
import { readConfig } from '../../kernel/config.ts';
import type { Kernel } from '../../kernel/flow/kernel.ts';
import { startKernel } from '../../kernel/main.ts';
import type { Principal } from '../../kernel/org/principal.ts';
import type { Role } from '../../kernel/org/role.ts';
import type { EgressPolicy } from '../../sdk/contract/egress.ts';
import type { LifecyclePolicy } from '../../sdk/contract/lifecycle-policy.ts';

/**
 * The folder of a kernel: configuration, policies, data. The shipped policies are used where a test does not bring its
 * own, so that what is tested is what is shipped.
 */
export type OrgFiles = {
  readonly id: string;
  /** Folders of plugins; a bare name is one of `plugins/`. */
  readonly plugins: readonly string[];
  readonly egress: readonly Grant[];
  /** File of the trust policy; without it the one of the demo, which takes what is unsigned and unlocked. */
  readonly trust?: string;
  /** Replaces parts of the shipped approval matrix, by tier. */
  readonly approvals?: Readonly<Record<string, unknown>>;
  /** Failures in a row after which a connector is left alone; without it as shipped. */
  readonly breakerFailures?: number;
  /** Calls of single connectors at a time; without it as shipped. */
  readonly concurrency?: Readonly<Record<string, number>>;
  readonly proxy?: EgressPolicy['proxy'];
  /** Providers of the secrets policy; without it there is none. */
  readonly providers?: readonly unknown[];
  /** Where lifecycle events are sent. */
  readonly webhooks?: readonly LifecyclePolicy['webhooks'][number][];
};

export type Grant = {
  readonly plugin: string;
  readonly mode?: 'report';
  readonly settings?: Readonly<Record<string, string>>;
  readonly rules: readonly EgressPolicy['grants'][number]['rules'][number][];
};

export type KernelFolder = {
  readonly path: string;
  readonly config: string;
  readonly data: string;
  remove(): Promise<void>;
};

const ROOT = join(import.meta.dirname, '..', '..');

/** @param more further keys of the configuration. */
export async function makeKernelFolder(
  name: string,
  orgs: readonly OrgFiles[],
  more: Readonly<Record<string, unknown>> = {},
): Promise<KernelFolder> {
  const path = await mkdtemp(join(tmpdir(), `interlock-${name}-`));
  const listed = [];
  for (const org of orgs) {
    const own = (file: string) => join(path, `${org.id}-${file}.json`);
    await writeFile(
      own('egress'),
      JSON.stringify({ apiVersion: 'interlock/egress/v1', proxy: org.proxy, grants: org.egress }),
    );
    const matrix = JSON.parse(await readFile(join(ROOT, 'policies/approval/matrix.json'), 'utf8'));
    await writeFile(own('approvals'), JSON.stringify({ ...matrix, tiers: { ...matrix.tiers, ...org.approvals } }));
    if (org.webhooks)
      await writeFile(
        own('lifecycle'),
        JSON.stringify({ apiVersion: 'interlock/lifecycle/v1', webhooks: org.webhooks }),
      );
    const execution = JSON.parse(await readFile(join(ROOT, 'policies/execution/default.json'), 'utf8'));
    const breaker = { ...execution.breaker, ...(org.breakerFailures && { failures: org.breakerFailures }) };
    const concurrency = { ...execution.concurrency, ...(org.concurrency && { connectors: org.concurrency }) };
    // Health is checked when a test asks: what it finds at a target and on the record is of its own making.
    const health = { ...execution.health, every: 'off' };
    await writeFile(own('execution'), JSON.stringify({ ...execution, breaker, concurrency, health }));
    if (org.providers)
      await writeFile(own('secrets'), JSON.stringify({ apiVersion: 'interlock/secrets/v1', providers: org.providers }));
    listed.push({
      id: org.id,
      guardrails: join(ROOT, 'policies/guardrails/baseline.rules.json'),
      approvals: own('approvals'),
      egress: own('egress'),
      ...(org.providers && { secrets: own('secrets') }),
      trust: org.trust ?? join(ROOT, 'policies/trust/demo.json'),
      ...(org.webhooks && { lifecycle: own('lifecycle') }),
      execution: own('execution'),
      plugins: org.plugins.map((plugin) => (plugin.includes('/') ? plugin : join(ROOT, 'plugins', plugin))),
    });
  }
  const config = join(path, 'interlock.json');
  const listen = { host: '127.0.0.1', port: 0 };
  await writeFile(
    config,
    JSON.stringify({ apiVersion: 'interlock/config/v1', data: './data', listen, orgs: listed, ...more }),
  );
  return { path, config, data: join(path, 'data'), remove: () => rm(path, { recursive: true, force: true }) };
}

/**
 * A copy of a plugin, by its folder or the name of one of `plugins/`, as its build leaves it. What else lies in its `dist`, such as the signature of who works
 * here, stays behind: no test depends on it.
 */
export async function copyPlugin(name: string, to: string): Promise<void> {
  const from = resolve(ROOT, 'plugins', name);
  const built = ['plugin.wasm', 'plugin.json'];
  const isIts = (file: string) => dirname(file) !== join(from, 'dist') || built.includes(basename(file));
  await cp(from, to, { recursive: true, filter: isIts });
}

/** A plugin folder as `interlock plugin build` leaves it, for a module that was made otherwise. */
export async function writePlugin(
  folder: string,
  manifest: { readonly name: string; readonly [key: string]: unknown },
  wasm: Uint8Array,
): Promise<string> {
  const path = join(folder, 'plugins', manifest.name);
  await mkdir(join(path, 'dist'), { recursive: true });
  await writeFile(join(path, 'manifest.json'), JSON.stringify(manifest));
  await writeFile(join(path, 'dist/plugin.wasm'), wasm);
  return path;
}

/** A grant for one address on loopback. */
export function ruleFor(url: string, more: Partial<Grant['rules'][number]> = {}): Grant['rules'][number] {
  const { hostname, port } = new URL(url);
  return {
    scheme: 'http',
    host: hostname,
    port: Number(port),
    methods: ['GET', 'POST', 'DELETE'],
    pathPrefix: '/',
    addresses: ['127.0.0.1/32'],
    ...more,
  };
}

/**
 * What has to be there before the first request: tokens above all. A kernel is started in this process on the same
 * folder, does `work`, and is stopped.
 */
export async function prepareKernel<T>(folder: KernelFolder, work: (kernel: Kernel) => Promise<T>): Promise<T> {
  const config = await readConfig(folder.config);
  const running = config.ok ? await startKernel(config.value) : config;
  if (!running.ok) throw new Error(running.error);
  try {
    return await work(running.value.kernel);
  } finally {
    await running.value.stop();
  }
}

export const personOf = (org: string, id: string, roles: readonly Role[]): Principal => ({
  org: org as OrgId,
  id: id as PrincipalId,
  roles,
});

/** A token for each of the people. */
export async function tokensFor<P extends string>(
  kernel: Kernel,
  org: string,
  people: Readonly<Record<P, readonly Role[]>>,
): Promise<Readonly<Record<P, string>>> {
  const tokens: Partial<Record<P, string>> = {};
  for (const [name, roles] of Object.entries(people) as [P, readonly Role[]][]) {
    const holder = { id: name as unknown as PrincipalId, roles };
    tokens[name] = (await kernel.tokens.create(org as OrgId, 'system:test', holder)).token;
  }
  return tokens as Record<P, string>;
}

/** Stores a playbook and makes it the active one. */
export async function activatePlaybook(kernel: Kernel, org: string, text: string): Promise<void> {
  const put = await kernel.playbooks.put(personOf(org, 'author', ['author']), text);
  if (!put.ok) throw new Error(`the playbook is refused: ${JSON.stringify(put.error)}`);
  const by = personOf(org, 'second-author', ['approver']);
  const active = await kernel.playbooks.activate(by, put.value.name, put.value.digest);
  if (!active.ok) throw new Error(`the playbook is not activated: ${JSON.stringify(active.error)}`);
}
