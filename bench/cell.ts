import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCellHost } from '../kernel/adapter/extism/cell-host.ts';
import { probeLayers } from '../kernel/adapter/extism/probe.ts';
import type { Digest, OrgId } from '../kernel/base/id.ts';
import { admit } from '../kernel/cell/admit.ts';
import type { CellCall, CellHost, CellOutcome } from '../kernel/port/cell-host.ts';
import { testEnvelope } from '../sdk/author/test-host.ts';
import { buildPlugin } from '../sdk/build/build-plugin.ts';
import { cellsOf, privateBytes, processorMs } from '../test/hostile/processes.ts';
import { type Figure, figure } from './figure.ts';
import { median } from './statistics.ts';

/**
 * What a cell costs: calls of a sealed TypeScript plugin with about 1 KB of input, on one cell that always has a call
 * waiting. Prints, beside it, what else a capacity plan needs.
 */
const ROUNDS = 5;
const IN_FLIGHT = 8;
const WARM_UP_MS = 1_000;
const LATENCY_MS = 500;
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
async function open(plugin: string, outDir: string, wrapper: readonly string[]): Promise<Loaded> {
  const built = await buildPlugin(join(import.meta.dirname, plugin), { outDir });
  if (!built.ok) throw new Error(built.error.message);
  const admitted = admit(new Uint8Array(readFileSync(built.value.wasmPath)));
  if (!admitted.ok) throw new Error(admitted.error.text);
  const module = admitted.value.report.admittedDigest;
  const others = new Set(cellsOf(process.pid));
  const host = openCellHost({ min: 1, max: 1, wrapper });
  const loaded = await host.load(module, admitted.value.wasm, { sealed: true });
  if (!loaded.ok) throw new Error(loaded.error);
  return { host, module, pid: cellsOf(process.pid).find((pid) => !others.has(pid)) ?? 0 };
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

type Round = { readonly calls: number; readonly ms: number };
const rateOf = ({ calls, ms }: Round): number => (calls / ms) * 1_000;

/**
 * With every layer that the system has here, as a kernel runs its cells; and, for what the layers cost, with none but Node's,
 * in turns.
 * @param options.seconds For all measured rounds of calls together.
 */
export async function benchCell({ seconds }: { readonly seconds: number }): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'interlock-bench-'));
  const layers = await probeLayers();
  console.log(`cell: held by ${layers.on.join(', ')}`);
  for (const { layer, why } of layers.off) console.log(`cell: not by ${layer}: ${why}`);
  const held = await open('plugins/transform', join(folder, 'held'), layers.wrapper);
  const bare = await open('plugins/transform', join(folder, 'bare'), []);
  const callIn = ({ module }: Loaded) => callOf(module, 'shape', { event: EVENT });
  for (const one of [held, bare]) await run(one, callIn(one), WARM_UP_MS, IN_FLIGHT);

  const own = process.cpuUsage();
  const cellMs = processorMs(held.pid);
  const rounds: Round[] = [];
  const others: Round[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    rounds.push(await run(held, callIn(held), (seconds * 1_000) / ROUNDS, IN_FLIGHT));
    others.push(await run(bare, callIn(bare), (seconds * 1_000) / ROUNDS, IN_FLIGHT));
  }
  const used = process.cpuUsage(own);
  const [calls, all] = [rounds, [...rounds, ...others]].map((each) =>
    each.reduce((sum, round) => sum + round.calls, 0),
  );
  console.log(
    `cell: ${callIn(held).envelope.length} bytes in; per call ${us((processorMs(held.pid) - cellMs) / (calls ?? 1))} of processor time in the cell, ${us((used.user + used.system) / 1_000 / (all ?? 1))} in the kernel`,
  );
  const memory = privateBytes(held.pid) / 1e6;
  await Promise.all([held.host.close(), bare.host.close()]);

  const asking = await open('../sdk/build/fixture', join(folder, 'fixture'), layers.wrapper);
  const { roundTrips, waits } = await measureLatency(asking);
  const respawns = await measureRespawns(asking);
  await asking.host.close();
  const plain = await open('../sdk/build/fixture', join(folder, 'plain'), []);
  const plainRespawns = await measureRespawns(plain);
  await plain.host.close();
  rmSync(folder, { recursive: true, force: true });
  const ratio = (a: readonly number[], b: readonly number[]) => (median(a) / median(b)).toFixed(3);
  console.log(
    `cell: with all layers to with none: ${ratio(rounds.map(rateOf), others.map(rateOf))} of the calls, ${ratio(respawns, plainRespawns)} of the time of a respawn`,
  );
  return [
    figure('cell.calls_per_s', 'calls/s', 'higher', rounds.map(rateOf)),
    figure('cell.p99_ms', 'ms', 'lower', waits),
    figure('cell.http_round_trip_ms', 'ms', 'lower', roundTrips),
    figure('cell.respawn_ms', 'ms', 'lower', respawns),
    figure('cell.memory_mb', 'MB', 'lower', [memory]),
  ];
}

const us = (ms: number) => `${(ms * 1_000).toFixed(0)} us`;

/**
 * One call at a time: how long the slowest in a hundred takes that does next to nothing, and what one brokered request,
 * answered at once, adds.
 */
async function measureLatency(loaded: Loaded): Promise<{ readonly roundTrips: number[]; readonly waits: number[] }> {
  const asking = callOf(loaded.module, 'fetch', { url: 'https://api.example/' });
  const silent = callOf(loaded.module, 'serialise', { text: 'x' });
  for (const call of [asking, silent]) await run(loaded, call, WARM_UP_MS / 2, 1);
  const roundTrips: number[] = [];
  const waits: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const times: number[] = [];
    for (const from = performance.now(); performance.now() - from < LATENCY_MS; ) {
      const began = performance.now();
      await replied(loaded.host.call(silent));
      times.push(performance.now() - began);
    }
    times.sort((a, b) => a - b);
    waits.push(times[Math.floor(times.length * 0.99)] ?? 0);
    const { calls, ms } = await run(loaded, asking, LATENCY_MS, 1);
    roundTrips.push(ms / calls - times.reduce((sum, time) => sum + time, 0) / times.length);
  }
  return { roundTrips, waits };
}

/** From the kill of a spinning cell to the first reply of the next one, in milliseconds. */
async function measureRespawns({ host, module }: Loaded): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const abort = new AbortController();
    const spinning = host.call({ ...callOf(module, 'spin', 'loop'), signal: abort.signal });
    setTimeout(() => abort.abort(), 50);
    await spinning;
    const from = performance.now();
    await replied(host.call(callOf(module, 'serialise', { text: 'x' })));
    times.push(performance.now() - from);
  }
  return times;
}

if (import.meta.main) console.log(await benchCell({ seconds: Number(process.argv[2] ?? 5) }));
