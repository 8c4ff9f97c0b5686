import type { PluginManifest } from '../../sdk/contract/plugin.ts';
import type { OrgId, RunId } from '../base/id.ts';
import type { Result } from '../base/result.ts';
import { callsFor, DEFAULT_EXECUTION } from '../call/policy.ts';
import type { Principal } from '../org/principal.ts';
import type { CellHost } from '../port/cell-host.ts';
import type { Clock, Entropy } from '../port/clock.ts';
import type { EgressClient } from '../port/egress.ts';
import type { ModuleStore } from '../port/module-store.ts';
import type { SecretSource } from '../port/secret-source.ts';
import type { Store } from '../port/store.ts';
import { isParked } from '../run/open-work.ts';
import { isEnded, type Run } from '../run/state.ts';
import { openArrivals } from './arrivals.ts';
import { type BreakerChange, type BreakerState, openBreakers } from './breakers.ts';
import { createBroker, type EgressRefused } from './broker.ts';
import { openChildren } from './children.ts';
import { type Control, openControl } from './control.ts';
import { type Driver, openDriver } from './drive.ts';
import { type Explain, openExplain } from './explain.ts';
import { type AuditExport, openExport } from './export.ts';
import { type Feed, openFeed } from './feed.ts';
import { type Incidents, openIncidents } from './incidents.ts';
import { type Ingest, openIngest } from './ingest.ts';
import { type Intake, openIntake } from './intake.ts';
import { openJudges } from './judges.ts';
import { within } from './keys.ts';
import { type Ledger, openLedger } from './ledger.ts';
import { buildLists } from './list-build.ts';
import { type OpenCount, openOpenWork } from './open-work.ts';
import { type Outbox, openOutbox } from './outbox.ts';
import { openPending } from './pending.ts';
import { openPlaybooks, type Playbooks } from './playbooks.ts';
import { openPrune } from './prune.ts';
import { openQuery, type Query } from './query.ts';
import { type Recovered, recover } from './recover.ts';
import { openRegistry, type Plugin, type Registry } from './registry.ts';
import { openReplayEvents, type ReplayEvents } from './replay.ts';
import { resumeRuns } from './resume.ts';
import { openSchedule } from './schedule.ts';
import { processScheduler, type Scheduler } from './scheduler.ts';
import { type OrgSetup, openSetUp } from './set-up.ts';
import { openStops, type Stops } from './stop.ts';
import { openTimers } from './timers.ts';
import { openTokens, type Tokens } from './tokens.ts';
import { openTriggers, type Triggers } from './triggers.ts';
import { openWaiting } from './waiting.ts';
import { openWorker } from './worker.ts';

/** Everything from outside that the kernel stands on. */
export type Ports = {
  readonly store: Store;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly cells: CellHost;
  readonly egress: EgressClient;
  readonly secrets: SecretSource;
  readonly modules: ModuleStore;
  /** Absent: the timers of the process. */
  readonly scheduler?: Scheduler;
  /** Told of every defect that stopped a turn, so that none is silent. */
  readonly report?: (defect: unknown) => void;
  /** Told of every request of a plugin that was stopped, with what would let it pass. For the operator's eyes. */
  readonly onRefusal?: (refused: EgressRefused) => void;
  /** Told when the circuit of a connector opens or closes. */
  readonly onBreaker?: (change: BreakerChange) => void;
  /** The stop switch of the whole machine: the reason while it is engaged. Without it there is none. */
  readonly machineStop?: () => Promise<string | undefined>;
};

/** How a plugin of an org is doing. */
export type Connector = {
  readonly name: string;
  readonly breaker: BreakerState;
  readonly inFlight: number;
  readonly waiting: number;
  /** Calls that may be under way at a time. */
  readonly limit: number;
};

/** What the front doors may call. One kernel, one store, one writer. */
export type Kernel = {
  /** To be asked before an event is read. */
  readonly intake: Intake;
  readonly ingest: Ingest;
  readonly explain: Explain;
  readonly replay: ReplayEvents;
  readonly control: Control;
  readonly incidents: Incidents;
  readonly lifecycle: Pick<Feed, 'read' | 'last' | 'wait'> & { readonly webhooks: Outbox['state'] };
  readonly query: Query;
  /** Every run that has not ended, what it waits for, and whether that is on its way. */
  readonly openWork: ReturnType<typeof openOpenWork>['list'];
  readonly playbooks: Playbooks;
  readonly triggers: Triggers;
  readonly tokens: Tokens;
  readonly secrets: {
    put(by: Principal, name: string, value: string): Promise<void>;
    remove(by: Principal, name: string): Promise<boolean>;
    list(org: OrgId): ReturnType<SecretSource['list']>;
  };
  /** The plugins that the org has now, by name, and whether its egress policy has a grant for each. */
  readonly plugins: (org: OrgId) => readonly (Plugin & { readonly granted: boolean })[];
  /** The connectors of the org by name, and how they are doing. */
  readonly connectors: {
    list(org: OrgId): readonly Connector[];
    /** Closes the circuit. False: the org has no such connector. */
    reset(by: Principal, name: string): Promise<boolean>;
  };
  readonly stops: Pick<Stops, 'show' | 'engage' | 'release'>;
  readonly auditExport: (org: OrgId) => AuditExport;
  /** Records that someone asked for what he may not do. */
  readonly refuseAccess: (by: Principal, what: string) => Promise<void>;
  /** Resolves with the run when it ends, or as it is after `timeoutMs`. Null when there is none. */
  readonly waitForRun: (org: OrgId, run: RunId, timeoutMs: number) => Promise<Run | null>;
  /** Before a stop: whoever waits gets things as they are, and nobody waits any more. */
  readonly endWaits: () => void;
  readonly setUpOrg: (setup: OrgSetup) => Promise<Result<void, string>>;
  /** After all orgs are set up: takes up open work and starts the timers. */
  readonly begin: () => Promise<Recovered & { readonly open: OpenCount }>;
  readonly stats: () => { readonly inFlight: number; readonly cells: ReturnType<CellHost['stats']> };
  readonly healthy: () => boolean;
  /** Resolves with the cause when the record has failed: end the process, start again. */
  readonly failure: Promise<Error>;
  /** Stops in good order. Does not reject; when the record failed on the way, `healthy` is false afterwards. */
  readonly stop: () => Promise<void>;
};

/** How often due timers are looked for, in milliseconds. */
const SWEEP_MS = 50;
/** How long a stop waits for calls that are under way, in milliseconds. */
const STOP_GRACE_MS = 3_000;

export function openKernel(ports: Ports): Kernel {
  const { store, clock, entropy, cells, egress, modules } = ports;
  const { scheduler = processScheduler, report = () => undefined } = ports;
  const ledger: Ledger = openLedger({ store, clock, entropy, scheduler });
  const registry: Registry = openRegistry(store);
  const judges = openJudges({ read: ledger.read, registry });
  const { machineStop = async () => undefined, onRefusal, onBreaker } = ports;
  const stops = openStops({ ledger, registry, store, clock, machine: machineStop });
  const { isStopped } = stops;
  const driver: Driver = openDriver({ store, ledger, registry, judges, clock, isStopped });
  const secrets = leasesOnRecord(ports.secrets, ledger);
  const breakers = openBreakers({ ledger, registry, clock, report, ...(onBreaker && { tell: onBreaker }) });
  const worker = openWorker({
    cells,
    broker: createBroker({ egress, secrets, scheduler, isStopped, ...(onRefusal && { onRefusal }) }),
    driver,
    registry,
    breakers,
    isStopped,
    clock,
    entropy,
    scheduler,
    report,
  });
  const timers = openTimers({ store, ledger, driver, clock, report });
  const pending = openPending({ store, ledger, driver, report });
  const query = openQuery(store);
  const feed = openFeed({ store, ledger, scheduler });
  const inFlight = new Map<OrgId, Set<RunId>>();
  const runsInFlight = (org: OrgId) => inFlight.get(org)?.size ?? 0;
  const arrivals = openArrivals({ store, ledger, driver, registry, clock, report });
  const openWork = openOpenWork({
    store,
    query,
    registry,
    driver,
    isCalled: worker.has,
    isAwaited: arrivals.isAwaited,
    clock,
  });
  const { take, fire } = openIngest({
    store,
    ledger,
    driver,
    registry,
    pending,
    arrivals,
    clock,
    entropy,
    runsInFlight,
    isStopped,
    report,
  });
  const schedule = openSchedule({ store, ledger, registry, fire, clock, report });
  const waiting = openWaiting({ query, driver, scheduler });
  const outbox = openOutbox({
    ledger,
    registry,
    feed,
    egress,
    secrets: ports.secrets,
    clock,
    report,
    onRefusal: ports.onRefusal,
  });
  const prune = openPrune({ store, ledger, registry, clock });
  const { setUpOrg, load } = openSetUp({ ledger, registry, feed, cells, modules });
  let stopTicking: () => void = () => undefined;
  let building: Promise<void> = Promise.resolve();
  let isStopping = false;

  const children = openChildren({ driver, registry, runsInFlight, report });
  driver.onEffect((run, effect) =>
    effect.kind === 'call' || effect.kind === 'abort' ? worker.act(run, effect) : children.act(run, effect),
  );
  const resumeAll = (org: OrgId) =>
    resumeRuns({ driver, org, runs: [...(inFlight.get(org) ?? [])], isStopped }).catch(report);
  stops.onChange((orgs) => {
    worker.stopChanged(orgs);
    for (const org of orgs) void resumeAll(org);
  });
  driver.onStaged(arrivals.noted);
  driver.onTurn((run) => {
    const open = inFlight.get(run.org) ?? new Set();
    if (isEnded(run)) open.delete(run.id);
    else open.add(run.id);
    inFlight.set(run.org, open);
    if (isEnded(run)) waiting.ended(run);
    children.turned(run);
    pending.turned(run);
    // Decided before a release, or left over by a turn that was long enough: nobody else would tell it.
    if (isParked(run) && !isStopped(run.org)) driver.submit(run.org, run.id, { kind: 'resume' }).catch(report);
  });

  /** Takes note of the runs that are under way, and loads the modules they pinned, whatever is active now. */
  const takeUpRuns = async () => {
    for (const org of registry.orgs()) pending.takeUp(org);
    // Every run that has not ended has a timer row, and only those do.
    for (const { key } of store.range({ ...within('!timer'), limit: Number.MAX_SAFE_INTEGER })) {
      const [, , org, id] = key.split('/') as [string, string, OrgId, RunId];
      // One run that cannot be taken up keeps no other, and not the kernel, from going on.
      await takeUp(org, id).catch(report);
    }
    // What ends now makes room for others, and is undone by the plugins it has pinned: so only when all of that is there.
    for (const [org, runs] of inFlight)
      for (const id of [...runs]) {
        const run = driver.load(org, id);
        if (run) await children.takeUpOrphan(run).catch(report);
      }
  };
  const takeUp = async (org: OrgId, id: RunId) => {
    const run = registry.org(org) && driver.load(org, id);
    if (!run) return;
    inFlight.set(org, (inFlight.get(org) ?? new Set()).add(id));
    pending.turned(run);
    arrivals.noted(run);
    for (const digest of Object.values(run.plugins)) {
      const stored = registry.plugin(digest) ? undefined : await modules.get(digest);
      if (stored) await load(digest, stored.manifest as PluginManifest, stored.wasm, stored.sealed);
    }
  };

  /** One org after the other; the kernel serves meanwhile. */
  const buildAllLists = async () => {
    for (const org of registry.orgs())
      await buildLists({ store, ledger, scheduler, org, isStopping: () => isStopping });
  };

  /** One record in every org: the life of the kernel is part of each org's log. */
  const tellEveryOrg = (kind: 'kernel.started' | 'kernel.stopped') => {
    const audit = registry.orgs().map((org) => ({ org, kind, actor: 'system:kernel' }));
    return audit.length > 0 ? ledger.stage({ audit, rows: [] }) : Promise.resolve();
  };

  return {
    intake: openIntake({ clock, scheduler }),
    ingest: take,
    explain: openExplain({ store, query, registry, pending, isStopped, clock }),
    replay: openReplayEvents({ store, query }),
    control: openControl({ driver, ledger }),
    incidents: openIncidents({ ledger, clock }),
    lifecycle: { ...feed, webhooks: outbox.state },
    query,
    openWork: openWork.list,
    playbooks: openPlaybooks({ ledger, registry, clock }),
    triggers: openTriggers({ store, ledger, registry, clock }),
    tokens: openTokens({ store, ledger, clock, entropy }),
    plugins(id) {
      const org = registry.org(id);
      const granted = new Set(org?.egress.grants.map(({ plugin }) => plugin));
      return [...(org?.plugins.values() ?? [])]
        .map((plugin) => ({ ...plugin, granted: granted.has(plugin.name) }))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    connectors: {
      list(id) {
        const org = registry.org(id);
        return [...(org?.plugins.keys() ?? [])].sort().map((name) => ({
          name,
          breaker: breakers.show(id, name),
          ...worker.loadOf(id, name),
          limit: callsFor(org?.execution ?? DEFAULT_EXECUTION, name),
        }));
      },
      async reset(by, name) {
        if (!registry.org(by.org)?.plugins.has(name)) return false;
        await breakers.reset(by, name);
        return true;
      },
    },
    stops,
    auditExport: openExport({ store, clock }),

    secrets: {
      async put(by, name, value) {
        // Recorded first: a value that is there without a record of it would break the promise of the log.
        await ledger.stage({
          audit: [{ org: by.org, kind: 'secret.put', actor: `principal:${by.id}`, ref: name }],
          rows: [],
        });
        await ports.secrets.put(by.org, name, value);
      },
      async remove(by, name) {
        await ledger.stage({
          audit: [{ org: by.org, kind: 'secret.removed', actor: `principal:${by.id}`, ref: name }],
          rows: [],
        });
        return ports.secrets.remove(by.org, name);
      },
      list: (org) => ports.secrets.list(org),
    },

    refuseAccess: (by, what) =>
      ledger.stage({
        audit: [{ org: by.org, kind: 'access.refused', actor: `principal:${by.id}`, ref: what }],
        rows: [],
      }),

    waitForRun: waiting.waitForRun,
    endWaits() {
      waiting.endWaits();
      feed.endWaits();
    },

    setUpOrg,

    async begin() {
      await tellEveryOrg('kernel.started');
      // Before anything is taken up: a kernel that starts stopped sends nothing.
      await stops.followMachine();
      await takeUpRuns();
      const recovered = await recover({ store, ledger, driver, children, report });
      await arrivals.sweep();
      // Released while nobody ran, or with nobody left to tell of it.
      for (const org of registry.orgs()) await resumeAll(org);
      building = buildAllLists().catch(report);
      pending.resume();
      outbox.begin();
      stopTicking = scheduler.every(SWEEP_MS, () => {
        void timers.sweep().catch(report);
        void arrivals.sweep().catch(report);
        void schedule.sweep().catch(report);
        outbox.sweep();
        stops.followMachine().catch(report);
        void prune.sweep().catch(report);
      });
      const open = [...inFlight].flatMap(([org, runs]) => [...runs].map((run) => [org, run] as const));
      return { ...recovered, open: openWork.count(open) };
    },

    stats: () => ({ inFlight: worker.busy(), cells: cells.stats() }),
    healthy: ledger.healthy,
    failure: ledger.failure,

    async stop() {
      stopTicking();
      isStopping = true;
      await building;
      await Promise.all([worker.stop(STOP_GRACE_MS), outbox.stop(), prune.stop()]);
      // A record that fails now must not keep the rest from being closed: it is told, and shows in `healthy`.
      if (ledger.healthy()) await tellEveryOrg('kernel.stopped').catch(report);
      await ledger.idle();
    },
  };
}

/** Every lease is on the record before the value can be used. */
function leasesOnRecord(source: SecretSource, ledger: Ledger): SecretSource {
  return {
    ...source,
    async lease(org, name, forWhat) {
      const { run, step } = forWhat;
      await ledger.stage({
        audit: [{ org, kind: 'secret.leased', actor: 'system:broker', ref: name, run, step }],
        rows: [],
      });
      return source.lease(org, name, forWhat);
    },
  };
}
