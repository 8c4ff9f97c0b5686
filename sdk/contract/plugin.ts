import * as v from 'valibot';
import { HTTP_METHODS, type HttpMethod } from './egress.ts';
import type { ErrorClass } from './error.ts';
import { NAME_PATTERN, noKeyTaken, notTaken } from './name.ts';
import { HEALTH_STAGES, type HealthStage, type Operation } from './operation.ts';
import { faultOfSchema, wantedSchema } from './parameter-schema.ts';
import { closedObject } from './wanted.ts';

/**
 * What a plugin and the kernel say to each other.
 *
 * A plugin is one WebAssembly module with two exports: `describe` (prints its name, version and actions) and `execute`.
 * Every call passes one JSON envelope in and takes one JSON reply out. A call has fresh state and no ambient power:
 * its clock stands still at `now`, its randomness comes from `seed`, its one way out is the brokered HTTP request.
 */

export { HEALTH_STAGES, type HealthStage, OPERATIONS, type Operation } from './operation.ts';

export type CallEnvelope = {
  /** Empty for a stage of the health check, which is of the plugin and not of an action. */
  readonly action: string;
  readonly op: Operation | HealthStage;
  readonly input: unknown;
  /** The approved plan, on `execute` and `rollback` of an action that plans. */
  readonly plan: Plan | null;
  /** The output of `execute`, on `rollback`. */
  readonly output: unknown;
  /** Non-secret settings of the org for this plugin, from its grant (e.g. the base URL of an appliance). */
  readonly settings: Readonly<Record<string, string>>;
  /** Empty, as `step` and `idempotencyKey`, for a stage of the health check. */
  readonly run: string;
  readonly step: string;
  /** From 1; the idempotency key below is the same over all attempts of a step. */
  readonly attempt: number;
  readonly idempotencyKey: string;
  /** Unix milliseconds; the only clock in the call. */
  readonly now: number;
  /** 128 bits of randomness for this call as two decimal unsigned 64-bit integers. */
  readonly seed: readonly [string, string];
};

export const PlanSchema = v.strictObject({
  /** One sentence an approver can decide on. */
  summary: v.pipe(v.string(), v.minLength(1), v.maxLength(500)),
  /** Everything the action would touch: the blast radius. */
  targets: v.pipe(
    v.array(v.strictObject({ kind: v.pipe(v.string(), v.maxLength(64)), id: v.pipe(v.string(), v.maxLength(512)) })),
    v.maxLength(1_000),
  ),
  reversible: v.boolean(),
  /** Anything the action wants to be told again on execute; part of what is approved. */
  details: v.optional(v.record(v.string(), v.union([v.string(), v.number(), v.boolean(), v.null()])), {}),
});
export type Plan = v.InferOutput<typeof PlanSchema>;

export type PluginReply =
  | { readonly ok: true; readonly output: unknown }
  | { readonly ok: false; readonly error: { readonly class: ErrorClass; readonly message: string } };

/** One HTTP request as a plugin asks for it. No secret, no Host, no Idempotency-Key: the broker sets those. */
export type HttpRequest = {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
};

/**
 * What comes back. `error` means that no usable answer came (refused connection, timeout, too large); the plugin may
 * handle it. A request that the grant forbids is not answered at all: it ends the call.
 */
export type HttpAnswer =
  | {
      readonly ok: true;
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: string;
    }
  | { readonly ok: false; readonly error: ErrorClass; readonly message: string };

const name = v.pipe(v.string(), v.regex(NAME_PATTERN, 'lower case letters, digits, single hyphens'), notTaken);

/** Step types of a playbook that call an action. The type decides the least tier and which guardrails apply. */
export const STEP_TYPES = ['notify', 'enrich', 'open_ticket', 'webhook', 'contain'] as const;
export type StepType = (typeof STEP_TYPES)[number];

const ParameterSchema = v.pipe(
  v.record(v.string(), v.unknown()),
  v.check(
    (schema) => faultOfSchema(schema) === undefined,
    ({ input }) => wantedSchema(input),
  ),
);

const ActionManifest = closedObject({
  /**
   * What a playbook may use the action as. Without it the strictest reading holds: `enrich` for what changes nothing,
   * `contain` for what does, so that an author cannot call a containment something milder.
   */
  types: v.optional(v.pipe(v.array(v.picklist(STEP_TYPES)), v.minLength(1))),
  title: v.pipe(v.string(), v.minLength(1), v.maxLength(120)),
  /** `none`: pure computation; `read`: may ask outside, changes nothing; `write`: changes something outside. */
  effect: v.picklist(['none', 'read', 'write']),
  /**
   * What it sends, of what is granted. Without it a `write` may send every method and a `read` GET and HEAD, so that a read
   * which asks by POST says so to whoever reviews it.
   */
  methods: v.optional(v.pipe(v.array(v.picklist(HTTP_METHODS)), v.minLength(1))),
  /**
   * What makes a repeat safe, for `write`: the target honours the idempotency key; the action has `check`; or nothing
   * does, and a person decides when an outcome is unknown.
   */
  idempotent: v.optional(v.picklist(['key', 'check', 'no']), 'no'),
  /** Whether the action exports `plan`. */
  plan: v.optional(v.boolean(), false),
  /** Whether the action exports `rollback`. */
  rollback: v.optional(v.boolean(), false),
  /** JSON Schema of the parameters and of the output. Checked by the kernel before and after the call. */
  input: ParameterSchema,
  output: ParameterSchema,
});
export type ActionManifest = v.InferOutput<typeof ActionManifest>;

/** The step types that an action may be used as. */
export const stepTypesOf = ({ types, effect }: Pick<ActionManifest, 'types' | 'effect'>): readonly StepType[] =>
  types ?? (effect === 'write' ? ['contain'] : ['enrich']);

/** The methods that an action may send where a grant covers them. */
export function methodsOf({ methods, effect }: Pick<ActionManifest, 'methods' | 'effect'>): readonly HttpMethod[] {
  if (effect === 'none') return [];
  return methods ?? (effect === 'read' ? ['GET', 'HEAD'] : HTTP_METHODS);
}

export const PluginManifestSchema = closedObject({
  $schema: v.optional(v.string()),
  apiVersion: v.literal('interlock/plugin/v1'),
  name,
  version: v.pipe(v.string(), v.regex(/^[0-9]+\.[0-9]+\.[0-9]+$/, 'major.minor.patch')),
  title: v.pipe(v.string(), v.minLength(1), v.maxLength(120)),
  /** What the plugin asks for. Whether it gets it, and for which hosts, is the org's egress policy. */
  capabilities: closedObject({
    http: v.boolean(),
    /** Secret names it expects the broker to carry for it; it never sees a value. */
    secrets: v.optional(v.array(name), []),
  }),
  /** JSON Schema of the settings that a grant must give. Checked when the kernel starts. */
  settings: v.exactOptional(ParameterSchema),
  /** The stages of the health check that the plugin answers. */
  healthCheck: v.exactOptional(
    v.pipe(
      v.array(v.picklist(HEALTH_STAGES)),
      v.minLength(1),
      v.check((stages) => new Set(stages).size === stages.length, 'each stage once'),
    ),
  ),
  actions: v.pipe(v.unknown(), noKeyTaken, v.record(name, ActionManifest), v.minEntries(1), v.maxEntries(64)),
});
export type PluginManifest = v.InferOutput<typeof PluginManifestSchema>;

/** The custom section of a sealed module that holds the manifest as JSON. */
export const MANIFEST_SECTION = 'interlock:manifest';
