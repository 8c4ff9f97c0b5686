import { openCellHost } from '../../kernel/adapter/extism/cell-host.ts';
import type { CellHostOptions } from '../../kernel/adapter/extism/cell-options.ts';
import { probeLayers } from '../../kernel/adapter/extism/probe.ts';
import type { Digest, OrgId } from '../../kernel/base/id.ts';
import { admit } from '../../kernel/cell/admit.ts';
import type { CellCall, CellHost, CellOutcome } from '../../kernel/port/cell-host.ts';
import { hostileModule } from './hostile-module.ts';

/** Cells with real modules in them, for the tests of this folder. */
export type Cells = {
  readonly host: CellHost;
  /** Admits and loads `modules/<name>.wat`. */
  load(name: string, sealed?: boolean): Promise<Digest>;
  call(module: Digest, envelope: string, more?: Partial<CellCall>): Promise<CellOutcome>;
  close(): Promise<void>;
};

/** A host that forgives kills, unless asked otherwise: one module's tests must not stop the next one's. */
const FORGIVING = { windowMs: 1, backoffMs: 0, killsMax: 1_000, quarantineMs: 1 };

/** As the kernel holds its cells on this machine. */
export const LAYERS = await probeLayers();

export function openCells(options: Partial<CellHostOptions> = {}): Cells {
  const host = openCellHost({ min: 1, max: 2, kills: FORGIVING, wrapper: LAYERS.wrapper, ...options });
  const cells: Cells = {
    host,
    async load(name, sealed = false) {
      const admitted = admit(await hostileModule(name));
      if (!admitted.ok) throw new Error(`${name}: ${admitted.error.text}`);
      // One module both ways in one host needs two names.
      const digest = `${admitted.value.report.admittedDigest}${sealed ? '-sealed' : ''}` as Digest;
      const loaded = await host.load(digest, admitted.value.wasm, { sealed });
      if (!loaded.ok) throw new Error(`${name}: ${loaded.error}`);
      return digest;
    },
    call: (module, envelope, more = {}) =>
      host.call({
        org: 'acme' as OrgId,
        module,
        envelope,
        softDeadlineMs: 5_000,
        hardDeadlineMs: 20_000,
        broker: async () => ({ denied: 'nothing is granted here' }),
        ...more,
      }),
    close: () => host.close(),
  };
  return cells;
}
