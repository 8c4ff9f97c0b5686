import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CellHostOptions } from '../../kernel/adapter/extism/cell-options.ts';
import { openSecretStore } from '../../kernel/adapter/file/secret-store.ts';
import { openEgressClient } from '../../kernel/adapter/undici/egress-client.ts';
import type { Digest, OrgId } from '../../kernel/base/id.ts';
import { admit } from '../../kernel/cell/admit.ts';
import { createBroker, type StepBroker } from '../../kernel/flow/broker.ts';
import { leasesOnRecord } from '../../kernel/flow/secrets.ts';
import type { CellCall, CellOutcome } from '../../kernel/port/cell-host.ts';
import { testEnvelope } from '../../sdk/author/test-host.ts';
import { buildPlugin } from '../../sdk/build/build-plugin.ts';
import { type EgressRule, HTTP_METHODS } from '../../sdk/contract/egress.ts';
import { openUpstream, type Script, type Upstream } from '../egress/upstream.ts';
import { type Cells, openCells } from '../hostile/cells.ts';

/** What a row attacks: real cells, a real broker, and listeners that count the connections which reached them. */
export type World = {
  cells(options?: Partial<CellHostOptions>): Cells;
  /** The plugin of `sdk/build/fixture`, sealed and admitted, in these cells. */
  sealed(cells: Cells): Promise<Sealed>;
  /** How a call ends in a cell whose program the attacker owns: `mode` is one of `test/hostile/fake-cell.ts`. */
  takenOver(mode: string): Promise<CellOutcome>;
  listen(script?: Script): Promise<Upstream>;
  /** A step of a plugin with these grants. The secret `api-key` of its org is `canary`. */
  step(rules: readonly EgressRule[]): Promise<StepBroker>;
  readonly canary: string;
};

export type Sealed = (action: string, input?: unknown, more?: SealedCall) => Promise<CellOutcome>;
type SealedCall = Partial<CellCall> & { readonly seed?: readonly [string, string] };

/**
 * Opens a world for one row, and closes all that the row opened in it.
 * @param usual How cells are set up where the row does not say otherwise.
 */
export async function inWorld<T>(use: (world: World) => Promise<T>, usual: Partial<CellHostOptions> = {}): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'interlock-attack-'));
  const open: { close(): Promise<unknown> }[] = [];
  const opened = <C extends { close(): Promise<unknown> }>(one: C): C => {
    open.push(one);
    return one;
  };
  const canary = `canary/${randomBytes(12).toString('base64')}+"&=`;
  const key = randomBytes(32);
  const world: World = {
    canary,
    cells: (options) => opened(openCells({ min: 1, max: 1, ...usual, ...options })),
    async sealed(cells) {
      const admitted = admit(await sealedModule());
      if (!admitted.ok) throw new Error(admitted.error.text);
      const module: Digest = admitted.value.report.admittedDigest;
      const loaded = await cells.host.load(module, admitted.value.wasm, { sealed: true });
      if (!loaded.ok) throw new Error(loaded.error);
      return (action, input = null, { seed, ...more } = {}) =>
        cells.call(module, JSON.stringify(testEnvelope({ action, input, ...(seed ? { seed } : {}) })), more);
    },
    async takenOver(mode) {
      const wrapper = ['/usr/bin/env', `MODE=${mode}`];
      const cells = world.cells({ entry: join(import.meta.dirname, '../hostile/fake-cell.ts'), wrapper });
      return cells.call(await cells.load('echo'), '{}', {
        broker: () => new Promise(() => undefined),
        hardDeadlineMs: 10_000,
      });
    },
    listen: async (script) => opened(await openUpstream(script)),
    async step(rules) {
      const secrets = await openSecretStore({ file: join(folder, 'secrets.json'), key });
      if (!secrets.ok) throw new Error(secrets.error);
      const org = 'acme' as OrgId;
      await secrets.value.put(org, 'api-key', canary);
      const egress = opened(openEgressClient({ resolve: async () => ['127.0.0.1'] }));
      const desk = leasesOnRecord(secrets.value, { stage: async () => undefined }, () => undefined);
      return createBroker({ egress, secrets: desk }).forStep({
        org,
        run: 'run_1',
        step: 'ban',
        attempt: 1,
        plugin: 'tracker',
        action: 'ban',
        playbook: null,
        reports: false,
        effect: 'write',
        methods: HTTP_METHODS,
        op: 'execute',
        idempotencyKey: 'key-of-step',
        traceparent: '',
        timeoutMs: 5_000,
        rules,
      });
    },
  };
  try {
    return await use(world);
  } finally {
    await Promise.all(open.map((one) => one.close()));
    await rm(folder, { recursive: true, force: true });
  }
}

/** Whether plugins that attack nothing get their replies. */
export async function servesHonest(world: World): Promise<boolean> {
  const cells = world.cells();
  const echoed = await cells.call(await cells.load('echo'), 'here');
  const sealed = await (await world.sealed(cells))('echo', 'here');
  return (
    echoed.kind === 'replied' && echoed.reply === 'here' && sealed.kind === 'replied' && /"here"/.test(sealed.reply)
  );
}

let built: Promise<Uint8Array> | undefined;
function sealedModule(): Promise<Uint8Array> {
  built ??= buildSealed();
  return built;
}

export async function buildSealed(): Promise<Uint8Array> {
  const outDir = await mkdtemp(join(tmpdir(), 'interlock-attack-'));
  try {
    const result = await buildPlugin(join(import.meta.dirname, '../../sdk/build/fixture'), { outDir });
    if (!result.ok) throw new Error(result.error.message);
    return new Uint8Array(await readFile(result.value.wasmPath));
  } finally {
    await rm(outDir, { recursive: true, force: true });
  }
}
