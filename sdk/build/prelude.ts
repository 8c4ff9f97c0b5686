import { describe, dispatch, errorReply, failure, frames, logText } from '../author/dispatch.ts';
import type { PluginDefinition } from '../author/index.ts';
import type { CallEnvelope, HttpAnswer } from '../contract/plugin.ts';
import { createRandom } from './random.ts';

/**
 * Runs inside a sealed module, before the plugin. It makes the world that the plugin sees (clock, randomness, console)
 * and holds the one entry through which the bridge (shim.wat) calls in.
 *
 * Whatever may run code of the plugin, runs in `begin` or in a job, where the host can still end it.
 */

/** The functions of the bridge: clock, http, and one per log level. */
type Bridge = {
  readonly c: (unixMs: number) => void;
  readonly h: (request: string) => string;
  readonly d: (text: string) => void;
  readonly i: (text: string) => void;
  readonly w: (text: string) => void;
  readonly e: (text: string) => void;
};

const OP = { begin: 0, describe: 1, end: 2, overrun: 3 } as const;

/** Module scope is compile time: random there is the same in every build. */
const BUILD_SEED = ['1', '1'] as const;

/** Prepares the engine. Returns what takes the exports of plugin.ts and gives its description as JSON text. */
export function install(bridge: Bridge): (exports: { readonly default?: unknown }) => string {
  const { c: setClock, h: http, d: debug, i: info, w: warn, e: error } = bridge;
  const log = { debug, info, warn, error };
  const host = {
    http: (request: object) => JSON.parse(http(JSON.stringify(request))) as HttpAnswer,
    log: (level: keyof typeof log, text: string) => log[level](text),
  };
  let plugin: PluginDefinition | undefined;
  let reply: string | undefined;
  let tooEarly: Error | undefined;

  const consoleAt =
    (level: keyof typeof log) =>
    (...parts: readonly unknown[]) => {
      if (!plugin) {
        // Kept, so that the build fails even where the plugin catches it.
        tooEarly ??= new Error('console at module scope, which runs when the plugin is sealed: log inside an action');
        throw tooEarly;
      }
      log[level](logText(parts));
    };
  Object.assign(globalThis, {
    console: {
      debug: consoleAt('debug'),
      log: consoleAt('info'),
      info: consoleAt('info'),
      warn: consoleAt('warn'),
      error: consoleAt('error'),
    },
  });
  let seed: readonly [string, string] = BUILD_SEED;
  let random: (() => number) | undefined;
  // One function for ever, because a plugin may have kept it; seeded when first asked, because most calls never ask.
  Math.random = () => {
    random ??= createRandom(seed);
    return random();
  };

  const begin = (text: string): void => {
    reply = undefined;
    try {
      if (!plugin) throw new Error('sealed without a plugin');
      const envelope = JSON.parse(text) as CallEnvelope;
      setClock(envelope.now);
      seed = envelope.seed;
      random = undefined;
      const settle = (outcome: string) => {
        reply = outcome;
      };
      dispatch(plugin, envelope, host).then(settle, (fault) => settle(errorReply(fault)));
    } catch (fault) {
      reply = errorReply(fault);
    }
  };

  const entry = (op: number, argument: unknown): string | undefined => {
    if (op === OP.describe) return plugin && describe(plugin);
    if (op === OP.end) return argument === undefined ? (reply ?? NEVER_SETTLED) : errorReply(argument);
    // The host knows that it ended the call; this tells the author where the time went.
    if (op === OP.overrun) {
      return failure(
        'timeout',
        `the call was ended at its deadline${argument instanceof Error ? frames(argument) : ''}`,
      );
    }
    begin(String(argument));
    return undefined;
  };
  // Neither by accident nor on purpose does a plugin put itself between the bridge and this.
  Object.defineProperty(globalThis, '__interlock', { value: entry });

  return (exports) => {
    if (tooEarly) throw tooEarly;
    plugin = definition(exports.default);
    return describe(plugin);
  };
}

const NEVER_SETTLED = failure(
  'internal',
  'the action waits for a promise that nothing settles. A plugin has no timers: await ctx.fetch and what builds on it.',
);

/** The default export as a plugin. Throws an Error for the author when it is none. */
function definition(value: unknown): PluginDefinition {
  const plugin = value as PluginDefinition | undefined;
  if (typeof plugin !== 'object' || plugin === null || typeof plugin.actions !== 'object' || plugin.actions === null) {
    throw new Error('plugin.ts has no plugin as its default export. End it with: export default definePlugin({ ... })');
  }
  for (const [name, action] of Object.entries(plugin.actions)) {
    if (typeof action?.execute !== 'function') {
      throw new Error(`the action ${name} has no execute. Write: ${name}: { async execute(ctx, input) { ... } }`);
    }
  }
  return plugin;
}
