import * as v from 'valibot';
import { Instant, Name, Principal, Sentence } from './api-word.ts';
import { ERROR_CLASSES, type ErrorClass } from './error.ts';
import { HEALTH_STAGES } from './plugin.ts';

/** How the calls of an org are doing, and what stops them, as the API shows it. */
const errorClass = v.picklist(Object.keys(ERROR_CLASSES) as [ErrorClass, ...ErrorClass[]]);
const Count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** What the health checks of a connector say. */
const Health = v.object({
  /** `unknown`: never checked; `unchecked`: the plugin answers none, or has no grant. */
  state: v.picklist(['healthy', 'unhealthy', 'unknown', 'unchecked']),
  since: v.nullable(Instant),
  /** Of the last check, whatever it came to. */
  checkedAt: v.nullable(Instant),
  /** What the last check that failed has failed at, and how; null when the last check went well. */
  failure: v.nullable(v.object({ stage: v.picklist(HEALTH_STAGES), class: errorClass, message: v.string() })),
});

export const Connector = v.object({
  /** Name of the plugin. */
  connector: Name,
  /** Of its circuit breaker. `open`: its calls end at once; `half_open`: trial calls find out whether it is well. */
  state: v.picklist(['closed', 'open', 'half_open']),
  /** When it left the closed state; null while it is closed. */
  since: v.nullable(Instant),
  /** When the next call may try; null while it is closed. */
  retryAt: v.nullable(Instant),
  /** Failures in a row that count at present; at some number it opens. */
  failures: Count,
  inFlight: Count,
  /** Calls that wait for a place, or for the release of a stop. */
  waiting: Count,
  /** Calls that may be under way at a time. */
  limit: Count,
  /** Older servers do not say. */
  health: v.optional(Health),
  /** Until when the plugin does not run, because it killed its cells again and again; null: it runs. Older servers do not say. */
  quarantinedUntil: v.optional(v.nullable(Instant)),
});
export type Connector = v.InferOutput<typeof Connector>;

/** A rule to paste into the egress policy, for what a plugin in report mode asked for beyond its rules. */
export const EgressReported = v.object({
  plugin: Name,
  rule: v.object({
    scheme: v.string(),
    host: v.string(),
    port: Count,
    methods: v.array(v.string()),
    pathPrefix: v.string(),
    /** Blocks of addresses that are not public, where the host led to one. */
    addresses: v.optional(v.array(v.string())),
    headers: v.optional(v.array(v.string())),
  }),
  /** How many it would have been used for. */
  requests: Count,
  /** How many of these did not leave, because their address, or the proxy, was against it. Older servers do not say. */
  refused: v.optional(Count),
  first: Instant,
  last: Instant,
  /** Run and step of the last one. */
  run: v.string(),
  step: v.string(),
});
export type EgressReported = v.InferOutput<typeof EgressReported>;

/** `changed` says whether the request did it; false: it was so already. Older servers do not say. */
const changed = { changed: v.optional(v.boolean()) };
export const ConnectorReset = v.object({ ...Connector.entries, ...changed });
/** `unasked`: nothing was asked: there is nothing to ask (`unchecked`), or a stop or a lack of cells kept it from that. */
export const ConnectorCheck = v.object({ ...Connector.entries, check: v.picklist(['well', 'failed', 'unasked']) });

const Stop = v.object({
  reason: v.string(),
  by: Principal,
  at: Instant,
  released: v.nullable(v.object({ by: Principal, at: Instant })),
});

/** The stop switches that concern an org. Each part is the last stop of its kind, or null where there never was one. */
export const StopState = v.object({
  /** Whether one of them is engaged: nothing is sent, and no event starts a run. */
  stopped: v.boolean(),
  org: v.nullable(Stop),
  /** Of the whole machine; its operator alone engages and releases it. */
  machine: v.nullable(Stop),
});
export type StopState = v.InferOutput<typeof StopState>;
/** After the switch of the org was turned. */
export const StopTurned = v.object({ ...StopState.entries, ...changed });

export const StopForm = v.strictObject({ reason: Sentence });
