import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openCellHost } from '../../kernel/adapter/extism/cell-host.ts';
import type { Digest, OrgId } from '../../kernel/base/id.ts';
import { admit } from '../../kernel/cell/admit.ts';
import type { CellCall, CellHost } from '../../kernel/port/cell-host.ts';
import { testEnvelope } from '../../sdk/author/test-host.ts';
import { sealedCodeDigest } from '../../sdk/build/base.ts';
import { buildPlugin } from '../../sdk/build/build-plugin.ts';
import { codeDigest } from '../../sdk/contract/code-digest.ts';

/** A TypeScript plugin, sealed, admitted and called in real cells, with every restore checked. */

let host: CellHost;
let module: Digest;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'interlock-sealed-'));
  const built = await buildPlugin(join(import.meta.dirname, '../../sdk/build/fixture'), { outDir: folder });
  if (!built.ok) throw new Error(built.error.message);
  const original = new Uint8Array(await readFile(built.value.wasmPath));
  const admitted = admit(original);
  if (!admitted.ok) throw new Error(admitted.error.text);
  // What makes it right to put its instances back: the code is known, and its state can be seen.
  expect(codeDigest(original)).toBe(await sealedCodeDigest());
  expect(admitted.value.report.restorable).toBe(true);
  module = admitted.value.report.admittedDigest;
  host = openCellHost({ min: 1, max: 1, checkRestoreEvery: 1 });
  expect(await host.load(module, admitted.value.wasm, { sealed: true })).toMatchObject({ ok: true });
}, 60_000);
afterAll(async () => {
  await host?.close();
  await rm(folder, { recursive: true, force: true });
});

const denyAll = async () => ({ denied: 'nothing is granted here' });
const call = (action: string, input: unknown = null, more: Partial<CellCall> = {}) =>
  host.call({
    org: 'acme' as OrgId,
    module,
    envelope: JSON.stringify(testEnvelope({ action, input })),
    softDeadlineMs: 10_000,
    hardDeadlineMs: 30_000,
    broker: denyAll,
    ...more,
  });
const output = async (...given: Parameters<typeof call>) => {
  const outcome = await call(...given);
  return outcome.kind === 'replied' ? (JSON.parse(outcome.reply) as { output?: unknown }).output : outcome;
};

describe('a sealed plugin', () => {
  it('has fresh state in every call, also after calls that went wrong', async () => {
    const fresh = [1, 1, 'fresh'];
    expect(await output('count')).toEqual(fresh);
    expect(await output('count')).toEqual(fresh);
    await call('spin', 'loop', { softDeadlineMs: 50 });
    expect(await output('count')).toEqual(fresh);
    await call('hoard');
    expect(await output('count')).toEqual(fresh);
    await call('depth', 'native');
    expect(await output('count')).toEqual(fresh);
    await call('fetch', { url: 'https://denied.example/' });
    expect(await output('count')).toEqual(fresh);
    expect(host.stats().respawns).toBe(0);
  });

  it('gives the same reply to the same call', async () => {
    const first = await output('world');
    for (let i = 0; i < 20; i++) expect(await output('world')).toEqual(first);
  });

  it('reaches the world through its broker', async () => {
    const broker = vi.fn(async () => ({ ok: true as const, status: 200, headers: { a: 'b' }, body: '{"é":1}' }));
    expect(await output('fetch', { url: 'https://api.example/', json: { a: 1 } }, { broker })).toEqual([
      200,
      true,
      { a: 'b' },
      { é: 1 },
    ]);
    expect(broker).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ url: 'https://api.example/', method: 'POST', body: '{"a":1}' }),
    );
  });

  it('is refused when it catches a denial', async () => {
    expect(await call('fetch', { url: 'https://denied.example/' })).toMatchObject({
      kind: 'refused',
      reason: 'nothing is granted here',
    });
  });

  it.each(['loop', 'regex', 'catch', 'finally', 'promise catch', 'iterator close', 'the output'])(
    'overruns its soft deadline in %s, and sends nothing after it',
    async (where) => {
      const broker = vi.fn(denyAll);
      const outcome = await call('spin', where, { softDeadlineMs: 50, broker });
      expect(outcome).toMatchObject({ kind: 'overran', deadline: 'soft' });
      expect(broker).not.toHaveBeenCalled();
    },
  );

  it('hands its logs over', async () => {
    expect((await call('log')).logs.map((log) => log.level)).toEqual(['debug', 'info', 'warn', 'error', 'info']);
  });
});
