import { globSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { parse } from 'yaml';
import { openCellHost } from '../../kernel/adapter/extism/cell-host.ts';
import { openModuleStore } from '../../kernel/adapter/file/module-store.ts';
import { openSecretStore } from '../../kernel/adapter/file/secret-store.ts';
import { openManualClock } from '../../kernel/adapter/memory/clock.ts';
import { openSystemEntropy } from '../../kernel/adapter/system/clock.ts';
import { openEgressClient } from '../../kernel/adapter/undici/egress-client.ts';
import type { OrgId, RunId } from '../../kernel/base/id.ts';
import { readOrg } from '../../kernel/config.ts';
import type { Kernel } from '../../kernel/flow/kernel.ts';
import { openKernel } from '../../kernel/flow/open-kernel.ts';
import { toGraph } from '../../kernel/playbook/compile.ts';
import type { Graph } from '../../kernel/playbook/graph.ts';
import { PlaybookSchema } from '../../kernel/playbook/schema.ts';
import type { CellHost } from '../../kernel/port/cell-host.ts';
import type { EgressClient } from '../../kernel/port/egress.ts';
import { nextDue } from '../../kernel/run/open-work.ts';
import type { Run } from '../../kernel/run/state.ts';
import type { NormalEvent } from '../../kernel/trigger/event.ts';
import { sealedCodeDigest } from '../../sdk/build/base.ts';
import type { Condition, Rule } from '../../sdk/contract/rule.ts';
import { startEdgeFirewall } from '../service/edge-firewall.ts';
import { startReputation } from '../service/reputation.ts';
import { activatePlaybook, personOf } from '../support/org-files.ts';
import { type Disk, type DiskOptions, openDisk } from './disk.ts';

/**
 * Every playbook of policies/playbooks on the policies that are shipped with it, with real plugins in real cells, a real
 * record, real sockets, and the services that the demo has. Time is a test's own, so that no wait takes any.
 */
const ROOT = join(import.meta.dirname, '..', '..');
const ORG = 'acme' as OrgId;
const FIREWALL_TOKEN = 'shipped-firewall-token-0001';
/** Ports that the shipped files name, and what stands there. */
const SERVICES = { firewall: 8485, reputation: 8486 } as const;

export type Shipped = { readonly name: string; readonly text: string; readonly graph: Graph };

/** @param here puts the addresses of the services into a shipped text. */
function shippedPlaybooks(here: (text: string) => string): readonly Shipped[] {
  return globSync('policies/playbooks/*.yaml', { cwd: ROOT })
    .sort()
    .map((file) => {
      const text = here(readFileSync(join(ROOT, file), 'utf8'));
      const playbook = v.parse(PlaybookSchema, parse(text));
      return { name: playbook.name, text, graph: toGraph(playbook) };
    });
}

/** An event that the first trigger of the playbook matches; every other input, and whatever is required, is the address. */
export function eventFor({ text, name }: Shipped, ip: string, id: string): NormalEvent {
  const playbook = v.parse(PlaybookSchema, parse(text));
  const trigger = playbook.triggers.find(({ on }) => on === 'event');
  if (trigger?.on !== 'event') throw new Error(`${name} has no trigger on events`);
  const data: Record<string, unknown> = {};
  const paths = [...Object.values(playbook.inputs), ...(trigger.requires ?? [])];
  for (const path of paths) put(data, path, ip);
  for (const { path, operator, value } of conditionsOf(trigger.where)) put(data, path ?? '', meeting(operator, value));
  const envelope = { receivedFormat: 'cloudevent', source: 'urn:test', type: 'test', subject: null, time: null };
  return { ...envelope, sourceId: id, traceparent: null, data } as unknown as NormalEvent;
}

/** Those that are to be true, and are about the event. */
function conditionsOf(rule: Rule): readonly Condition[] {
  if ('all' in rule) return rule.all.flatMap(conditionsOf);
  if ('any' in rule) return rule.any.slice(0, 1).flatMap(conditionsOf);
  if ('not' in rule) return [];
  return rule.fact === 'event' ? [rule] : [];
}

function meeting(operator: string, value: unknown): unknown {
  if (operator === 'contains') return [value];
  if (operator === 'in') return (value as readonly unknown[])[0];
  if (operator === 'greaterThan') return (value as number) + 1;
  if (operator === 'lessThan') return (value as number) - 1;
  if (operator === 'inCidr') return String((value as readonly string[])[0]).split('/')[0];
  if (operator === 'equal' || operator.endsWith('Inclusive')) return value;
  return 'something else';
}

/** Sets what a JSON Pointer names; a number in it makes a list. */
function put(data: Record<string, unknown>, pointer: string, value: unknown): void {
  const parts = pointer.split('/').slice(1);
  let at = data as Record<string, unknown>;
  for (const [index, part] of parts.entries()) {
    const next = parts[index + 1];
    if (next === undefined) at[part] = value;
    else {
      at[part] ??= /^\d+$/.test(next) ? [] : {};
      at = at[part] as Record<string, unknown>;
    }
  }
}

export async function openShippedWorld() {
  await using opening = new AsyncDisposableStack();
  const path = await mkdtemp(join(tmpdir(), 'interlock-shipped-'));
  opening.defer(() => rm(path, { recursive: true, force: true }));
  const firewall = await startEdgeFirewall({ token: FIREWALL_TOKEN });
  opening.defer(() => firewall.close());
  const reputation = await startReputation();
  opening.defer(() => reputation.close());
  const urls = { firewall: firewall.url, reputation: reputation.url };
  const here = (text: string) =>
    Object.entries(SERVICES).reduce(
      (now, [name, port]) => now.replaceAll(String(port), new URL(urls[name as keyof typeof urls]).port),
      text,
    );
  const egressFile = join(path, 'egress.json');
  await writeFile(egressFile, here(await readFile(join(ROOT, 'policies/egress/demo.json'), 'utf8')));
  // The calls that are counted here are those of steps.
  const executionFile = join(path, 'execution.json');
  const execution = JSON.parse(await readFile(join(ROOT, 'policies/execution/default.json'), 'utf8'));
  await writeFile(executionFile, JSON.stringify({ ...execution, health: { every: 'off' } }));
  const plugins = globSync('plugins/*/manifest.json', { cwd: ROOT }).map((file) => join(ROOT, file, '..'));
  const org = await readOrg(
    {
      id: ORG,
      guardrails: join(ROOT, 'policies/guardrails/baseline.rules.json'),
      approvals: join(ROOT, 'policies/approval/matrix.json'),
      egress: egressFile,
      execution: executionFile,
      trust: join(ROOT, 'policies/trust/demo.json'),
      plugins,
    },
    new Set([await sealedCodeDigest()]),
  );
  if (!org.ok) throw new Error(org.error);
  const cells = openCellHost({ min: 2, max: 4 });
  opening.defer(() => cells.close());
  const egress = openEgressClient();
  opening.defer(() => egress.close());
  const modules = await openModuleStore(join(path, 'modules'), new Set([await sealedCodeDigest()]));
  const entropy = openSystemEntropy();
  let folders = 0;

  /**
   * One life of a kernel on the folder. Rejects when the process ends by a crash.
   * @param options `call` stands before the cells, `send` before the network.
   */
  async function live<T>(
    folder: string,
    options: DiskOptions & {
      readonly call?: (disk: Disk, cells: CellHost) => CellHost['call'];
      readonly send?: (egress: EgressClient) => EgressClient['send'];
    },
    work: (kernel: Kernel, clock: ReturnType<typeof openManualClock>) => Promise<T>,
  ): Promise<T> {
    const disk = openDisk(folder, options);
    const secrets = await openSecretStore({ file: join(folder, 'secrets.json'), key: new Uint8Array(32).fill(7) });
    if (!secrets.ok) throw new Error(secrets.error);
    const clock = openManualClock(Date.now());
    const own: CellHost = { ...cells, call: options.call?.(disk, cells) ?? cells.call, close: async () => undefined };
    const net: EgressClient = { ...egress, send: options.send?.(egress) ?? egress.send };
    const kernel = openKernel({
      store: disk.store,
      clock,
      entropy,
      cells: own,
      egress: net,
      secrets: secrets.value,
      modules,
    });
    const crashed = disk.crashed.then(() => Promise.reject(new Error('the process has ended')));
    const lived = (async () => {
      const fine = org.ok ? await kernel.setUpOrg(org.value) : org;
      if (!fine.ok) throw new Error(fine.error);
      await kernel.begin();
      return work(kernel, clock);
    })();
    try {
      return await Promise.race([lived, crashed]);
    } finally {
      await Promise.race([kernel.stop().catch(() => undefined), disk.crashed]);
      await disk.close();
    }
  }

  const opened = opening.move();
  return {
    playbooks: shippedPlaybooks(here),
    manifests: org.value.plugins.map(({ manifest }) => manifest),
    firewall,
    live,
    newFolder: () => mkdtemp(join(path, `life-${folders++}-`)),
    /** A folder with this playbook in force, and no other. */
    async prepare({ text }: Shipped): Promise<string> {
      const folder = await this.newFolder();
      await live(folder, {}, async (kernel) => {
        await kernel.secrets.put(personOf(ORG, 'admin', ['admin']), 'edge-firewall-token', FIREWALL_TOKEN);
        await activatePlaybook(kernel, ORG, text);
      });
      return folder;
    },
    close: () => opened.disposeAsync(),
  };
}

/** What comes by itself, with time or from another run. */
const AWAITED: readonly string[] = ['retry', 'time', 'event', 'run'];

const VOTERS = ['ann', 'ben', 'cleo'].map((name) => personOf(ORG, name, ['approver']));
const OPERATOR = personOf(ORG, 'operator', ['operator']);
const SENDER = personOf(ORG, 'pipeline', ['source']);

/**
 * Sends the event and goes on until nothing is open: people agree, settle what nobody knows as done, and time leaps to
 * what is due next whenever no call is under way.
 * @returns the run of the event.
 */
export async function playOut(
  kernel: Kernel,
  clock: ReturnType<typeof openManualClock>,
  event: NormalEvent,
): Promise<Run> {
  const receipt = await kernel.ingest(SENDER, event);
  const id = receipt.ok ? receipt.value.triggers.find(({ run }) => run !== null)?.run : undefined;
  if (!id) throw new Error(`the event starts no run: ${JSON.stringify(receipt)}`);
  let quiet = 0;
  for (let round = 0; round < 4_000; round++) {
    const open = kernel.openWork(ORG, {}, 50).items;
    if (open.length === 0) return kernel.query.run(ORG, id as RunId) as Run;
    const waits = open.flatMap((one) => one.waits.map((wait) => ({ ...wait, run: one.summary.run })));
    for (const wait of waits)
      if (wait.what === 'settlement' && wait.step !== null)
        await kernel.control.settle(OPERATOR, wait.run, { step: wait.step, outcome: 'succeeded', note: 'it is there' });
      else if (wait.what === 'approval') {
        const { subject } = kernel.query.approval(ORG, wait.approval) ?? {};
        const ballot = { decision: 'approve', rationale: 'seen', subject } as const;
        if (subject)
          for (const voter of VOTERS) await kernel.control.vote(voter, wait.approval, { ...ballot, subject });
      }
    // Twice in a row, so that what is on its way to the disk has come there.
    quiet = waits.every(({ what }) => AWAITED.includes(what)) ? quiet + 1 : 0;
    if (quiet > 2) {
      const runs = open.flatMap(({ summary }) => kernel.query.run(ORG, summary.run) ?? []);
      const due = Math.min(...runs.flatMap((run) => nextDue(run) ?? []));
      if (due > clock.now()) clock.advance(due - clock.now());
    }
    await new Promise((resolve) => setTimeout(resolve, 4));
  }
  throw new Error('the work does not end');
}
