import { type CallEnvelope, HEALTH_STAGES, type HealthStage } from '../../sdk/contract/plugin.ts';
import type { OrgId } from '../base/id.ts';
import type { DurationMs } from '../base/time.ts';
import type { HealthAnswer } from '../call/health.ts';
import type { CellHost } from '../port/cell-host.ts';
import type { Clock, Entropy } from '../port/clock.ts';
import type { Broker } from './broker.ts';
import { GRACE_MS, seedOf } from './caller.ts';
import { healthOf } from './outcome.ts';
import type { Plugin, Registry } from './registry.ts';

/**
 * Makes one health check: the stages that the plugin answers, in order, each a call in a cell with the broker as its one
 * way out. It changes nothing and belongs to no run.
 */
export function openHealthAsk(deps: {
  registry: Pick<Registry, 'org'>;
  cells: CellHost;
  broker: Broker;
  isStopped: (org: OrgId) => boolean;
  clock: Clock;
  entropy: Entropy;
  /** Ends what is under way: it was not asked then. */
  signal: AbortSignal;
}) {
  const { registry, cells, broker, isStopped, clock, entropy, signal } = deps;

  const callStage = async (org: OrgId, { name, digest, manifest }: Plugin, stage: HealthStage, timeoutMs: number) => {
    const egress = registry.org(org)?.egress;
    // Grants are those of now, as for every call.
    const grant = egress?.grants.find(({ plugin }) => plugin === name);
    const effect = stage === 'validate' || !manifest.capabilities.http ? 'none' : 'read';
    const way = broker.forStep({
      org,
      run: null,
      step: stage,
      attempt: 1,
      plugin: name,
      // A rule whose secret is for some actions may name the stage among them.
      action: stage,
      playbook: null,
      rules: grant?.rules ?? [],
      reports: false,
      proxy: egress?.proxy,
      effect,
      methods: effect === 'none' ? [] : ['GET', 'HEAD'],
      op: stage,
      idempotencyKey: '',
      traceparent: '',
      timeoutMs,
      signal,
    });
    const envelope: CallEnvelope = {
      action: '',
      op: stage,
      input: null,
      plan: null,
      output: null,
      settings: grant?.settings ?? {},
      run: '',
      step: '',
      attempt: 1,
      idempotencyKey: '',
      now: clock.now(),
      seed: seedOf(entropy),
    };
    const outcome = await cells.call({
      org,
      module: digest,
      envelope: JSON.stringify(envelope),
      softDeadlineMs: timeoutMs,
      hardDeadlineMs: timeoutMs + GRACE_MS,
      broker: way.handle,
      signal,
    });
    return { outcome, use: await way.close(), effect, checkOutput: () => undefined } as const;
  };

  /** @param timeoutMs of one stage. */
  return async (org: OrgId, plugin: Plugin, timeoutMs: DurationMs): Promise<HealthAnswer> => {
    for (const stage of HEALTH_STAGES) {
      if (!plugin.manifest.healthCheck?.includes(stage)) continue;
      if (isStopped(org) || signal.aborted) return { kind: 'unasked' };
      const answer = healthOf(await callStage(org, plugin, stage, timeoutMs));
      // A stop that came meanwhile kept it from asking.
      if (answer.kind !== 'well' && (isStopped(org) || signal.aborted)) return { kind: 'unasked' };
      if (answer.kind === 'failed') return { ...answer, stage };
      if (answer.kind === 'unasked') return { kind: 'unasked' };
    }
    return { kind: 'well' };
  };
}
