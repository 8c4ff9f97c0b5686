import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCellHost } from '../kernel/adapter/extism/cell-host.ts';
import type { Digest, OrgId } from '../kernel/base/id.ts';
import { admit } from '../kernel/cell/admit.ts';
import type { CellCall, CellHost, CellOutcome } from '../kernel/port/cell-host.ts';
import { testEnvelope } from '../sdk/author/test-host.ts';
import { buildPlugin } from '../sdk/build/build-plugin.ts';
import { childrenOf, privateBytes, processorMs } from '../test/hostile/processes.ts';

/**
 * What a cell costs: calls of a sealed TypeScript plugin with about 1 KB of input, on one cell that always has a call
 * waiting. Prints, beside it, what else a capacity plan needs.
 */
export type BenchResult = {
  readonly id: string;
  readonly value: number;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  /** (highest - lowest) / median of the rounds. */
  readonly spread: number;
};

const ROUNDS = 5;
const IN_FLIGHT = 8;
const WARM_UP_MS = 1_000;
const EVENT = {
  time: 1_795_190_020_101,
  class_uid: 2004,
  severity_id: 5,
  finding_info: {
    uid: 'edr-9f1b7c52',
    title: 'Ransomware.Generic behaviour',
    types: ['Malware'],
    attacks: [{ technique: { uid: 'T1486', name: 'Data Encrypted for Impact' } }],
  },
  device: { uid: 'd-118', hostname: 'FIN-WS-042', ip: '10.20.30.40', os: { name: 'Windows 11' } },
  actor: { user: { name: 'a.example', uid: 'S-1-5-21-1' }, process: { name: 'invoice.exe', pid: 4812 } },
  observables: [
    { name: 'dst_endpoint.ip', type_id: 2, value: '203.0.113.77' },
    { name: 'file.hash', type_id: 8, value: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' },
  ],
  message: 'A process encrypted 214 files in 9 seconds and then connected to a known command-and-control address.',
};

type Loaded = { readonly host: CellHost; readonly module: Digest; readonly pid: number };

/** Builds a plugin and opens one cell for it. */
async function open(plugin: string, outDir: string): Promise<Loaded> {
  const built = await buildPlugin(join(import.meta.dirname, plugin), { outDir });
  if (!built.ok) throw new Error(built.error.message);
  const admitted = admit(new Uint8Array(readFileSync(built.value.wasmPath)));
  if (!admitted.ok) throw new Error(admitted.error.text);
  const module = admitted.value.report.admittedDigest;
  const others = new Set(childrenOf(process.pid));
  const host = openCellHost({ min: 1, max: 1 });
  const loaded = await host.load(module, admitted.value.wasm, { sealed: true });
  if (!loaded.ok) throw new Error(loaded.error);
  return { host, module, pid: childrenOf(process.pid).find((pid) => !others.has(pid)) ?? 0 };
}

const callOf = (module: Digest, action: string, input: unknown): CellCall => ({
  org: 'bench' as OrgId,
  module,
  envelope: JSON.stringify(testEnvelope({ action, input })),
  softDeadlineMs: 10_000,
  hardDeadlineMs: 30_000,
  broker: async () => ({ ok: true, status: 200, headers: {}, body: '{}' }),
});

async function replied(outcome: Promise<CellOutcome>): Promise<void> {
  const { kind } = await outcome;
  if (kind !== 'replied') throw new Error(`a benchmark call ended as ${kind}`);
}

/** Calls for so long, `inFlight` at a time. */
async function run(
  { host }: Loaded,
  call: CellCall,
  forMs: number,
  inFlight: number,
): Promise<{ calls: number; ms: number }> {
  const from = performance.now();
  let calls = 0;
  const lane = async () => {
    for (; performance.now() - from < forMs; calls++) await replied(host.call(call));
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return { calls, ms: performance.now() - from };
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

/** @param options.seconds For all measured rounds together. */
export async function benchCell({ seconds }: { readonly seconds: number }): Promise<BenchResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'interlock-bench-'));
  const pure = await open('plugins/transform', join(folder, 'transform'));
  const call = callOf(pure.module, 'shape', { event: EVENT });
  await run(pure, call, WARM_UP_MS, IN_FLIGHT);

  const own = process.cpuUsage();
  const cellMs = processorMs(pure.pid);
  const rounds: { calls: number; ms: number }[] = [];
  for (let i = 0; i < ROUNDS; i++) rounds.push(await run(pure, call, (seconds * 1_000) / ROUNDS, IN_FLIGHT));
  const used = process.cpuUsage(own);
  const calls = rounds.reduce((sum, round) => sum + round.calls, 0);
  const rates = rounds.map((round) => (round.calls / round.ms) * 1_000);
  const value = median(rates);
  console.log(
    `cell: ${call.envelope.length} bytes in; per call ${us((processorMs(pure.pid) - cellMs) / calls)} of processor time in the cell, ${us((used.user + used.system) / 1_000 / calls)} in the kernel`,
  );
  console.log(`cell: ${(privateBytes(pure.pid) / 1e6).toFixed(0)} MB of memory of its own`);
  await pure.host.close();

  const asking = await open('../sdk/build/fixture', join(folder, 'fixture'));
  await printRoundTrip(asking);
  await printRespawn(asking);
  await asking.host.close();
  rmSync(folder, { recursive: true, force: true });
  return [
    {
      id: 'cell.calls_per_s',
      value,
      unit: 'calls/s',
      better: 'higher',
      spread: (Math.max(...rates) - Math.min(...rates)) / value,
    },
  ];
}

const us = (ms: number) => `${(ms * 1_000).toFixed(0)} us`;

/** One call at a time with one request in it, answered at once, against the same without the request. */
async function printRoundTrip(loaded: Loaded): Promise<void> {
  const asking = callOf(loaded.module, 'fetch', { url: 'https://api.example/' });
  const silent = callOf(loaded.module, 'serialise', { text: 'x' });
  for (const call of [asking, silent]) await run(loaded, call, WARM_UP_MS / 2, 1);
  const [withRequest, without] = [await run(loaded, asking, 500, 1), await run(loaded, silent, 500, 1)];
  const [a, b] = [withRequest, without].map(({ calls, ms }) => ms / calls) as [number, number];
  console.log(`cell: ${us(a)} for a call with one brokered request, ${us(b)} for one without`);
}

/** From the kill of a spinning cell to the first reply of the next one. */
async function printRespawn({ host, module }: Loaded): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const abort = new AbortController();
    const spinning = host.call({ ...callOf(module, 'spin', 'loop'), signal: abort.signal });
    setTimeout(() => abort.abort(), 50);
    await spinning;
    const from = performance.now();
    await replied(host.call(callOf(module, 'serialise', { text: 'x' })));
    times.push(performance.now() - from);
  }
  console.log(`cell: ${median(times).toFixed(0)} ms from a kill to the first reply of the new cell`);
}

if (import.meta.main) console.log(await benchCell({ seconds: Number(process.argv[2] ?? 5) }));
