import { isUtf8 } from 'node:buffer';
import { openHostMemory } from './host-memory.ts';
import type { Quota } from './quota.ts';
import { type RawLog, type RawResult, VERDICT } from './result-frame.ts';

/**
 * The whole host ABI that a plugin can import, in place of Extism's own host functions.
 *
 * Owns: the state of the present call (blocks, logs, variables, output), its quotas, and how the call ended.
 * Neighbours: admission grants exactly these names; the kernel judges what `http` asks.
 *
 * - H1 every call begins with new state; nothing of an earlier call can be reached.
 * - H2 a refusal sticks: after the first one every host function throws, and the result is the refusal, whatever the
 *   plugin does (a module can catch what a host function throws, and go on).
 * - H3 no host function throws text of its own or of the host to the plugin: always the same error.
 */
export type Host = {
  readonly functions: Readonly<Record<string, Readonly<Record<string, HostFunction>>>>;
  /** @param softDeadlineAt On the clock of `performance.now()`. */
  begin(input: Uint8Array, softDeadlineAt: number): void;
  /** Ends the call. @param ended What the export returned, or what it threw. Valid until the next `begin`. */
  end(ended: { readonly code: unknown } | { readonly thrown: unknown }): RawResult;
};

/** Extism puts its own context in front of the arguments; ours are closures and do not use it. */
type HostFunction = (context: unknown, ...args: never[]) => unknown;

/** @returns the answer's JSON, or undefined when the broker denied the request. */
export type Transport = (request: Uint8Array) => Uint8Array | undefined;

type Ending = { readonly verdict: number; readonly reason: string };

const STOPPED = new Error('the call was stopped by its host');
const OUTSIDE: Ending = { verdict: VERDICT.crashed, reason: 'The plugin used an address outside its host memory.' };
const NOT_IN_CALL: Ending = {
  verdict: VERDICT.crashed,
  reason: 'The plugin called its host while it was being set up.',
};
const NOT_TEXT: Ending = { verdict: VERDICT.crashed, reason: 'The reply is not UTF-8.' };
const OVERRAN: Ending = { verdict: VERDICT.overran, reason: '' };
const refused = (reason: string): Ending => ({ verdict: VERDICT.refused, reason });
const NO_BYTES = new Uint8Array(0);

export function createHost(quota: Quota, transport: Transport): Host {
  const memory = openHostMemory(quota.hostBytes, quota.blocks);
  const encoder = new TextEncoder();
  let ending: Ending | undefined = NOT_IN_CALL;
  let softDeadlineAt = 0;
  let overran = false;
  let inputAt = 0;
  let outputAt = 0;
  let outputBytes = 0;
  let errorAt = 0;
  let logs: RawLog[] = [];
  let logBytes = 0;
  let vars: Map<string, Uint8Array> | undefined;

  /** No call: host functions are closed, and nothing of the last call is left but the bytes that its result shows. */
  function forget(): void {
    ending = NOT_IN_CALL;
    overran = false;
    outputAt = 0;
    outputBytes = 0;
    errorAt = 0;
    logs = [];
    logBytes = 0;
    vars = undefined;
  }
  function stop(why: Ending): never {
    ending ??= why;
    throw STOPPED;
  }
  /** The address as a number, when `bytes` bytes may be used there. */
  function within(address: bigint, bytes: number): number {
    const at = Number(address);
    if (ending !== undefined || !memory.holds(at, bytes)) stop(OUTSIDE);
    return at;
  }
  function block(address: bigint): Uint8Array {
    const bytes = ending === undefined ? memory.bytesAt(Number(address)) : undefined;
    return bytes ?? stop(OUTSIDE);
  }
  function placed(address: number): bigint {
    if (address === 0)
      stop(refused(`The plugin used more host memory than ${quota.hostBytes} bytes or ${quota.blocks} blocks.`));
    return BigInt(address);
  }
  /** Where `offset` of the input lies. */
  function inInput(offset: bigint, bytes: number): number {
    const at = Number(offset);
    if (ending !== undefined || !(at >= 0 && at + bytes <= memory.lengthOf(inputAt))) stop(OUTSIDE);
    return inputAt + at;
  }
  const proceed = () => {
    if (ending !== undefined) stop(ending);
  };
  const keyOf = (address: bigint) => {
    const bytes = block(address);
    if (bytes.length > 256) stop(refused('The plugin used a variable name of more than 256 bytes.'));
    return Buffer.from(bytes).toString('latin1');
  };
  const log = (level: RawLog['level']) => (_: unknown, address: bigint) => {
    const text = block(address);
    logBytes += text.length;
    if (logs.length >= quota.logs || logBytes > quota.logBytes) {
      stop(refused(`The plugin wrote more log than ${quota.logs} lines or ${quota.logBytes} bytes.`));
    }
    logs.push({ level, text: text.slice() });
  };

  const extism = {
    alloc: (_: unknown, bytes: bigint) => {
      proceed();
      return placed(memory.allocate(Number(bytes)));
    },
    free: (_: unknown, address: bigint) => {
      proceed();
      memory.free(Number(address));
    },
    length: (_: unknown, address: bigint) => {
      proceed();
      return BigInt(Math.max(0, memory.lengthOf(Number(address))));
    },
    length_unsafe: (_: unknown, address: bigint) => {
      proceed();
      return BigInt(Math.max(0, memory.lengthOf(Number(address))));
    },
    load_u8: (_: unknown, address: bigint) => memory.view().getUint8(within(address, 1)),
    load_u64: (_: unknown, address: bigint) => memory.view().getBigUint64(within(address, 8), true),
    store_u8: (_: unknown, address: bigint, value: number) => memory.view().setUint8(within(address, 1), value),
    store_u64: (_: unknown, address: bigint, value: bigint) =>
      memory.view().setBigUint64(within(address, 8), value, true),
    input_offset: () => {
      proceed();
      return BigInt(inputAt);
    },
    input_length: () => {
      proceed();
      return BigInt(memory.lengthOf(inputAt));
    },
    input_load_u8: (_: unknown, offset: bigint) => memory.view().getUint8(inInput(offset, 1)),
    input_load_u64: (_: unknown, offset: bigint) => memory.view().getBigUint64(inInput(offset, 8), true),
    output_set: (_: unknown, address: bigint, bytes: bigint) => {
      const length = Number(bytes);
      if (length > quota.outputBytes) stop(refused(`The reply has more than ${quota.outputBytes} bytes.`));
      if (!(length >= 0)) stop(OUTSIDE);
      outputAt = within(address, length);
      outputBytes = length;
    },
    error_set: (_: unknown, address: bigint) => {
      if (address !== 0n) block(address);
      errorAt = Number(address);
    },
    // Settings are in the envelope of the call; there is no other configuration.
    config_get: (_: unknown, address: bigint) => {
      block(address);
      return 0n;
    },
    var_get: (_: unknown, name: bigint) => {
      const value = vars?.get(keyOf(name));
      return value === undefined ? 0n : placed(memory.store(value));
    },
    var_set: (_: unknown, name: bigint, value: bigint) => {
      const key = keyOf(name);
      vars ??= new Map();
      if (value === 0n) {
        vars.delete(key);
        return;
      }
      const bytes = block(value);
      if (bytes.length > quota.varBytes || (vars.size >= quota.vars && !vars.has(key))) {
        stop(refused(`The plugin kept more than ${quota.vars} variables or one of more than ${quota.varBytes} bytes.`));
      }
      vars.set(key, bytes.slice());
    },
    // `info`, in the numbers of the Extism kernel. Lower levels are kept all the same.
    get_log_level: () => 2,
    log_trace: log('trace'),
    log_debug: log('debug'),
    log_info: log('info'),
    log_warn: log('warn'),
    log_error: log('error'),
  };

  const interlock = {
    http: (_: unknown, address: bigint) => {
      const request = block(address);
      if (request.length > quota.requestBytes) stop(refused(`A request has more than ${quota.requestBytes} bytes.`));
      if (overran || performance.now() >= softDeadlineAt) stop(OVERRAN);
      const answer = transport(request);
      if (answer === undefined) stop(refused('The broker denied a request.'));
      return placed(memory.store(answer));
    },
    interrupted: () => {
      proceed();
      overran ||= performance.now() >= softDeadlineAt;
      return overran ? 1 : 0;
    },
  };

  function endingOf(ended: { readonly code: unknown } | { readonly thrown: unknown }): Ending | undefined {
    const trappedWhileSetUp = ending === NOT_IN_CALL && 'thrown' in ended && ended.thrown !== STOPPED;
    if (ending !== undefined && !trappedWhileSetUp) return ending;
    if (overran) return OVERRAN;
    if ('thrown' in ended) return { verdict: VERDICT.crashed, reason: trapText(ended.thrown) };
    if (errorAt !== 0 || ended.code !== 0) {
      return {
        verdict: VERDICT.crashed,
        reason: 'The plugin ended with an error of its own; its text is the last line of the log.',
      };
    }
    return outputAt === 0 ? { verdict: VERDICT.crashed, reason: 'The plugin ended without a reply.' } : undefined;
  }

  return {
    functions: { 'extism:host/env': extism, 'interlock:host/v1': interlock },
    begin(input, deadline) {
      forget();
      memory.clear();
      inputAt = memory.store(input);
      softDeadlineAt = deadline;
      ending =
        inputAt === 0 ? refused(`The input is larger than the host memory of ${quota.hostBytes} bytes.`) : undefined;
    },
    end(ended) {
      let how = endingOf(ended);
      let text: Uint8Array = how === undefined ? memory.slice(outputAt, outputBytes) : NO_BYTES;
      if (how === undefined && !isUtf8(text)) how = NOT_TEXT;
      if (how !== undefined) text = encoder.encode(how.reason);
      // The plugin's own last words are log: they may hold anything, a reason of ours may not. An interpreter that was
      // interrupted says in its reply where it was.
      const words = how === OVERRAN ? memory.slice(outputAt, outputBytes) : memory.bytesAt(errorAt);
      const room = quota.logBytes - logBytes;
      if (words && words.length > 0 && room > 0) logs.push({ level: 'error', text: words.slice(0, room) });
      const result: RawResult = { verdict: how?.verdict ?? VERDICT.replied, logs, text };
      forget();
      return result;
    },
  };
}

/** What the engine says about a trap. Its texts are fixed; a plugin cannot put words into them. */
function trapText(thrown: unknown): string {
  if (thrown instanceof WebAssembly.RuntimeError) return `The plugin trapped: ${thrown.message.slice(0, 120)}.`;
  if (thrown instanceof RangeError) return 'The plugin recursed too deeply or took more memory than a cell has.';
  if (thrown instanceof WebAssembly.LinkError) return 'The module does not link against the host functions.';
  return 'The plugin threw what nothing caught.';
}
