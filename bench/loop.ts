import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readConfig } from '../kernel/config.ts';
import type { Kernel } from '../kernel/flow/kernel.ts';
import { startKernel } from '../kernel/main.ts';
import type { Bench } from './bench.ts';
import { type Figure, figure } from './figure.ts';
import { as, policyFiles } from './site.ts';

/**
 * How long one run holds the event loop: the longest stretch of the kernel's main thread in which nobody else has a turn,
 * in CPU time, so that other work on the machine is not in it. In this process, with the record on disk. The runs
 * are as large as a run may be and wait for nothing: long lanes of branches, and blocks that repeat within a foreach.
 */
const ORG = 'bench';
const branch = (id: string, to: string) =>
  `{ id: ${id}, type: branch, when: { fact: inputs, path: /list/0, operator: equal, value: 1 }, then: ${to}, else: ${to} }`;
const PER_LANE = 126;
const LANES = Array.from({ length: PER_LANE }, (_, n) => branch(`b${n}`, n < PER_LANE - 1 ? `b${n + 1}` : 'end')).map(
  (step) => `      - ${step}`,
);
const each = (steps: string) => `  - id: each
    type: foreach
    over: "{{ inputs.list }}"
    limit: 256
    concurrency: 32
    steps:
${steps}`;
const repeat = `      - id: poll
        type: repeat
        until: { fact: inputs, path: /list/0, operator: equal, value: 0 }
        times: 16
        onFailure: continue
        steps: [ ${branch('look', 'end')} ]`;

/** What is repeated in how many lanes, and the step runs that this makes. */
const RUNS = [
  { name: 'lanes', steps: each(LANES.join('\n')), items: 8, makes: 8 * PER_LANE + 1 },
  { name: 'rounds', steps: each(repeat), items: 24, makes: 24 * 17 + 1 },
] as const;

const textOf = ({ name, steps }: (typeof RUNS)[number]) => `apiVersion: interlock/v1
kind: Playbook
name: ${name}
title: As large as a run may be
owners: { technical: bench, operational: bench }
triggers: [{ id: seen, on: event, where: { fact: event, path: /kind, operator: equal, value: ${name} } }]
inputs: { list: /list }
steps:
${steps}
`;

export async function benchLoop({ plan, folder, say }: Bench): Promise<Figure[]> {
  say('loop: runs as large as a run may be, in this process');
  const running = await start(join(folder, 'loop'));
  const { kernel } = running;
  try {
    const figures: Figure[] = [];
    for (const run of RUNS) {
      await activate(kernel, run);
      const rounds: number[] = [];
      // The first warms the compilers.
      for (let round = 0; round <= plan.loop.rounds; round++) rounds.push(await stretchOf(kernel, run, round));
      figures.push(figure(`loop.${run.name}_ms`, 'ms', 'lower', rounds.slice(1)));
    }
    return figures;
  } finally {
    await running.stop();
  }
}

async function start(folder: string) {
  await mkdir(folder, { recursive: true });
  const egress = join(folder, 'egress.json');
  await writeFile(egress, JSON.stringify({ apiVersion: 'interlock/egress/v1', grants: [] }));
  const configFile = join(folder, 'interlock.json');
  const orgs = [{ id: ORG, ...policyFiles, egress, plugins: [] }];
  const listen = { host: '127.0.0.1', port: 0 };
  await writeFile(configFile, JSON.stringify({ apiVersion: 'interlock/config/v1', data: './data', listen, orgs }));
  const config = await readConfig(configFile);
  const started = config.ok ? await startKernel(config.value) : config;
  if (!started.ok) throw new Error(started.error);
  return started.value;
}

async function activate(kernel: Kernel, run: (typeof RUNS)[number]): Promise<void> {
  const put = await kernel.playbooks.put(as(ORG, 'bench-author', ['author']), textOf(run));
  if (!put.ok) throw new Error(`the playbook of the bench is refused: ${JSON.stringify(put.error)}`);
  const active = await kernel.playbooks.activate(as(ORG, 'bench-approver', ['approver']), run.name, put.value.digest);
  if (!active.ok) throw new Error(`the playbook of the bench is not activated: ${active.error.kind}`);
}

/** @returns the longest stretch, in milliseconds, between the event and the end of its run. */
async function stretchOf(
  kernel: Kernel,
  { name, items, makes }: (typeof RUNS)[number],
  round: number,
): Promise<number> {
  const sender = as(ORG, 'bench-driver', ['source']);
  let longest = 0;
  let last = cpuMs();
  const look = () => {
    const now = cpuMs();
    longest = Math.max(longest, now - last);
    last = now;
    next = setImmediate(look);
  };
  let next = setImmediate(look);
  try {
    const taken = await kernel.ingest(sender, {
      source: 'urn:example:bench',
      sourceId: `${name}-${round}`,
      type: 'example.bench',
      subject: null,
      time: null,
      receivedFormat: 'ocsf',
      traceparent: null,
      data: { kind: name, list: Array.from({ length: items }, () => 1) },
    });
    const started = taken.ok ? taken.value.triggers.find(({ run }) => run !== null)?.run : undefined;
    const run = started ? await kernel.waitForRun(sender.org, started, PATIENCE_MS) : null;
    if (run?.state !== 'completed' || Object.keys(run.steps).length !== makes)
      throw new Error(`a run of ${name} did not complete with its ${makes} step runs`);
    return longest;
  } finally {
    clearImmediate(next);
  }
}
const PATIENCE_MS = 60_000;

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
