import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dieWithParent } from '../../kernel/adapter/extism/cell-command.ts';
import type { Run } from '../../sdk/contract/api-run.ts';
import type { PluginManifest } from '../../sdk/contract/plugin.ts';
import { openUpstream, type Upstream } from '../egress/upstream.ts';
import { hostileModule } from '../hostile/hostile-module.ts';
import { cellsOf, isAlive, peakBytes, processorMs } from '../hostile/processes.ts';
import { type Api, apiOf, cloudEvent, until, verifyExport } from '../support/api.ts';
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
 * One org has installed nothing but hostile plugins, another one lives beside it in the same kernel. Every attack ends
 * its own step with an error that says what happened; the kernel and the neighbour do not notice.
 */
type Attack = {
  /** Of the plugin and of the playbook that uses it. */
  readonly name: string;
  /** In `test/hostile/modules/`. */
  readonly module: string;
  readonly effect?: 'none' | 'read';
  /** What fits only where the attack went through. */
  readonly output?: Readonly<Record<string, unknown>>;
  /** More about the step. */
  readonly step?: string;
  readonly error: { readonly class: string; readonly message: RegExp };
};

/** The module replies how far it came: `capped` does not fit. */
const GOT_BEYOND = { const: 'beyond' };
const CAPPED = { class: 'internal', message: /output does not fit the action's schema at \/const/ };
/** Nothing but a deadline ends these. */
const BRIEF = 'timeout: 100ms, retry: { attempts: 1 }';
const HOST_MEMORY = { class: 'refused_by_policy', message: /host memory/ };

const ATTACKS: readonly Attack[] = [
  { name: 'endless-loop', module: 'endless-loop', step: BRIEF, error: { class: 'timeout', message: /hard deadline/ } },
  { name: 'start-spin', module: 'start-spin', step: BRIEF, error: { class: 'timeout', message: /hard deadline/ } },
  { name: 'polling-loop', module: 'polling-loop', step: BRIEF, error: { class: 'timeout', message: /soft deadline/ } },
  { name: 'memory-bomb', module: 'memory-bomb', output: GOT_BEYOND, error: CAPPED },
  { name: 'table-bomb', module: 'table-bomb', output: GOT_BEYOND, error: CAPPED },
  { name: 'host-memory-bomb', module: 'host-memory-bomb', error: HOST_MEMORY },
  { name: 'tiny-allocations', module: 'tiny-allocations', error: HOST_MEMORY },
  {
    name: 'catch-and-continue',
    module: 'catch-and-continue',
    effect: 'read',
    error: { class: 'refused_by_policy', message: /^E_IP_LITERAL: / },
  },
  {
    name: 'catch-without-effect',
    module: 'catch-and-continue',
    error: { class: 'refused_by_policy', message: /^E_EFFECT: / },
  },
  { name: 'recursion', module: 'recursion', error: { class: 'internal', message: /recursed/ } },
  { name: 'foreign-read', module: 'foreign-read', error: { class: 'internal', message: /outside its host memory/ } },
  { name: 'huge-output', module: 'huge-output', error: { class: 'refused_by_policy', message: /reply has more than/ } },
  { name: 'log-bomb', module: 'log-bomb', error: { class: 'refused_by_policy', message: /more log than/ } },
];

/** Installed apart from the others, because what is held against a module is held against all its runs. */
const AGAIN: Attack = {
  name: 'again-and-again',
  module: 'endless-loop',
  step: 'timeout: 10ms, retry: { attempts: 10, backoff: 250ms..1s }',
  error: { class: 'refused_by_policy', message: /quarantine/ },
};
/** Of the time that this test takes nothing ends these but a cancellation, or the end of the kernel. */
const SPIN = { name: 'spin', module: 'endless-loop', step: 'timeout: 5m, retry: { attempts: 1 }' };
const INSTALLED = [...ATTACKS, AGAIN, SPIN];

const manifestOf = ({ name, effect = 'none', output = {} }: Omit<Attack, 'error'>): PluginManifest => ({
  apiVersion: 'interlock/plugin/v1',
  name,
  version: '1.0.0',
  title: 'Hostile',
  // The modules import it all the same: a manifest that said otherwise would be refused at admission.
  capabilities: { http: true, secrets: [] },
  actions: { go: { title: 'Go', effect, idempotent: 'no', plan: false, rollback: false, input: {}, output } },
});
const playbook = (name: string, step: string) => `
apiVersion: interlock/v1
kind: Playbook
name: ${name}
title: ${name}
owners: { technical: a, operational: b }
triggers: [{ id: seen, on: event, where: { fact: event, path: /use, operator: equal, value: ${name} } }]
steps: [{ id: act, type: enrich, ${step} }]
`;

let pluginFolder: string;
let folder: KernelFolder;
let upstream: Upstream;
let kernel: KernelProcess;
let url: string;
let tokens: { readonly hostile: string; readonly neighbour: string };
let hostile: Api;
let neighbour: Api;
let again: string;
/** Cells of the kernel just before its end. Survivors are ended with the test: they would spin for good. */
let lastCells: readonly number[] = [];
const health = new Map<number, number>();
let isOver = false;
let watch: Promise<void>;

async function startKernel() {
  kernel = startKernelProcess(folder.config);
  url = await kernel.listening;
}

/** Asks again and again, until all is over. A kernel that does not answer counts as 0. */
async function watchHealth() {
  while (!isOver) {
    const asked = fetch(`${url}/healthz`, { signal: AbortSignal.timeout(10_000) });
    const status = await asked.then((answer) => answer.text().then(() => answer.status)).catch(() => 0);
    if (!isOver) health.set(status, (health.get(status) ?? 0) + 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

let sent = 0;
async function start(api: Api, use: string): Promise<string> {
  const answer = await api.publish(cloudEvent(`event-${++sent}`, { use }));
  const run = answer.data?.events[0]?.triggers.find((trigger) => trigger.run !== null)?.run;
  if (!run) throw new Error(answer.text);
  return run;
}

async function ended(api: Api, id: string): Promise<Run> {
  const answered = await until(
    () => api.run(id, '10s'),
    ({ data }) => data.endedAt !== null,
    40_000,
  );
  return answered.data;
}

/** The neighbour's plugin is a shipped one: it asks a service and gets its answer. */
async function neighbourIsServed() {
  const run = await ended(neighbour, await start(neighbour, 'ask'));
  expect(run).toMatchObject({ state: 'completed', steps: [{ output: { status: 200, body: { ok: true } } }] });
}

/** Cells that use the processor: a module spins in them. */
async function spinningCells(): Promise<readonly number[]> {
  const before = new Map(cellsOf(kernel.pid).map((pid) => [pid, processorMs(pid)]));
  await new Promise((resolve) => setTimeout(resolve, 150));
  return cellsOf(kernel.pid).filter((pid) => processorMs(pid) > (before.get(pid) ?? Number.POSITIVE_INFINITY));
}

beforeAll(async () => {
  upstream = await openUpstream();
  pluginFolder = await mkdtemp(join(tmpdir(), 'interlock-hostile-plugins-'));
  const grants = [ruleFor(`http://127.0.0.1:${upstream.port}`)];
  const plugins = INSTALLED.map(async (attack) =>
    writePlugin(pluginFolder, manifestOf(attack), await hostileModule(attack.module)),
  );
  folder = await makeKernelFolder('hostile', [
    {
      id: 'hostile',
      plugins: await Promise.all(plugins),
      egress: [{ plugin: 'catch-and-continue', rules: grants }],
    },
    { id: 'neighbour', plugins: ['http-json'], egress: [{ plugin: 'http-json', rules: grants }] },
  ]);
  tokens = await prepareKernel(folder, async (prepared) => {
    for (const { name, step = 'timeout: 10s, retry: { attempts: 1 }' } of INSTALLED)
      await activatePlaybook(prepared, 'hostile', playbook(name, `uses: ${name}/go, ${step}`));
    const ask = `uses: http-json/get, with: { url: "http://127.0.0.1:${upstream.port}/" }, timeout: 20s`;
    await activatePlaybook(prepared, 'neighbour', playbook('ask', ask));
    const people = { someone: ['operator', 'auditor'] } as const;
    return {
      hostile: (await tokensFor(prepared, 'hostile', people)).someone,
      neighbour: (await tokensFor(prepared, 'neighbour', people)).someone,
    };
  });
  await startKernel();
  hostile = apiOf(() => url, 'hostile', tokens.hostile);
  neighbour = apiOf(() => url, 'neighbour', tokens.neighbour);
  watch = watchHealth();
  again = await start(hostile, AGAIN.name);
});
afterAll(async () => {
  isOver = true;
  await kernel?.end();
  for (const pid of lastCells.filter(isAlive)) process.kill(pid, 'SIGKILL');
  await watch;
  await upstream?.close();
  await folder?.remove();
  if (pluginFolder) await rm(pluginFolder, { recursive: true, force: true });
});

describe('an attack ends its own step', () => {
  const runs = new Map<string, string>();
  beforeAll(async () => {
    for (const { name } of ATTACKS) runs.set(name, await start(hostile, name));
    await neighbourIsServed();
  });

  it.each(ATTACKS)('$name: $error.class', async ({ name, error }) => {
    const run = await ended(hostile, runs.get(name) ?? '');
    const isRefused = error.class === 'refused_by_policy';
    expect(run).toMatchObject({
      state: isRefused ? 'aborted' : 'failed',
      reason: isRefused ? 'refused-by-policy' : 'step-failed',
      closure: 'closed',
      steps: [
        {
          state: 'failed',
          output: null,
          attempts: [{ number: 1, end: 'failed' }],
          error: { class: error.class, message: expect.stringMatching(error.message) },
        },
      ],
    });
  });

  it('and the neighbour is served as before', neighbourIsServed);

  it('again and again, with the neighbour between', async () => {
    const ending = ATTACKS.filter(({ error }) => error.class !== 'timeout');
    const round = async () => {
      const started = await Promise.all(ending.map(({ name }) => start(hostile, name)));
      await neighbourIsServed();
      return Promise.all(started.map((id) => ended(hostile, id)));
    };
    for (let i = 0; i < 6; i++)
      expect((await round()).map(({ steps }) => steps[0]?.error?.class)).toEqual(
        ending.map(({ error }) => error.class),
      );
  });
});

describe('modules that never end', () => {
  const spinning: string[] = [];

  it('do not keep the neighbour from being served while they run', async () => {
    // As many as there are cells kept ready. Calls get their cells in order, so these have theirs first.
    for (let i = 0; i < 2; i++) spinning.push(await start(hostile, SPIN.name));
    for (let i = 0; i < 2; i++) await neighbourIsServed();
    await until(spinningCells, (cells) => cells.length >= 2);
    for (const id of spinning)
      expect((await hostile.run(id)).data).toMatchObject({ state: 'running', steps: [{ state: 'intended' }] });
  });

  it('end at once when a person cancels the run', async () => {
    for (const id of spinning) {
      expect((await hostile.post(`/runs/${id}/cancel`, { reason: 'it spins' })).status).toBe(200);
      expect((await ended(hostile, id)).state).toBe('cancelled');
    }
    // The other module that never ends may still be at it; it has a short deadline.
    await until(spinningCells, (cells) => cells.length === 0);
    await neighbourIsServed();
  });

  it('are put in quarantine when they killed cells again and again', async () => {
    const [step] = (await ended(hostile, again)).steps;
    expect(step).toMatchObject({ state: 'failed', error: { class: AGAIN.error.class } });
    expect(step?.error?.message).toMatch(AGAIN.error.message);
    const classes = step?.attempts.map(({ error }) => error?.class) ?? [];
    expect(classes.filter((one) => one === 'timeout')).toHaveLength(5);
    // From then on it is refused before it has a cell.
    const next = await ended(hostile, await start(hostile, AGAIN.name));
    expect(next).toMatchObject({
      state: 'aborted',
      steps: [{ attempts: [{ error: { class: 'refused_by_policy' } }] }],
    });
    // Whoever runs the kernel, the org's record and its feed are told.
    expect(next.steps[0]?.error?.message).toMatch(AGAIN.error.message);
    expect(kernel.said()).toMatch(/plugin again-and-again of org hostile killed its cells again and again/);
    const feed = await hostile.get<{ type: string; subject: string }[]>('/lifecycle?type=interlock.plugin.quarantined');
    expect(feed.data?.map(({ subject }) => subject)).toEqual([AGAIN.name]);
  });
});

describe('the kernel', () => {
  it('was well all the time, and stayed small', () => {
    expect([...health.keys()]).toEqual([200]);
    expect(health.get(200)).toBeGreaterThan(20);
    expect(peakBytes(kernel.pid)).toBeLessThan(400e6);
    const cells = cellsOf(kernel.pid);
    expect(cells.length).toBeGreaterThan(0);
    expect(cells.length).toBeLessThanOrEqual(8);
    expect(Math.max(...cells.map(peakBytes))).toBeLessThan(300e6);
    expect(kernel.said()).not.toMatch(/defect|got away with it/);
  });

  it('has every attack on a record that is whole', async () => {
    const { verdict, records } = await verifyExport(hostile, join(folder.path, 'bundle'));
    expect(verdict).toMatchObject({ verdict: 'valid', findings: [] });
    const failures = records().filter(({ kind }) => kind === 'step.failed');
    const told = new Set(failures.map(({ outcome }) => outcome));
    // `unavailable` are those that a person cancelled: they only read, so nothing about them is unknown.
    expect([...told].sort()).toEqual(['internal', 'refused_by_policy', 'timeout', 'unavailable']);
    expect(failures.length).toBeGreaterThanOrEqual(ATTACKS.length);
  });

  it('leaves no cell behind when it is stopped, whatever runs in it', async () => {
    await start(hostile, SPIN.name);
    await until(spinningCells, (cells) => cells.length > 0);
    lastCells = cellsOf(kernel.pid);
    isOver = true;
    expect(await kernel.end('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(lastCells.filter(isAlive)).toEqual([]);
  });

  it.runIf(dieWithParent().length > 0)('nor when it is killed', async () => {
    await startKernel();
    // The call that the stop cut off is open on the record, and is taken up.
    await until(spinningCells, (cells) => cells.length > 0);
    lastCells = cellsOf(kernel.pid);
    await kernel.end('SIGKILL');
    await until(
      async () => lastCells.filter(isAlive),
      (alive) => alive.length === 0,
    );
  });
});
