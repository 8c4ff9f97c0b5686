import { isUtf8 } from 'node:buffer';
import { ENDING, type Ending, refused, STOPPED, trapped } from './ending.ts';
import { openHostMemory } from './host-memory.ts';
import type { Quota } from './quota.ts';
import { type RawLog, type RawResult, VERDICT } from './result-frame.ts';
import { openWasi } from './wasi.ts';

/**
 * The whole host ABI that a plugin can import, in place of Extism's own host functions.
 *
 * Owns: the state of the present call (blocks, logs, variables, output), its quotas, and how the call ended.
 * Neighbours: admission grants exactly these names; the kernel judges what `http` asks; `wasi.ts` is for other languages.
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
  /** The module that the call runs on has been made; this is what it exports as `memory`. */
  enter(memory: unknown): void;
  /** Ends the call. @param ended What the export returned, or what it threw. Valid until the next `begin`. */
  end(ended: { readonly code: unknown } | { readonly thrown: unknown }): RawResult;
};

/** Extism puts its own context in front of the arguments; ours are closures and do not use it. */
type HostFunction = (context: unknown, ...args: never[]) => unknown;

/** @returns the answer's JSON, or undefined when the broker denied the request. */
export type Transport = (request: Uint8Array) => Uint8Array | undefined;

const NO_BYTES = new Uint8Array(0);

export function createHost(quota: Quota, transport: Transport): Host {
  const memory = openHostMemory(quota.hostBytes, quota.blocks);
  const encoder = new TextEncoder();
  let ending: Ending | undefined = ENDING.notInCall;
  /** A module that is made before its call was stopped already; that sticks to the call (H2). */
  let calledEarly = false;
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
    ending = ENDING.notInCall;
    calledEarly = false;
    overran = false;
    outputAt = 0;
    outputBytes = 0;
    errorAt = 0;
    logs = [];
    logBytes = 0;
    vars = undefined;
    wasi.leave();
  }
  function stop(why: Ending): never {
    calledEarly ||= ending === ENDING.notInCall;
    ending ??= why;
    throw STOPPED;
  }
  /** The address as a number, when `bytes` bytes may be used there. */
  function within(address: bigint, bytes: number): number {
    const at = Number(address);
    if (ending !== undefined || !memory.holds(at, bytes)) stop(ENDING.outside);
    return at;
  }
  function block(address: bigint): Uint8Array {
    const bytes = ending === undefined ? memory.bytesAt(Number(address)) : undefined;
    return bytes ?? stop(ENDING.outside);
  }
  function placed(address: number): bigint {
    if (address === 0)
      stop(refused(`The plugin used more host memory than ${quota.hostBytes} bytes or ${quota.blocks} blocks.`));
    return BigInt(address);
  }
  /** Where `offset` of the input lies. */
  function inInput(offset: bigint, bytes: number): number {
    const at = Number(offset);
    if (ending !== undefined || !(at >= 0 && at + bytes <= memory.lengthOf(inputAt))) stop(ENDING.outside);
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
  function note(level: RawLog['level'], bytes: number, text: () => Uint8Array): void {
    logBytes += bytes;
    if (logs.length >= quota.logs || logBytes > quota.logBytes)
      stop(refused(`The plugin wrote more log than ${quota.logs} lines or ${quota.logBytes} bytes.`));
    logs.push({ level, text: text() });
  }
  const log = (level: RawLog['level']) => (_: unknown, address: bigint) => {
    const text = block(address);
    note(level, text.length, () => text.slice());
  };
  const wasi = openWasi({
    proceed,
    stop,
    log: note,
    envelope: () => memory.bytesAt(inputAt),
    randomBytesMax: quota.randomBytes,
  });

  const length = (_: unknown, address: bigint) => {
    proceed();
    return BigInt(Math.max(0, memory.lengthOf(Number(address))));
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
    length,
    length_unsafe: length,
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
      if (!(length >= 0)) stop(ENDING.outside);
      outputAt = within(address, length);
      outputBytes = length;
    },
    error_set: (_: unknown, address: bigint) => {
      proceed();
      if (address !== 0n) block(address);
      errorAt = Number(address);
    },
    // Settings are in the envelope of the call; there is no other configuration.
    config_get: (_: unknown, address: bigint) => {
      block(address);
      return 0n;
    },
    var_get: (_: unknown, name: bigint) => {
      const key = keyOf(name);
      const value = vars?.get(key);
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
    get_log_level: () => {
      proceed();
      return 2;
    },
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
      if (overran || performance.now() >= softDeadlineAt) stop(ENDING.overran);
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
    const trappedWhileSetUp = ending === ENDING.notInCall && 'thrown' in ended && ended.thrown !== STOPPED;
    if (ending !== undefined && ending !== ENDING.exited && !trappedWhileSetUp) return ending;
    if (overran) return ENDING.overran;
    if ('thrown' in ended && ending !== ENDING.exited) return trapped(ended.thrown);
    if (errorAt !== 0 || ('code' in ended && ended.code !== 0 && ending !== ENDING.exited)) return ENDING.ownError;
    return outputAt === 0 ? ENDING.noReply : undefined;
  }

  return {
    functions: { 'extism:host/env': extism, 'interlock:host/v1': interlock, wasi_snapshot_preview1: wasi.functions },
    begin(input, deadline) {
      const wasStopped = calledEarly;
      forget();
      memory.clear();
      inputAt = memory.store(input);
      softDeadlineAt = deadline;
      if (inputAt === 0) ending = refused(`The input is larger than the host memory of ${quota.hostBytes} bytes.`);
      else ending = wasStopped ? ENDING.notInCall : undefined;
    },
    enter: wasi.enter,
    end(ended) {
      let how = endingOf(ended);
      let text: Uint8Array = how === undefined ? memory.slice(outputAt, outputBytes) : NO_BYTES;
      if (how === undefined && !isUtf8(text)) how = ENDING.notText;
      if (how !== undefined) text = encoder.encode(how.reason);
      // The plugin's own last words are log: they may hold anything, a reason of ours may not. An interpreter that was
      // interrupted says in its reply where it was.
      const words = how === ENDING.overran ? memory.slice(outputAt, outputBytes) : memory.bytesAt(errorAt);
      const room = quota.logBytes - logBytes;
      if (words && words.length > 0 && room > 0) logs.push({ level: 'error', text: words.slice(0, room) });
      const result: RawResult = { verdict: how?.verdict ?? VERDICT.replied, logs, text };
      forget();
      return result;
    },
  };
}
