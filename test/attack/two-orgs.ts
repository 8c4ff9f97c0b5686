import { readConfig } from '../../kernel/config.ts';
import { startKernel } from '../../kernel/main.ts';
import { ROLES } from '../../kernel/org/role.ts';
import { playbook } from '../e2e/tenants-world.ts';
import type { Upstream } from '../egress/upstream.ts';
import { apiOf, cloudEvent } from '../support/api.ts';
import { activatePlaybook, makeKernelFolder, ruleFor, tokensFor } from '../support/org-files.ts';

/** A whole kernel in this process with the orgs acme and globex, whose connectors `http-json` and `webhook` may ask one target. */
export async function openTwoOrgs(target: Upstream, concurrency: Readonly<Record<string, number>>) {
  const to = `http://127.0.0.1:${target.port}`;
  const plugins = ['http-json', 'webhook'];
  const egress = plugins.map((plugin) => ({ plugin, rules: [ruleFor(to)] }));
  const orgs = ['acme', 'globex'] as const;
  const folder = await makeKernelFolder(
    'attack',
    orgs.map((id) => ({ id, plugins, egress, concurrency })),
  );
  const config = await readConfig(folder.config);
  const running = config.ok ? await startKernel(config.value) : config;
  if (!running.ok) throw new Error(running.error);
  const { kernel, url, stop } = running.value;
  const apis = new Map<string, ReturnType<typeof apiOf>>();
  for (const org of orgs) {
    const name = '{{ inputs.name }}';
    const steps = {
      get: `type: enrich, uses: http-json/get, timeout: 10m, with: { url: "${to}/${name}" }`,
      post: `type: webhook, uses: webhook/post, with: { url: "${to}/${name}", payload: {} }`,
    };
    for (const [kind, step] of Object.entries(steps)) await activatePlaybook(kernel, org, playbook(kind, step));
    apis.set(org, apiOf(url, org, (await tokensFor(kernel, org, { all: ROLES })).all));
  }
  let events = 0;
  return {
    /** Begins a run that asks the target for `/NAME` by the connector. @returns the state in which it ends, or is after 20 s. */
    async begin(org: (typeof orgs)[number], kind: 'get' | 'post', name: string): Promise<() => Promise<string>> {
      const api = apis.get(org);
      const answer = await api?.publish(cloudEvent(`e${events++}`, { kind, name, incident: `INC-${name}` }));
      const run = answer?.data.events[0]?.triggers.find((one) => one.playbook === kind)?.run;
      if (!api || !run) throw new Error(`no run was begun: ${answer?.status}`);
      return async () => (await api.run(run, '15s')).data.state;
    },
    async close(): Promise<void> {
      await stop();
      await folder.remove();
    },
  };
}
