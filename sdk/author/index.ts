import type { Plan } from '../contract/plugin.ts';

/**
 * What a plugin imports. A plugin is one file whose default export is `definePlugin({...})`; it runs unchanged in plain
 * Node (for tests, see test-host.ts) and sealed in a cell.
 *
 * Module scope is compile time: it runs once, when the plugin is sealed, without clock, randomness or network. Every
 * call begins from that state; nothing that one call leaves behind is there in the next.
 */

export { classOfStatus, requireSuccess } from './http-status.ts';
export { resolvePointer } from './json-pointer.ts';
export { PluginError } from './plugin-error.ts';

export type FetchInit = {
  /** `GET` when left out. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Sent as the body, with `content-type: application/json` unless the headers say otherwise. */
  readonly json?: unknown;
};

export type FetchResponse = {
  readonly status: number;
  /** Status 200 to 299. */
  readonly ok: boolean;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  text(): Promise<string>;
  /** Rejects with PluginError `upstream_error` when the body is not JSON. */
  json(): Promise<unknown>;
};

/** Strings are logged as they are, anything else as JSON. */
export type Log = (...parts: readonly unknown[]) => void;

export type ActionContext = {
  /**
   * The one way out. Which hosts, methods and paths are granted, and which secret rides in which header, is the egress
   * policy of the org; the plugin never holds a secret, and never sets Host or Idempotency-Key.
   * Rejects with PluginError when no usable answer came. An answer of any status resolves; see `requireSuccess`.
   */
  readonly fetch: (url: string, init?: FetchInit) => Promise<FetchResponse>;
  readonly log: { readonly debug: Log; readonly info: Log; readonly warn: Log; readonly error: Log };
  /** What the org set for this plugin in its egress policy, e.g. the base URL of an appliance. */
  readonly settings: Readonly<Record<string, string>>;
  readonly run: string;
  readonly step: string;
  /** From 1. */
  readonly attempt: number;
  /** The same over all attempts of a step. */
  readonly idempotencyKey: string;
  /** Unix milliseconds. The clock stands still for the length of a call. */
  readonly now: number;
};

/** What a stage of the health check gets: there is no run. Of the requests it may send GET and HEAD. */
export type HealthContext = Pick<ActionContext, 'fetch' | 'log' | 'settings' | 'now'>;

/** What `plan` returns: a Plan whose details may be left out. */
export type ProposedPlan = Omit<Plan, 'details'> & Partial<Pick<Plan, 'details'>>;

/** Whether an earlier try happened, and what it gave, where that can be known. */
export type Checked = { readonly done: boolean; readonly output?: unknown };

/**
 * One thing a plugin can do. `input` has been checked against the JSON Schema in manifest.json, so an action declares
 * the type that the schema describes: `execute(ctx, input: { ip: string })`.
 */
export type Action = {
  /** Says what `execute` would touch. Changes nothing. */
  plan?(ctx: ActionContext, input: unknown): ProposedPlan | Promise<ProposedPlan>;
  /** @param approved The plan a person or a rule agreed to; null when the action does not plan. */
  execute(ctx: ActionContext, input: unknown, approved: { readonly plan: Plan | null }): unknown;
  /** Whether the effect of `execute` is there; asked when its outcome is unknown. */
  check?(ctx: ActionContext, input: unknown): Checked | Promise<Checked>;
  /** Undoes what `execute` did. */
  rollback?(
    ctx: ActionContext,
    input: unknown,
    done: { readonly plan: Plan | null; readonly output: unknown },
  ): unknown;
};

export type PluginDefinition = {
  /** Name, version and actions must be those of manifest.json; sealing compares them. */
  readonly name: string;
  readonly version: string;
  readonly actions: Readonly<Record<string, Action>>;
  /**
   * The health check of the connector, stage by stage; each that is there stands in `healthCheck` of manifest.json. A stage
   * that returns is well; one that throws says in its PluginError what is wrong: `invalid_input` for a setting,
   * `unauthorized` for a credential, `unavailable` for a target.
   */
  /** Whether the settings make sense. Sends nothing. */
  validate?(ctx: HealthContext): void | Promise<void>;
  /** Whether the target accepts the credential that the broker puts in. */
  auth?(ctx: HealthContext): void | Promise<void>;
  /** Whether the target does its work. */
  health?(ctx: HealthContext): void | Promise<void>;
};

export const definePlugin = (plugin: PluginDefinition): PluginDefinition => plugin;
