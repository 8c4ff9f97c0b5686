import type { PluginManifest } from '../../sdk/contract/plugin.ts';
import { digestOf } from '../base/digest.ts';
import type { Digest, OrgId, RunId } from '../base/id.ts';
import type { ModuleStore } from '../port/module-store.ts';
import type { Store } from '../port/store.ts';
import type { Run } from '../run/state.ts';
import type { Children } from './children.ts';
import type { Driver } from './drive.ts';
import { within } from './keys.ts';
import type { Registry } from './registry.ts';
import type { RunsInFlight } from './runs-in-flight.ts';
import type { SetUp } from './set-up.ts';

/** Runs that go on with a plugin which the org does not load any more, and nobody has revoked. */
export type FormerPlugin = {
  readonly org: OrgId;
  readonly name: string;
  readonly digest: Digest;
  readonly runs: number;
};

/** At the start: takes note of the runs that are under way, and loads the modules they pinned, whatever is active now. */
export async function takeUpRuns(deps: {
  store: Store;
  registry: Pick<Registry, 'org' | 'plugin' | 'revocation'>;
  driver: Pick<Driver, 'load'>;
  modules: ModuleStore;
  load: SetUp['load'];
  isCallable: SetUp['isCallable'];
  inFlight: RunsInFlight;
  children: Pick<Children, 'takeUpOrphan'>;
  /** Told of each of them. */
  noted: (run: Run) => void;
  report: (defect: unknown) => void;
}): Promise<readonly FormerPlugin[]> {
  const { store, registry, driver, modules, load, isCallable, inFlight, children, noted, report } = deps;

  const former = new Map<string, FormerPlugin>();
  const countFormer = (org: OrgId, name: string, digest: Digest) => {
    const key = `${org} ${digest}`;
    const runs = (former.get(key)?.runs ?? 0) + 1;
    former.set(key, { org, name, digest, runs });
  };

  const takeUp = async (org: OrgId, id: RunId) => {
    const run = registry.org(org) && driver.load(org, id);
    if (!run) return;
    noted(run);
    for (const [name, digest] of Object.entries(run.plugins)) {
      if (registry.org(org)?.plugins.get(name)?.digest !== digest) countFormer(org, name, digest);
      const known = registry.plugin(digest);
      if (known && (isCallable(digest) || registry.revocation(org, known))) continue;
      const stored = await modules.get(digest);
      // Revoked after the run began: what it asked for can be looked at, and its calls are refused.
      const isCalled = stored && !registry.revocation(org, { digest, module: digestOf(stored.wasm) });
      if (stored) await load(digest, stored.manifest as PluginManifest, stored.wasm, stored.sealed, isCalled);
    }
  };

  // Every run that has not ended has a timer row, and only those do.
  for (const { key } of store.range({ ...within('!timer'), limit: Number.MAX_SAFE_INTEGER })) {
    const [, , org, id] = key.split('/') as [string, string, OrgId, RunId];
    // One run that cannot be taken up keeps no other, and not the kernel, from going on.
    await takeUp(org, id).catch(report);
  }
  // What ends now makes room for others, and is undone by the plugins it has pinned: so only when all of that is there.
  for (const [org, id] of inFlight.all()) {
    const run = driver.load(org, id);
    if (run) await children.takeUpOrphan(run).catch(report);
  }
  return [...former.values()].filter(({ org, digest }) => {
    const plugin = registry.plugin(digest);
    return plugin && registry.revocation(org, plugin) === undefined;
  });
}
