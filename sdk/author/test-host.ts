import type {
  CallEnvelope,
  HealthStage,
  HttpAnswer,
  HttpRequest,
  Operation,
  Plan,
  PluginReply,
} from '../contract/plugin.ts';
import { dispatch, type LogLevel } from './dispatch.ts';
import type { PluginDefinition } from './index.ts';

/**
 * Calls a plugin in plain Node: for unit tests, with the debugger at hand. The clock and the randomness of Node are not
 * replaced, so a plugin that wants the same answer here and in a cell reads `ctx.now`, not `Date.now()`.
 */

export type TestCall = {
  /** Left out for a stage of the health check. */
  readonly action?: string;
  /** `execute` when left out. */
  readonly op?: Operation | HealthStage;
  readonly input?: unknown;
  readonly plan?: Plan;
  readonly output?: unknown;
  readonly settings?: Readonly<Record<string, string>>;
  readonly attempt?: number;
  readonly idempotencyKey?: string;
  readonly now?: number;
  readonly seed?: readonly [string, string];
};

export type TestHost = {
  /** Stands for the network. Without it, a call that asks for anything fails. */
  readonly http?: (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>;
  readonly log?: (level: LogLevel, text: string) => void;
};

/** The envelope that the kernel would send for such a call. Everything left out has a fixed value. */
export const testEnvelope = (call: TestCall): CallEnvelope => ({
  action: call.action ?? '',
  op: call.op ?? 'execute',
  input: call.input ?? null,
  plan: call.plan ?? null,
  output: call.output ?? null,
  settings: call.settings ?? {},
  run: 'run_00000000000000000000000000000001',
  step: 'step',
  attempt: call.attempt ?? 1,
  idempotencyKey: call.idempotencyKey ?? 'run_00000000000000000000000000000001/step',
  now: call.now ?? Date.UTC(2026, 0, 2, 3, 4, 5),
  seed: call.seed ?? ['11400714819323198485', '14029467366897019727'],
});

/** One call and its reply, through JSON both ways as in a cell. */
export async function callPlugin(plugin: PluginDefinition, call: TestCall & TestHost): Promise<PluginReply> {
  const envelope = JSON.parse(JSON.stringify(testEnvelope(call))) as CallEnvelope;
  const http = call.http ?? noNetwork;
  const log = call.log ?? (() => {});
  return JSON.parse(await dispatch(plugin, envelope, { http, log })) as PluginReply;
}

/** An answer as a server would give it. `body` is sent as JSON unless it is text. */
export const answer = (
  status: number,
  body: unknown = '',
  headers: Readonly<Record<string, string>> = {},
): HttpAnswer => ({
  ok: true,
  status,
  headers,
  body: typeof body === 'string' ? body : JSON.stringify(body),
});

function noNetwork(): never {
  throw new Error('the plugin asks for something over HTTP, but the test gives no `http`');
}
