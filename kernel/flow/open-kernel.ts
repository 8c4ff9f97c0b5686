import { mayOf } from '../../sdk/contract/may.ts';
import type { SecretsPolicy } from '../../sdk/contract/secrets-policy.ts';
import type { AuditDraft } from '../audit/record.ts';
import type { OrgId, RunId } from '../base/id.ts';
import { ok, type Result } from '../base/result.ts';
import type { Write } from '../port/store.ts';
import { isParked } from '../run/open-work.ts';
import { isEnded, type Run } from '../run/state.ts';
import { openRunAgain } from './again.ts';
import { openArrivals } from './arrivals.ts';
import { openBreakers } from './breakers.ts';
import { createBroker } from './broker.ts';
import { openCaller } from './caller.ts';
import { openChildren } from './children.ts';
import { openConnectors } from './connectors.ts';
import { openControl } from './control.ts';
import { type Driver, openDriver } from './drive.ts';
import { openEarlier } from './earlier.ts';
import { openEndedRuns } from './ended-runs.ts';
import { openExplain } from './explain.ts';
import { openExport } from './export.ts';
import { openFeed } from './feed.ts';
import { openHealthChecks } from './health.ts';
import { openIncidents } from './incidents.ts';
import { openIngest } from './ingest.ts';
import { openIntake } from './intake.ts';
import { openJudges } from './judges.ts';
import type { Kernel, Ports } from './kernel.ts';
import { KEYS } from './keys.ts';
import { type Ledger, openLedger } from './ledger.ts';
import { openLentSecrets } from './lent-secrets.ts';
import { buildLists } from './list-build.ts';
import { openOpenWork } from './open-work.ts';
import { openOutbox } from './outbox.ts';
import { pauseOf } from './pause.ts';
import { openPending } from './pending.ts';
import { openPlaybooks } from './playbooks.ts';
import { openPrune } from './prune.ts';
import { openQuarantines } from './quarantines.ts';
import { openQuery } from './query.ts';
import { recover } from './recover.ts';
import { openRegistry, type Registry } from './registry.ts';
import { openReplayEvents } from './replay.ts';
import { openReports } from './reports.ts';
import { resumeRuns } from './resume.ts';
import { healthAfter, openRotate } from './rotate.ts';
import { openRunEnds } from './run-end.ts';
import { openRunsInFlight } from './runs-in-flight.ts';
import { openSchedule } from './schedule.ts';
import { processScheduler } from './scheduler.ts';
import { credentialsOnRecord, leasesOnRecord, openSecrets } from './secrets.ts';
import { openSetUp } from './set-up.ts';
import { openStops } from './stop.ts';
import { openTakeIn } from './take-in.ts';
import { takeUpRuns } from './take-up.ts';
import { openTimers } from './timers.ts';
import { openTokens } from './tokens.ts';
import { openTriggers } from './triggers.ts';
import { openWaiting } from './waiting.ts';
import { openWorker } from './worker.ts';

/** How often due timers are looked for, in milliseconds. */
const SWEEP_MS = 50;
/** How long a stop waits for calls that are under way, in milliseconds. */
const STOP_GRACE_MS = 3_000;

export function openKernel(ports: Ports): Kernel {
  const { store, clock, entropy, cells, egress, modules, secretKeyId } = ports;
  const { scheduler = processScheduler, report = () => undefined } = ports;
  const ledger: Ledger = openLedger({ store, clock, entropy, scheduler });
  const registry: Registry = openRegistry(store);
  const judges = openJudges({ read: ledger.read, registry });
  const { machineStop = async () => undefined, onRefusal, onBreaker, onStop } = ports;
  const stops = openStops({ ledger, registry, store, clock, machine: machineStop, ...(onStop && { tell: onStop }) });
  const { isStopped, stopOf } = stops;
  const ended = openEndedRuns(store);
  const earlierOf = openEarlier({ store, ended, registry });
  const driver: Driver = openDriver({ store, ledger, registry, judges, earlierOf, ended, clock, isStopped, scheduler });
  const { onNotLent } = ports;
  const lent = openLentSecrets({ stored: ports.secrets, scheduler, report, onNotLent });
  const secrets = leasesOnRecord(lent, ledger, report);
  const breakers = openBreakers({ ledger, registry, clock, report, ...(onBreaker && { tell: onBreaker }) });
  const reports = openReports({ store, ledger, clock });
  const broker = createBroker({ egress, secrets, scheduler, reports, isStopped, ...(onRefusal && { onRefusal }) });
  const isPaused = ({ org, id }: Pick<Run, 'org' | 'id'>) => {
    const run = driver.load(org, id);
    return run !== null && pauseOf(ledger.read, run) !== null;
  };
  const caller = openCaller({ cells, broker, driver, registry, breakers, isPaused, clock, entropy, report });
  const quarantines = openQuarantines({ ledger, registry, clock, report, tell: ports.onQuarantine });
  const health = openHealthChecks({
    ledger,
    registry,
    cells,
    broker,
    isStopped,
    clock,
    entropy,
    scheduler,
    report,
    tell: ports.onHealth,
  });
  const worker = openWorker({ caller, driver, registry, stopOf, scheduler, report });
  const pending = openPending({ store, ledger, driver, report });
  const query = openQuery(store);
  const feed = openFeed({ store, ledger, scheduler });
  const inFlight = openRunsInFlight();
  const arrivals = openArrivals({ store, ledger, driver, registry, clock, report, scheduler });
  const timers = openTimers({ store, ledger, driver, tellRun: arrivals.tellRun, clock, report, scheduler });
  const openWork = openOpenWork({
    store,
    query,
    registry,
    driver,
    isCalled: worker.has,
    isAwaited: arrivals.isAwaited,
    clock,
  });
  const takeIn = openTakeIn({
    store,
    ledger,
    driver,
    registry,
    pending,
    arrivals,
    clock,
    entropy,
    runsInFlight: inFlight.count,
    stopOf,
    report,
  });
  const { take, fire, takeEnd } = openIngest({ ledger, registry, arrivals, takeIn, clock });
  const schedule = openSchedule({ store, ledger, registry, fire, clock, report });
  const runEnds = openRunEnds({ store, ledger, driver, takeEnd, clock, scheduler, report });
  const waiting = openWaiting({ query, driver, scheduler });
  const outbox = openOutbox({
    ledger,
    registry,
    feed,
    egress,
    secrets: lent,
    clock,
    report,
    onRefusal: ports.onRefusal,
  });
  const prune = openPrune({ store, ledger, registry, clock });
  const bindSecrets = (org: OrgId, policy: SecretsPolicy): Result<void, string> => {
    const credentials = credentialsOnRecord({
      stored: ports.secrets,
      ledger,
      report,
      readFile: ports.readCredentialFile,
    });
    const lenders = ports.openLenders?.(policy, (from) => credentials(org, from));
    if (lenders?.ok) lent.bind(org, lenders.value);
    return lenders && !lenders.ok ? lenders : ok(undefined);
  };
  const { setUpOrg, load, isCallable } = openSetUp({ ledger, registry, feed, reports, cells, modules, bindSecrets });
  let stopTicking: () => void = () => undefined;
  let building: Promise<void> = Promise.resolve();
  let isStopping = false;

  const stored = openSecrets(lent, ledger);
  const children = openChildren({ driver, registry, runsInFlight: inFlight.count, report });
  const isDue = (org: OrgId, id: RunId) => {
    const run = driver.load(org, id);
    return run !== null && isParked(run) && !isPaused(run);
  };
  const resumeAll = (org: OrgId) =>
    resumeRuns({ driver, org, runs: inFlight.of(org), isStopped, isDue, scheduler }).catch(report);
  driver.onEffect((run, effect) => {
    if (effect.kind === 'call' || effect.kind === 'abort') worker.act(run, effect);
    else if (effect.kind === 'resume-runs') void resumeAll(run.org);
    else children.act(run, effect);
  });
  stops.onChange((orgs) => {
    worker.stopChanged(orgs);
    for (const org of orgs) void resumeAll(org);
  });
  driver.onStaged(arrivals.noted);
  driver.onTurn((run) => {
    inFlight.noted(run);
    if (isEnded(run)) waiting.ended(run);
    children.turned(run);
    pending.turned(run);
    // Decided before a release, or left over by a turn that was long enough: nobody else would tell it.
    if (isParked(run) && !isStopped(run.org) && !isPaused(run))
      driver.submit(run.org, run.id, { kind: 'resume' }).catch(report);
  });

  const noted = (run: Run) => {
    inFlight.noted(run);
    pending.turned(run);
    arrivals.noted(run);
  };

  /** One org after the other; the kernel serves meanwhile. */
  const buildAllLists = async () => {
    for (const org of registry.orgs())
      await buildLists({ store, ledger, scheduler, org, isStopping: () => isStopping });
  };

  /** The life of the kernel is part of each org's log. */
  const lifeRecords = (kind: 'kernel.started' | 'kernel.stopped'): readonly AuditDraft[] =>
    registry.orgs().map((org) => ({ org, kind, actor: 'system:kernel' }));

  /** The key of the store is changed while no kernel runs, so the next start tells. */
  const tellOfStart = async () => {
    const audit = [...lifeRecords('kernel.started')];
    const rows: Write[] = [];
    for (const org of registry.orgs()) {
      const key = KEYS.secretKey(org);
      const before = ledger.read(key);
      if (secretKeyId === undefined || before === secretKeyId) continue;
      rows.push({ key, value: secretKeyId });
      if (before !== undefined) audit.push({ org, kind: 'secret.rekeyed', actor: 'system:kernel' });
    }
    if (audit.length > 0) await ledger.stage({ audit, rows });
  };

  return {
    intake: openIntake({ clock, scheduler }),
    ingest: take,
    explain: openExplain({ store, query, registry, pending, arrivals, stopOf, clock, scheduler }),
    replay: openReplayEvents({ store, query }),
    control: openControl({ driver, ledger, query }),
    runAgain: openRunAgain({
      clock,
      ledger,
      driver,
      registry,
      pending,
      entropy,
      runsInFlight: inFlight.count,
      isStopped,
      isStarting: children.isStarting,
    }),
    incidents: openIncidents({ ledger, clock }),
    lifecycle: { ...feed, webhooks: outbox.state },
    query,
    openWork: openWork.list,
    playbooks: openPlaybooks({ ledger, registry, clock }),
    triggers: openTriggers({ store, ledger, registry, clock }),
    tokens: openTokens({ store, ledger, clock, entropy }),
    plugins(id) {
      const org = registry.org(id);
      const grants = new Map(org?.egress.grants.map((grant) => [grant.plugin, grant]));
      return [...(org?.plugins.values() ?? [])]
        .map((plugin) => ({
          ...plugin,
          granted: grants.has(plugin.name),
          may: mayOf(plugin.manifest, plugin.facts, grants.get(plugin.name) ?? null),
          trusted: org?.trusted?.get(plugin.name),
        }))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    connectors: openConnectors({ registry, breakers, worker, health, quarantines }),
    reported: (org) => reports.list(org, registry.org(org)?.egress.grants ?? []),
    stops,
    quarantined: quarantines.noted,
    auditExport: openExport({ store, clock }),

    secrets: {
      ...stored,
      ...openRotate({
        source: lent,
        ledger,
        registry,
        isChanging: stored.isChanging,
        check: async (org, name) => healthAfter(await health.check(org, name)),
        report,
      }),
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
      await tellOfStart();
      // Before anything is taken up: a kernel that starts stopped sends nothing.
      await stops.followMachine();
      for (const org of registry.orgs()) pending.takeUp(org);
      const former = await takeUpRuns({
        store,
        registry,
        driver,
        modules,
        load,
        isCallable,
        inFlight,
        children,
        noted,
        report,
      });
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
        void runEnds.sweep().catch(report);
        outbox.sweep();
        health.sweep();
        stops.followMachine().catch(report);
        void prune.sweep().catch(report);
      });
      return { ...recovered, former, open: openWork.count(inFlight.all()) };
    },

    stats: () => ({ inFlight: worker.busy(), cells: cells.stats() }),
    healthy: ledger.healthy,
    failure: ledger.failure,

    async stop() {
      stopTicking();
      isStopping = true;
      for (const { stop } of [timers, arrivals, runEnds]) stop();
      await building;
      await Promise.all([worker.stop(STOP_GRACE_MS), outbox.stop(), prune.stop(), health.stop()]);
      await lent.close(STOP_GRACE_MS);
      // A record that fails now must not keep the rest from being closed: it is told, and shows in `healthy`.
      const audit = lifeRecords('kernel.stopped');
      if (ledger.healthy() && audit.length > 0) await ledger.stage({ audit, rows: [] }).catch(report);
      await ledger.idle();
    },
  };
}
