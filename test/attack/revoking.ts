import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf } from '../../kernel/base/digest.ts';
import { readConfig } from '../../kernel/config.ts';
import { type Running, startKernel } from '../../kernel/main.ts';
import { ROLES } from '../../kernel/org/role.ts';
import { playbook } from '../e2e/tenants-world.ts';
import type { Upstream } from '../egress/upstream.ts';
import { apiOf, cloudEvent, until } from '../support/api.ts';
import { activatePlaybook, makeKernelFolder, ruleFor, tokensFor } from '../support/org-files.ts';

const MODULE = join(import.meta.dirname, '../../plugins/http-json/dist/plugin.wasm');
const ALL = { apiVersion: 'interlock/trust/v1', unsigned: 'allow', unlocked: 'allow' };

/** A kernel whose org acme has runs that wait for an approval before they ask the target, and then revokes the module. */
export async function openRevoking(target: Upstream) {
  const to = `http://127.0.0.1:${target.port}`;
  const egress = [{ plugin: 'http-json', rules: [ruleFor(to)] }];
  const folder = await makeKernelFolder('attack', [
    { id: 'acme', plugins: ['http-json'], egress, trust: './trust.json' },
    { id: 'globex', plugins: ['http-json'], egress },
  ]);
  const trust = (more: object) => writeFile(join(folder.path, 'trust.json'), JSON.stringify({ ...ALL, ...more }));
  const start = async (): Promise<Running> => {
    const config = await readConfig(folder.config);
    const started = config.ok ? await startKernel(config.value) : config;
    if (!started.ok) throw new Error(started.error);
    return started.value;
  };
  await trust({});
  let running = await start();
  const step = `type: approval, ask: "Go on?" }\n  - { id: later, type: enrich, uses: http-json/get, with: { url: "${to}/" }`;
  await activatePlaybook(running.kernel, 'acme', playbook('look', step));
  const tokens = await tokensFor(running.kernel, 'acme', { all: ROLES, approver: ['approver'] });
  const [api, approver] = [tokens.all, tokens.approver].map((token) => apiOf(() => running.url, 'acme', token));
  if (!api || !approver) throw new Error('no tokens');
  let events = 0;
  return {
    /** Begins a run. @returns its id, once it waits. */
    async begin(): Promise<string> {
      const n = events++;
      const answer = await api.publish(cloudEvent(`e${n}`, { kind: 'look', name: `${n}`, incident: `INC-${n}` }));
      const run = answer.data.events[0]?.triggers[0]?.run;
      if (!run) throw new Error(`no run was begun: ${answer.status}`);
      await until(
        () => api.run(run),
        ({ data }) => data.state === 'waiting',
      );
      return run;
    },
    /** @returns the state in which the run ends. */
    async approve(run: string): Promise<string> {
      const { data } = await api.run(run);
      const [open] = data.approvals.filter(({ state }) => state === 'pending');
      if (open) await approver.vote(open.approval, 'approve', open.subject);
      return (await api.run(run, '15s')).data.state;
    },
    /** As an operator does it: out of the plugins of the org, into its list, and a start. */
    async revoke(): Promise<void> {
      await running.stop();
      await trust({ revoked: [{ digest: digestOf(await readFile(MODULE)), reason: 'sends too much' }] });
      const config = JSON.parse(await readFile(folder.config, 'utf8'));
      const orgs = config.orgs.map((org: { id: string }) => (org.id === 'acme' ? { ...org, plugins: [] } : org));
      await writeFile(folder.config, JSON.stringify({ ...config, orgs }));
      running = await start();
    },
    async close(): Promise<void> {
      await running.stop();
      await folder.remove();
    },
  };
}
