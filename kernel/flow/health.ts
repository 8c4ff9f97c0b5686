import type { ErrorClass } from '../../sdk/contract/error.ts';
import type { HealthStage } from '../../sdk/contract/plugin.ts';
import { digestOf } from '../base/digest.ts';
import type { OrgId } from '../base/id.ts';
import type { UnixMs } from '../base/time.ts';
import { type Health, type HealthAnswer, type Pulse, pulseAfter, UNKNOWN } from '../call/health.ts';
import { DEFAULT_EXECUTION, healthFor } from '../call/policy.ts';
import type { Principal } from '../org/principal.ts';
import type { CellHost } from '../port/cell-host.ts';
import type { Clock, Entropy } from '../port/clock.ts';
import type { Broker } from './broker.ts';
import { openHealthAsk } from './health-ask.ts';
import { KEYS } from './keys.ts';
import type { Ledger } from './ledger.ts';
import type { Plugin, Registry } from './registry.ts';
import type { Scheduler } from './scheduler.ts';
import { lifecycleRow } from './tell.ts';

/**
 * When connectors are asked how they are (by the clock, and when a person asks) and what becomes of the answer: that one
 * became healthy or unhealthy is on record, with the row that outlives a restart. How it is asked: `health-ask.ts`.
 */
export type HealthState = {
  /** Null: the plugin answers no health check, or has no grant. */
  readonly health: Health | null;
  /** The last one that asked something, in this life of the kernel. */
  readonly checked: { readonly at: UnixMs; readonly answer: Exclude<HealthAnswer, { kind: 'unasked' }> } | null;
};
export type HealthChange = {
  readonly org: OrgId;
  readonly connector: string;
  readonly health: Exclude<Health, { state: 'unknown' }>;
};

/** Checks at a time by the clock, over all orgs: they must not take the cells from the work. */
const AT_ONCE = 4;
/** How often it is looked for what is due, and within what time the first checks of a start are spread, in milliseconds. */
const LOOK_MS = 1_000;
const FIRST_WITHIN_MS = 10_000;
/** A message is foreign text; what outlives a restart holds the class only. */
const FORMER = 'as it was when the kernel last stopped';

/** `due` is on the clock of the scheduler. */
type Watched = {
  pulse: Pulse;
  checked: HealthState['checked'];
  due: number;
  running: Promise<HealthAnswer> | null;
  /** A check that begins when the running one is over: what is asked for now must see what is there now. */
  next: Promise<HealthAnswer> | null;
};

export type HealthChecks = ReturnType<typeof openHealthChecks>;

export function openHealthChecks(deps: {
  ledger: Pick<Ledger, 'read' | 'stage' | 'nextSeq'>;
  registry: Pick<Registry, 'org' | 'orgs'>;
  cells: CellHost;
  broker: Broker;
  isStopped: (org: OrgId) => boolean;
  clock: Clock;
  entropy: Entropy;
  scheduler: Scheduler;
  report: (defect: unknown) => void;
  tell?: ((change: HealthChange) => void) | undefined;
}) {
  const { ledger, registry, cells, broker, isStopped, clock, entropy, scheduler, report, tell } = deps;
  /** Bounded by the connectors of the orgs. */
  const watched = new Map<string, Watched>();
  const stopping = new AbortController();
  const { signal } = stopping;
  const ask = openHealthAsk({ registry, cells, broker, isStopped, clock, entropy, signal });
  let looked = -Infinity;
  let running = 0;

  const policyOf = (org: OrgId, connector: string) =>
    healthFor(registry.org(org)?.execution ?? DEFAULT_EXECUTION, connector);
  const grantOf = (org: OrgId, connector: string) =>
    registry.org(org)?.egress.grants.find(({ plugin }) => plugin === connector);
  /** What there is to be asked; undefined where there is nothing. */
  const askable = (org: OrgId, connector: string): Plugin | undefined => {
    const plugin = registry.org(org)?.plugins.get(connector);
    return plugin?.manifest.healthCheck && grantOf(org, connector) ? plugin : undefined;
  };

  /** What is checked by the clock. */
  const scheduled = (org: OrgId): readonly Plugin[] =>
    [...(registry.org(org)?.plugins.keys() ?? [])].flatMap((name) =>
      policyOf(org, name).everyMs === null ? [] : (askable(org, name) ?? []),
    );

  const watch = (org: OrgId, connector: string): Watched => {
    const key = KEYS.health(org, connector);
    const known = watched.get(key);
    if (known) return known;
    const text = ledger.read(key);
    const health = text === undefined ? UNKNOWN.health : formerOf(JSON.parse(text) as HealthRow);
    const one: Watched = {
      pulse: { health, failures: 0 },
      checked: null,
      due: scheduler.elapsed() + spreadOf(key),
      running: null,
      next: null,
    };
    watched.set(key, one);
    return one;
  };

  /** The change and its record in one commit. */
  const move = async (org: OrgId, connector: string, health: HealthChange['health']): Promise<void> => {
    const now = clock.now();
    const data = { seq: ledger.nextSeq(), connector };
    const actor = 'system:health';
    tell?.({ org, connector, health });
    const isWell = health.state === 'healthy';
    await ledger.stage({
      audit: [
        isWell
          ? { org, kind: 'connector.healthy', actor, ref: connector }
          : {
              org,
              kind: 'connector.unhealthy',
              actor,
              ref: connector,
              step: health.stage,
              outcome: health.error.class,
            },
      ],
      rows: [
        { key: KEYS.health(org, connector), value: JSON.stringify(rowOf(health)) },
        lifecycleRow(
          org,
          now,
          isWell
            ? { type: 'interlock.connector.healthy', subject: connector, data }
            : {
                type: 'interlock.connector.unhealthy',
                subject: connector,
                data: { ...data, stage: health.stage, class: health.error.class },
              },
        ),
      ],
    });
  };

  const run = async (org: OrgId, plugin: Plugin, one: Watched): Promise<HealthAnswer> => {
    const policy = policyOf(org, plugin.name);
    running += 1;
    try {
      const answer = await ask(org, plugin, policy.timeoutMs);
      if (answer.kind !== 'unasked') one.checked = { at: clock.now(), answer };
      const before = one.pulse.health;
      one.pulse = pulseAfter(one.pulse, answer, policy.failures, clock.now());
      const { health } = one.pulse;
      if (health.state !== before.state && health.state !== 'unknown') await move(org, plugin.name, health);
      return answer;
    } finally {
      running -= 1;
      one.due = scheduler.elapsed() + (policy.everyMs ?? Infinity);
      one.running = null;
    }
  };

  const begin = (org: OrgId, plugin: Plugin, one: Watched): Promise<HealthAnswer> => {
    one.running = run(org, plugin, one);
    return one.running;
  };

  /** A check that begins from now on. */
  const checkAnew = (org: OrgId, plugin: Plugin): Promise<HealthAnswer> => {
    const one = watch(org, plugin.name);
    if (!one.running) return begin(org, plugin, one);
    one.next ??= one.running
      .catch(() => undefined)
      .then(() => {
        one.next = null;
        return begin(org, plugin, one);
      });
    return one.next;
  };

  return {
    show(org: OrgId, connector: string): HealthState {
      if (!askable(org, connector)) return { health: null, checked: null };
      const { pulse, checked } = watch(org, connector);
      return { health: pulse.health, checked };
    },

    /** Asks now. Null: there is nothing to ask. Rejects when the record has failed. */
    async check(org: OrgId, connector: string): Promise<HealthAnswer | null> {
      const plugin = askable(org, connector);
      return plugin ? checkAnew(org, plugin) : null;
    },

    /** As `check`, for a person, on the record. */
    async checkFor(by: Principal, connector: string): Promise<HealthAnswer | null> {
      const plugin = askable(by.org, connector);
      if (!plugin) return null;
      const answer = await checkAnew(by.org, plugin);
      const outcome = answer.kind === 'failed' ? answer.error.class : answer.kind;
      const actor = `principal:${by.id}`;
      await ledger.stage({
        audit: [{ org: by.org, kind: 'connector.checked', actor, ref: connector, outcome }],
        rows: [],
      });
      return answer;
    },

    /** Begins what is due, what has been due for longest first. */
    sweep(): void {
      const now = scheduler.elapsed();
      if (now - looked < LOOK_MS || running >= AT_ONCE || signal.aborted) return;
      looked = now;
      const due = registry
        .orgs()
        .filter((org) => !isStopped(org))
        .flatMap((org) => scheduled(org).map((plugin) => ({ org, plugin, one: watch(org, plugin.name) })))
        .filter(({ one }) => one.due <= now && !one.running)
        .sort((a, b) => a.one.due - b.one.due);
      // Rejects when the record has failed, and then the process is on its way out.
      for (const { org, plugin, one } of due.slice(0, AT_ONCE - running)) begin(org, plugin, one).catch(report);
    },

    /** Cuts off what is under way; it changes nothing. */
    async stop(): Promise<void> {
      stopping.abort('the kernel stops');
      await Promise.allSettled([...watched.values()].flatMap(({ running: one, next }) => [one, next]));
    },
  };
}

type HealthRow =
  | { readonly state: 'healthy'; readonly since: UnixMs }
  | { readonly state: 'unhealthy'; readonly since: UnixMs; readonly stage: HealthStage; readonly class: ErrorClass };

const rowOf = (health: HealthChange['health']): HealthRow =>
  health.state === 'healthy'
    ? health
    : { state: 'unhealthy', since: health.since, stage: health.stage, class: health.error.class };
const formerOf = (row: HealthRow): Health =>
  row.state === 'healthy'
    ? row
    : { state: 'unhealthy', since: row.since, stage: row.stage, error: { class: row.class, message: FORMER } };

/** The same for a connector at every start, and different for most. */
const spreadOf = (key: string): number => Number.parseInt(digestOf(key).slice(7, 13), 16) % FIRST_WITHIN_MS;
