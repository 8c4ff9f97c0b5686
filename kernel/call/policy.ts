import * as v from 'valibot';
import { NAME_PATTERN, noKeyTaken, notTaken } from '../../sdk/contract/name.ts';
import type { StepType } from '../../sdk/contract/plugin.ts';
import { closedObject } from '../../sdk/contract/wanted.ts';
import { LIMITS } from '../base/limits.ts';
import { own } from '../base/own.ts';
import { parseRate, RATE_FORM, type Rate } from '../base/rate.ts';
import { type DurationMs, durationMs, isDurationUpTo, LONGEST_TRY, parseDuration } from '../base/time.ts';

/**
 * The execution policy of an org (S 5.3, 12.3): how long a call may take, when a connector is left alone, how many calls
 * are carried out at a time. Data, in policies/execution. Every part may be left out; what is written here then holds.
 */
const duration = v.pipe(
  v.string(),
  v.check((text) => isDurationUpTo(text, LONGEST_TRY), 'use a whole number and a unit, e.g. 5s or 30m, up to 24h'),
  v.transform((text): DurationMs => parseDuration(text) ?? LONGEST_TRY),
);
const count = (most: number) => v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(most));
const named = <T extends v.GenericSchema>(entry: T) =>
  v.pipe(v.unknown(), noKeyTaken, v.record(v.pipe(v.string(), v.regex(NAME_PATTERN), notTaken), entry));

const rate = v.pipe(
  v.string(),
  v.check((text) => parseRate(text) !== undefined, RATE_FORM),
);

const failures = count(1_000);
const probes = count(100);
const Breaker = closedObject({
  failures: v.optional(failures, 5),
  window: v.optional(duration, '60s'),
  open: v.optional(duration, '30s'),
  probes: v.optional(probes, 1),
  connectors: v.optional(
    named(
      closedObject({
        failures: v.exactOptional(failures),
        window: v.exactOptional(duration),
        open: v.exactOptional(duration),
        probes: v.exactOptional(probes),
      }),
    ),
    {},
  ),
});

/** How often the connectors are asked how they are; `off`: never by themselves. */
const every = v.union(
  [
    v.pipe(
      duration,
      v.check((ms) => ms >= 10_000, 'too often'),
    ),
    v.pipe(
      v.literal('off'),
      v.transform(() => null),
    ),
  ],
  'use a duration from 10s to 24h, such as 5m, or off',
);
const HealthChecks = closedObject({
  every: v.optional(every, '5m'),
  failures: v.optional(failures, 2),
  timeout: v.optional(duration, '10s'),
  connectors: v.optional(
    named(
      closedObject({
        every: v.exactOptional(every),
        failures: v.exactOptional(failures),
        timeout: v.exactOptional(duration),
      }),
    ),
    {},
  ),
});

export const ExecutionPolicySchema = closedObject({
  $schema: v.optional(v.string()),
  apiVersion: v.literal('interlock/execution/v1'),
  timeouts: v.optional(
    closedObject({
      notify: v.optional(duration, '10s'),
      enrich: v.optional(duration, '10s'),
      open_ticket: v.optional(duration, '15s'),
      webhook: v.optional(duration, '15s'),
      contain: v.optional(duration, '30s'),
    }),
    {},
  ),
  breaker: v.optional(Breaker, {}),
  health: v.optional(HealthChecks, {}),
  concurrency: v.optional(
    closedObject({
      org: v.optional(count(LIMITS.callsUnderWay.value), 256),
      connector: v.optional(count(LIMITS.callsUnderWay.value), 32),
      connectors: v.optional(named(count(LIMITS.callsUnderWay.value)), {}),
    }),
    {},
  ),
  /** How many calls may begin in a time; what is beyond it waits. Without one there is no such limit. */
  rate: v.exactOptional(closedObject({ connector: v.exactOptional(rate), connectors: v.optional(named(rate), {}) })),
});
export type ExecutionPolicy = v.InferOutput<typeof ExecutionPolicySchema>;

/** What holds for an org that has no file of its own. */
export const DEFAULT_EXECUTION: ExecutionPolicy = v.parse(ExecutionPolicySchema, {
  apiVersion: 'interlock/execution/v1',
});

/** How long one call of a step may take: what the playbook says, else what the policy says for its kind of action. */
export const timeoutFor = (
  policy: ExecutionPolicy,
  step: { readonly type: StepType; readonly timeout: DurationMs | null },
): DurationMs => step.timeout ?? policy.timeouts[step.type];

export type BreakerPolicy = {
  /** Failures in a row, within the window, that open it. */
  readonly failures: number;
  readonly windowMs: DurationMs;
  /** How long nothing is sent once it is open. */
  readonly openMs: DurationMs;
  /** Calls at a time that may try after that. */
  readonly probes: number;
};

export function breakerFor({ breaker }: ExecutionPolicy, connector: string): BreakerPolicy {
  const { failures, window, open, probes } = { ...breaker, ...own(breaker.connectors, connector) };
  return { failures, windowMs: durationMs(window), openMs: durationMs(open), probes };
}

/** Calls of the connector that may be under way for the org. */
export const callsFor = ({ concurrency }: ExecutionPolicy, connector: string): number =>
  own(concurrency.connectors, connector) ?? concurrency.connector;

export type HealthPolicy = {
  /** Null: only when somebody asks. */
  readonly everyMs: DurationMs | null;
  /** Checks in a row that make it unhealthy. */
  readonly failures: number;
  /** Of one stage of a check. */
  readonly timeoutMs: DurationMs;
};

export function healthFor({ health }: ExecutionPolicy, connector: string): HealthPolicy {
  const { every: everyMs, failures, timeout } = { ...health, ...own(health.connectors, connector) };
  return { everyMs, failures, timeoutMs: timeout };
}

/** How many calls of the connector may begin in a time; undefined without a limit. */
export function rateFor({ rate }: ExecutionPolicy, connector: string): Rate | undefined {
  const written = rate && (own(rate.connectors, connector) ?? rate.connector);
  return written === undefined ? undefined : parseRate(written);
}
