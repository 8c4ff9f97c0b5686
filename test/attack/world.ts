import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CellHostOptions } from '../../kernel/adapter/extism/cell-options.ts';
import type { EgressOptions } from '../../kernel/adapter/undici/egress-client.ts';
import type { Digest } from '../../kernel/base/id.ts';
import { admit } from '../../kernel/cell/admit.ts';
import type { CellCall, CellOutcome } from '../../kernel/port/cell-host.ts';
import { testEnvelope } from '../../sdk/author/test-host.ts';
import { buildPlugin } from '../../sdk/build/build-plugin.ts';
import { openSteps, type Steps } from '../egress/steps.ts';
import { openUpstream, type Script, type Upstream } from '../egress/upstream.ts';
import { type Cells, LAYERS, openCells } from '../hostile/cells.ts';

/** What a row attacks: real cells, a real broker, and listeners that count the connections which reached them. */
export type World = {
  cells(options?: Partial<CellHostOptions>): Cells;
  /**
   * The plugin of `sdk/build/fixture`, sealed and admitted, in these cells.
   * @param isKept Whether one instance is put back after each call, as of every sealed module; else each gets a new one.
   */
  sealed(cells: Cells, isKept?: boolean): Promise<Sealed>;
  /**
   * Cells whose program the attacker owns: `mode` is one of `test/hostile/fake-cell.ts`.
   * @param layers Of the system; those that are here where it is left out.
   */
  goneOver(mode: string, layers?: readonly string[]): Cells;
  /** How a call ends in such a cell. */
  takenOver(mode: string, more?: Partial<CellCall>): Promise<CellOutcome>;
  listen(script?: Script, options?: Parameters<typeof openUpstream>[1]): Promise<Upstream>;
  /** Steps of plugins that ask the broker. The secret `api-key` of their org is `canary`. */
  steps(options?: EgressOptions): Promise<Steps>;
  /** Closed with the world. */
  opened<C extends { close(): Promise<unknown> }>(one: C): C;
  readonly canary: string;
};

export type Sealed = (action: string, input?: unknown, more?: SealedCall) => Promise<CellOutcome>;
type SealedCall = Partial<CellCall> & { readonly seed?: readonly [string, string] };

/**
 * Opens a world for one row, and closes all that the row opened in it.
 * @param usual How cells are set up where the row does not say otherwise.
 */
export async function inWorld<T>(use: (world: World) => Promise<T>, usual: Partial<CellHostOptions> = {}): Promise<T> {
  const open: { close(): Promise<unknown> }[] = [];
  const opened = <C extends { close(): Promise<unknown> }>(one: C): C => {
    open.push(one);
    return one;
  };
  const canary = `canary/${randomBytes(12).toString('base64')}+"&=`;
  const world: World = {
    canary,
    cells: (options) => opened(openCells({ min: 1, max: 1, ...usual, ...options })),
    async sealed(cells, isKept = true) {
      const admitted = admit(await sealedModule());
      if (!admitted.ok) throw new Error(admitted.error.text);
      const module: Digest = admitted.value.report.admittedDigest;
      const loaded = await cells.host.load(module, admitted.value.wasm, { sealed: isKept });
      if (!loaded.ok) throw new Error(loaded.error);
      return (action, input = null, { seed, ...more } = {}) =>
        cells.call(module, JSON.stringify(testEnvelope({ action, input, ...(seed ? { seed } : {}) })), more);
    },
    goneOver(mode, layers = LAYERS.wrapper) {
      const wrapper = [...layers, '/usr/bin/env', `MODE=${mode}`];
      return world.cells({ entry: join(import.meta.dirname, '../hostile/fake-cell.ts'), wrapper });
    },
    async takenOver(mode, more) {
      const cells = world.goneOver(mode);
      const never = { broker: () => new Promise<never>(() => undefined), hardDeadlineMs: 10_000 };
      return cells.call(await cells.load('echo'), '{}', { ...never, ...more });
    },
    opened,
    listen: async (script, options) => opened(await openUpstream(script, options)),
    steps: async (options) => opened(await openSteps({ canary, ...options })),
  };
  try {
    return await use(world);
  } finally {
    await Promise.all(open.map((one) => one.close()));
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
