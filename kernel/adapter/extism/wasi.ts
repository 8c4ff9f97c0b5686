import { createCipheriv } from 'node:crypto';
import { ENDING, type Ending, refused } from './ending.ts';
import type { RawLog } from './result-frame.ts';

/**
 * The part of WASI (preview 1) that a C library or another runtime needs to come up, and nothing that reaches out of the
 * call: no files, no sockets, no sleep, no signals. `node:wasi` is not used: it has all of those.
 *
 * Owns: the clock and the randomness of the present call, both out of its envelope, and the memory of the module that
 * runs. Neighbours: `host-functions.ts` owns how the call ends and its log; admission grants exactly these names.
 *
 * - W1 every address and length is the guest's, and is compared with its memory before it is used.
 * - W2 no module reaches the memory of another: it is set when a module has been made, and forgotten with the call.
 * - W3 the same envelope gives the same time and the same bytes, so that a recorded call replays.
 */
export type Wasi = {
  readonly functions: Readonly<Record<string, (context: unknown, ...args: never[]) => number>>;
  /** @param memory What the module exports as `memory`: until now it was being made, and nothing here answered. */
  enter(memory: unknown): void;
  /** The call is over. */
  leave(): void;
};

/** What it asks of the host that it is a part of. */
export type WasiHost = {
  /** Throws once the call was stopped. */
  proceed(): void;
  stop(why: Ending): never;
  /** Counts the bytes first, and makes the text only where there is room for it. */
  log(level: RawLog['level'], bytes: number, text: () => Uint8Array): void;
  /** The envelope of the call, as JSON in UTF-8. A plugin may have written over it; it then misleads itself. */
  envelope(): Uint8Array | undefined;
  readonly randomBytesMax: number;
};

/** Error numbers of WASI. */
const OK = 0;
const BAD_DESCRIPTOR = 8;
const INVALID = 28;
const NOT_SUPPORTED = 58;

const REALTIME = 0;
const MONOTONIC = 1;
const NANOSECONDS_PER_MILLISECOND = 1_000_000n;
const IOVECS_MAX = 1_024;
const NEWLINE = 10;
const isClock = (clock: number) => clock === REALTIME || clock === MONOTONIC;

type Sources = { readonly now: bigint; readonly random: (bytes: number) => Uint8Array };

export function openWasi(host: WasiHost): Wasi {
  let memory: unknown;
  let entered = false;
  let sources: Sources | undefined;
  let randomBytes = 0;

  /** A view of the guest's memory. A new one for every use, because memory that grows is another buffer. */
  function guest(): DataView {
    host.proceed();
    if (!entered) host.stop(ENDING.notInCall);
    if (!(memory instanceof WebAssembly.Memory)) host.stop(ENDING.noModuleMemory);
    return new DataView(memory.buffer);
  }
  /** The address as a number, when `bytes` bytes may be used there (W1). Addresses arrive signed. */
  function within(view: DataView, address: number, bytes: number): number {
    const at = address >>> 0;
    if (at + bytes > view.byteLength) host.stop(ENDING.outsideOfModule);
    return at;
  }
  const putU32 = (view: DataView, address: number, value: number) =>
    view.setUint32(within(view, address, 4), value, true);
  const putU64 = (view: DataView, address: number, value: bigint) =>
    view.setBigUint64(within(view, address, 8), value, true);

  const answering = (errno: number) => () => {
    guest();
    return errno;
  };
  /** Of environment and arguments, which are both empty: how many there are, and how many bytes they take. */
  const none = (_: unknown, count: number, bytes: number): number => {
    const view = guest();
    putU32(view, count, 0);
    putU32(view, bytes, 0);
    return OK;
  };

  /** Where a list of pieces lies in memory, and how many bytes they are; bounded before anything is copied. */
  function piecesAt(view: DataView, list: number, count: number): { at: number; to: number }[] {
    const from = within(view, list, count * 8);
    return Array.from({ length: count }, (_, i) => {
      const length = view.getUint32(from + i * 8 + 4, true);
      const at = within(view, view.getUint32(from + i * 8, true), length);
      return { at, to: at + length };
    });
  }

  const functions = {
    clock_time_get: (_: unknown, clock: number, _precision: bigint, time: number) => {
      const view = guest();
      if (!isClock(clock)) return INVALID;
      within(view, time, 8);
      sources ??= sourcesOf(host.envelope());
      if (sources === undefined) return NOT_SUPPORTED;
      putU64(view, time, sources.now);
      return OK;
    },
    clock_res_get: (_: unknown, clock: number, resolution: number) => {
      const view = guest();
      if (!isClock(clock)) return INVALID;
      putU64(view, resolution, NANOSECONDS_PER_MILLISECOND);
      return OK;
    },
    random_get: (_: unknown, address: number, length: number) => {
      const view = guest();
      const bytes = length >>> 0;
      randomBytes += bytes;
      if (randomBytes > host.randomBytesMax)
        host.stop(refused(`The plugin asked WASI for more than ${host.randomBytesMax} random bytes.`));
      const at = within(view, address, bytes);
      sources ??= sourcesOf(host.envelope());
      if (sources === undefined) return NOT_SUPPORTED;
      new Uint8Array(view.buffer).set(sources.random(bytes), at);
      return OK;
    },
    fd_write: (_: unknown, descriptor: number, list: number, count: number, written: number) => {
      const view = guest();
      if (descriptor !== 1 && descriptor !== 2) return BAD_DESCRIPTOR;
      if (count >>> 0 > IOVECS_MAX) return INVALID;
      const pieces = piecesAt(view, list, count);
      const bytes = pieces.reduce((sum, { at, to }) => sum + to - at, 0);
      if (bytes > 0) host.log(descriptor === 1 ? 'info' : 'error', bytes, () => lineOf(view, pieces));
      putU32(view, written, bytes);
      return OK;
    },
    proc_exit: (_: unknown, code: number): number => {
      guest();
      return host.stop(code === 0 ? ENDING.exited : ENDING.ownError);
    },
    environ_sizes_get: none,
    environ_get: answering(OK),
    args_sizes_get: none,
    args_get: answering(OK),
    // Nothing is open: what is written to 1 and 2 goes to the log, piece by piece, and has no place to seek.
    fd_close: answering(BAD_DESCRIPTOR),
    fd_seek: answering(BAD_DESCRIPTOR),
    fd_fdstat_get: answering(BAD_DESCRIPTOR),
    sched_yield: answering(OK),
  };

  return {
    functions,
    enter(given) {
      memory = given;
      entered = true;
    },
    leave() {
      memory = undefined;
      entered = false;
      sources = undefined;
      randomBytes = 0;
    },
  };
}

/** The pieces as one line of log: a newline at the end would only be an empty one. */
function lineOf(view: DataView, pieces: readonly { readonly at: number; readonly to: number }[]): Uint8Array {
  const memory = new Uint8Array(view.buffer);
  const line = Buffer.concat(pieces.map(({ at, to }) => memory.subarray(at, to)));
  return line.at(-1) === NEWLINE ? line.subarray(0, -1) : line;
}

/**
 * Time and randomness of the call. The bytes are the key stream of AES-128 in counter mode under the seed: who sees some
 * of them, in an id say, can tell neither the seed nor the others.
 * @returns undefined where the call has none, which no call of the kernel is.
 */
function sourcesOf(envelope: Uint8Array | undefined): Sources | undefined {
  const { now, seed } = parsed(envelope);
  if (!Number.isSafeInteger(now) || (now as number) < 0 || !Array.isArray(seed) || !seed.every(isDecimal))
    return undefined;
  const key = Buffer.alloc(16);
  for (const half of [0, 1]) key.writeBigUInt64LE(BigInt.asUintN(64, BigInt(seed[half] ?? 0)), half * 8);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  return {
    now: BigInt(now as number) * NANOSECONDS_PER_MILLISECOND,
    random: (bytes) => cipher.update(Buffer.alloc(bytes)),
  };
}

const isDecimal = (value: unknown) => typeof value === 'string' && /^[0-9]{1,20}$/.test(value);

function parsed(envelope: Uint8Array | undefined): { readonly now?: unknown; readonly seed?: unknown } {
  try {
    return Object(JSON.parse(Buffer.from(envelope ?? []).toString()));
  } catch {
    return {};
  }
}
