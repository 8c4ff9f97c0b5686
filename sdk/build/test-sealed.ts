import { type CurrentPlugin, createPlugin } from '@extism/extism';
import type { TestCall } from '../author/test-host.ts';
import { testEnvelope } from '../author/test-host.ts';
import type { HttpAnswer, HttpRequest, PluginReply } from '../contract/plugin.ts';

/** A sealed module in this process, for tests: the Extism engine with the two host functions of ours, and no wall. */

export type SealedOptions = {
  readonly http?: (request: HttpRequest) => HttpAnswer;
  /** Polled while JavaScript runs; true ends the call. */
  readonly interrupted?: () => boolean;
};

export async function openSealed(module: WebAssembly.Module, options: SealedOptions = {}) {
  const logs: string[] = [];
  const at =
    (level: string) =>
    (...parts: unknown[]) =>
      void logs.push(`${level} ${parts.join(' ')}`);
  const logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), trace: at('trace') };
  const http = (plugin: CurrentPlugin, block: bigint): bigint => {
    const request = plugin.read(block)?.json() as HttpRequest;
    if (!options.http) throw new Error('no http');
    return plugin.store(JSON.stringify(options.http(request)));
  };
  const plugin = await createPlugin(
    { wasm: [{ module, name: 'main' }] },
    {
      logger: logger as unknown as Console,
      functions: { 'interlock:host/v1': { http, interrupted: () => (options.interrupted?.() ? 1 : 0) } },
    },
  );
  const { exports } = await (
    plugin as unknown as { getInstance(name: string): Promise<WebAssembly.Instance> }
  ).getInstance('main');
  const memory = exports.memory as WebAssembly.Memory;
  const globals = Object.values(exports).filter((value) => value instanceof WebAssembly.Global);
  const image = new Uint8Array(memory.buffer).slice();
  const values = globals.map((global) => global.value);

  const callText = async (name: 'execute' | 'describe', input: string): Promise<string> => {
    const output = await plugin.call(name, input);
    return output?.text() ?? '';
  };
  return {
    logs,
    memory,
    image,
    callText,
    call: async (call: TestCall) =>
      JSON.parse(await callText('execute', JSON.stringify(testEnvelope(call)))) as PluginReply,
    /** Whether everything that a call can change is as it was after instantiation. */
    isFresh: () =>
      Buffer.compare(new Uint8Array(memory.buffer), image) === 0 &&
      globals.every((global, i) => global.value === values[i]),
    /** Puts memory and mutable globals back to what they were after instantiation; what the host does between calls. */
    async restore(): Promise<void> {
      await plugin.reset();
      new Uint8Array(memory.buffer).set(image);
      globals.forEach((global, i) => {
        global.value = values[i];
      });
    },
    close: () => plugin.close(),
  };
}
