import { type ErrorClass, isErrorClass } from '../contract/error.ts';
import { HEALTH_STAGES, type HealthStage, OPERATIONS } from '../contract/operation.ts';
import type { CallEnvelope, HttpAnswer, HttpRequest } from '../contract/plugin.ts';
import { ABSENT } from './absent.ts';
import type { ActionContext, FetchInit, FetchResponse, PluginDefinition } from './index.ts';
import { PluginError } from './plugin-error.ts';

/**
 * Runs one call of a plugin. The same code runs in a sealed module and in plain Node, so that a test in Node means what
 * it says. What differs is the host.
 */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export type DispatchHost = {
  readonly http: (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>;
  readonly log: (level: LogLevel, text: string) => void;
};

const MESSAGE_CHARS_MAX = 2_000;
const FRAMES_MAX = 12;

/** @returns the JSON text of a PluginReply. Never rejects. */
export async function dispatch(plugin: PluginDefinition, envelope: CallEnvelope, host: DispatchHost): Promise<string> {
  try {
    const output = await callAction(plugin, envelope, host);
    return `{"ok":true,"output":${JSON.stringify(output) ?? 'null'}}`;
  } catch (error) {
    return errorReply(error);
  }
}

/** What the plugin can do: JSON text of `{name, version, actions: {name: {ops}}, healthCheck}`. */
export function describe(plugin: PluginDefinition): string {
  const actions = Object.entries(plugin.actions).map(([name, action]) => [
    name,
    { ops: OPERATIONS.filter((op) => typeof action[op] === 'function') },
  ]);
  const healthCheck = HEALTH_STAGES.filter((stage) => typeof plugin[stage] === 'function');
  return JSON.stringify({
    name: plugin.name,
    version: plugin.version,
    actions: Object.fromEntries(actions),
    healthCheck,
  });
}

const isHealthStage = (op: CallEnvelope['op']): op is HealthStage => HEALTH_STAGES.some((stage) => stage === op);

function callAction(plugin: PluginDefinition, envelope: CallEnvelope, host: DispatchHost): unknown {
  const { action: name, op, input, plan, output } = envelope;
  if (isHealthStage(op)) return askHealth(plugin, op, contextOf(envelope, host));
  const action = Object.hasOwn(plugin.actions, name) ? plugin.actions[name] : undefined;
  if (!action) {
    throw new PluginError(
      'invalid_input',
      `no such action; this plugin has: ${Object.keys(plugin.actions).join(', ')}`,
    );
  }
  const ctx = contextOf(envelope, host);
  // Called on the action, so that a method may use `this`.
  if (op === 'execute') return action.execute(ctx, input, { plan });
  if (op === 'plan' && action.plan) return action.plan(ctx, input);
  if (op === 'check' && action.check) return action.check(ctx, input);
  if (op === 'rollback' && action.rollback) return action.rollback(ctx, input, { plan, output });
  const ops = OPERATIONS.filter((known) => typeof action[known] === 'function').join(', ');
  throw new PluginError('invalid_input', `the action has no such operation; it has: ${ops}`);
}

async function askHealth(plugin: PluginDefinition, stage: HealthStage, ctx: ActionContext): Promise<null> {
  const ask = plugin[stage];
  if (typeof ask !== 'function') {
    throw new PluginError('invalid_input', `the plugin has no ${stage} in its health check`);
  }
  await ask.call(plugin, ctx);
  return null;
}

function contextOf(envelope: CallEnvelope, host: DispatchHost): ActionContext {
  const { settings, run, step, attempt, idempotencyKey, now } = envelope;
  const logAt =
    (level: LogLevel) =>
    (...parts: readonly unknown[]) =>
      host.log(level, logText(parts));
  return {
    fetch: (url, init = {}) => fetchThrough(host, url, init),
    log: { debug: logAt('debug'), info: logAt('info'), warn: logAt('warn'), error: logAt('error') },
    settings,
    run,
    step,
    attempt,
    idempotencyKey,
    now,
  };
}

export const logText = (parts: readonly unknown[]): string =>
  parts.map((part) => (typeof part === 'string' ? part : (JSON.stringify(part) ?? String(part)))).join(' ');

async function fetchThrough(host: DispatchHost, url: string, init: FetchInit): Promise<FetchResponse> {
  const headers = lowerCased(init.headers ?? {});
  if (init.json !== undefined) headers['content-type'] ??= 'application/json';
  const body = init.json === undefined ? (init.body ?? null) : JSON.stringify(init.json);
  const method = (init.method ?? 'GET').toUpperCase();
  const answer = await host.http({ url, method, headers, body });
  if (!answer.ok) throw new PluginError(answer.error, answer.message);
  return {
    status: answer.status,
    ok: answer.status >= 200 && answer.status <= 299,
    headers: lowerCased(answer.headers),
    text: async () => answer.body,
    json: async () => parseAnswer(answer.body),
  };
}

const lowerCased = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

function parseAnswer(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new PluginError('upstream_error', 'the server answered with a body that is not JSON');
  }
}

/** JSON text of the reply that a thrown value means. Reads whatever the plugin threw, so it trusts no property of it. */
export function errorReply(thrown: unknown): string {
  try {
    if (thrown instanceof PluginError)
      return failure(isErrorClass(thrown.class) ? thrown.class : 'internal', thrown.message);
    if (thrown instanceof Error) {
      return failure('internal', `${thrown.name}: ${thrown.message}${hint(thrown)}${frames(thrown)}`);
    }
    return failure('internal', `a value that is no Error was thrown: ${logText([thrown])}`);
  } catch {
    return failure('internal', 'a value that cannot be shown was thrown');
  }
}

export const failure = (errorClass: ErrorClass, message: string): string =>
  JSON.stringify({ ok: false, error: { class: errorClass, message: String(message).slice(0, MESSAGE_CHARS_MAX) } });

/**
 * The frames of a stack, innermost first, each on a line of its own, as far as they are the plugin's.
 * V8 puts a header before them, QuickJS does not.
 */
export function frames(error: Error): string {
  const lines = String(error.stack ?? '').split('\n');
  return lines
    .filter((line) => /^\s+at /.test(line) && !line.includes('(prelude.js:'))
    .slice(0, FRAMES_MAX)
    .map((line) => `\n${line.trimEnd()}`)
    .join('');
}

function hint(error: Error): string {
  const missing =
    error.name === 'ReferenceError' ? /^'?([A-Za-z]+)'? is not defined/.exec(error.message)?.[1] : undefined;
  const instead = missing !== undefined && Object.hasOwn(ABSENT, missing) ? ABSENT[missing] : undefined;
  return instead === undefined ? '' : ` (${instead})`;
}
