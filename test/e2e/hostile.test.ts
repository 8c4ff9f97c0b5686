import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Run } from '../../sdk/contract/api-run.ts';
import { hostileModule } from '../hostile/hostile-module.ts';
import { childrenOf, isAlive, peakBytes } from '../hostile/processes.ts';
import { type Reputation, startReputation } from '../service/reputation.ts';
import { type Api, apiOf, cloudEvent, until } from '../support/api.ts';
import { type KernelProcess, startKernelProcess } from '../support/kernel-process.ts';
import {
  activatePlaybook,
  type KernelFolder,
  makeKernelFolder,
  prepareKernel,
  ruleFor,
  tokensFor,
  writePlugin,
} from '../support/org-files.ts';

/**
 * Hostile plugins, installed like any other, each used by a playbook of a real kernel. The step says what happened, the
 * run ends, and whoever uses a good plugin at the same time notices nothing.
 */
const ORG = 'acme';
type Attack = {
  readonly module: string;
  /** What the plugin claims to do. */
  readonly effect: 'none' | 'read';
  readonly state: Run['state'];
  readonly step: object;
};
const text = (pattern: RegExp) => expect.stringMatching(pattern);
const failed = (errorClass: string, message: RegExp) => ({
  state: 'failed',
  error: { class: errorClass, message: text(message) },
});

const ATTACKS: readonly Attack[] = [
  { module: 'endless-loop', effect: 'none', state: 'failed', step: failed('timeout', /past its hard deadline/) },
  // These grow as long as they can; that they reply at all, and with this word, says that they met the wall.
  { module: 'memory-bomb', effect: 'none', state: 'completed', step: { state: 'succeeded', output: 'capped' } },
  { module: 'table-bomb', effect: 'none', state: 'completed', step: { state: 'succeeded', output: 'capped' } },
  { module: 'host-memory-bomb', effect: 'none', state: 'aborted', step: failed('refused_by_policy', /host memory/) },
  // Declares effect none, so that not even a granted host may be asked; and read, without a grant.
  { module: 'catch-and-continue', effect: 'none', state: 'aborted', step: failed('refused_by_policy', /E_EFFECT/) },
  {
    module: 'catch-and-continue',
    effect: 'read',
    state: 'aborted',
    step: failed('refused_by_policy', /E_IP_LITERAL/),
  },
];
const nameOf = ({ module, effect }: Attack) => `${module}-${effect}`;

const manifestOf = (attack: Attack) => ({
  apiVersion: 'interlock/plugin/v1',
  name: nameOf(attack),
  version: '1.0.0',
  title: 'A hostile plugin',
  capabilities: { http: true },
  actions: {
    attack: { title: 'Attack', effect: attack.effect, input: { type: 'object' }, output: { type: 'string' } },
  },
});
const playbook = (name: string, uses: string, more: string) => `
apiVersion: interlock/v1
kind: Playbook
name: ${name}
title: ${name}
owners: { technical: a, operational: b }
triggers: [{ id: seen, on: event, where: { fact: event, path: /use, operator: equal, value: ${name} } }]
steps: [{ id: act, type: enrich, uses: ${uses}, ${more} }]
`;

let folder: KernelFolder;
let reputation: Reputation;
let kernel: KernelProcess;
let api: Api;

beforeAll(async () => {
  reputation = await startReputation();
  const plugins = await makeKernelFolder('hostile-plugins', []);
  const folders: string[] = [];
  for (const attack of ATTACKS)
    folders.push(await writePlugin(plugins.path, manifestOf(attack), await hostileModule(attack.module)));
  folder = await makeKernelFolder('hostile', [
    {
      id: ORG,
      plugins: ['http-json', ...folders],
      egress: [{ plugin: 'http-json', rules: [ruleFor(reputation.url)] }],
    },
  ]);
  const token = await prepareKernel(folder, async (prepared) => {
    for (const attack of ATTACKS) {
      const name = nameOf(attack);
      const times = 'timeout: 400ms, retry: { attempts: 1 }';
      await activatePlaybook(
        prepared,
        ORG,
        playbook(name, `${name}/attack`, attack.module === 'endless-loop' ? times : ''),
      );
    }
    const url = `"${reputation.url}/v1/reputation/203.0.113.9"`;
    await activatePlaybook(prepared, ORG, playbook('good', 'http-json/get', `with: { url: ${url} }`));
    return (await tokensFor(prepared, ORG, { operator: ['operator'] })).operator;
  });
  kernel = startKernelProcess(folder.config);
  api = apiOf(await kernel.listening, ORG, token);
  await plugins.remove();
});
afterAll(async () => {
  await kernel?.end();
  await reputation?.close();
  await folder?.remove();
});

let count = 0;
const start = async (name: string): Promise<string> => {
  const answer = await api.publish(cloudEvent(`hostile-${++count}`, { use: name }));
  return answer.data.events[0]?.triggers.find((one) => one.run)?.run ?? '';
};
const endOf = async (run: string): Promise<Run> => (await api.run(run, '20s')).data;
const use = async (name: string) => endOf(await start(name));
const GOOD = { state: 'completed', steps: [{ state: 'succeeded', output: { body: { score: 95 } } }] };

describe('a hostile plugin', () => {
  it.each(ATTACKS.map((attack) => [nameOf(attack), attack] as const))('%s is contained', async (name, attack) => {
    // The good plugin is used before, beside and after it.
    const beside = [await start('good'), await start(name), await start('good')];
    const [before, end, meanwhile] = await Promise.all(beside.map(endOf));
    expect(end).toMatchObject({ state: attack.state, steps: [attack.step] });
    expect(before).toMatchObject(GOOD);
    expect(meanwhile).toMatchObject(GOOD);
    expect(await use('good')).toMatchObject(GOOD);
    expect((await api.ask('GET', '/healthz')).status).toBe(200);
  });

  it('that kills cell after cell is put in quarantine, and the others go on', { timeout: 60_000 }, async () => {
    const name = 'endless-loop-none';
    const seen = await until(
      async () => {
        const [attack, good] = await Promise.all([use(name), use('good')]);
        expect(good).toMatchObject(GOOD);
        return attack.steps[0]?.error;
      },
      (error) => error?.class === 'refused_by_policy',
      50_000,
    );
    expect(seen?.message).toMatch(/quarantine until .* killed 5 cells/);
    expect(await use('good')).toMatchObject(GOOD);
  });

  it('and all of them at once, again and again, leave the kernel small and quick', { timeout: 60_000 }, async () => {
    const names = ATTACKS.map(nameOf);
    const runs: string[] = [];
    for (let round = 0; round < 8; round++) for (const name of [...names, 'good']) runs.push(await start(name));
    const ends = await Promise.all(runs.map(endOf));
    const good = ends.filter((run) => run.playbook === 'good');
    expect(good).toHaveLength(8);
    for (const run of good) expect(run).toMatchObject(GOOD);
    expect(ends.filter((run) => run.endedAt === null)).toEqual([]);

    expect(isAlive(kernel.pid)).toBe(true);
    expect(peakBytes(kernel.pid)).toBeLessThan(400e6);
    const cells = childrenOf(kernel.pid).filter(isAlive);
    expect(cells.length).toBeGreaterThan(0);
    for (const pid of cells) expect(peakBytes(pid)).toBeLessThan(400e6);
    // Nothing hostile was said in the kernel's own voice.
    expect(kernel.said()).not.toMatch(/defect|got away with it/);
    expect(readFileSync(`/proc/${kernel.pid}/status`, 'utf8')).toContain('State:');
  });
});
