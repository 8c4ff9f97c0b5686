import { LIMITS } from '../base/limits.ts';

/**
 * What a module may ask for and how large it may be. Data only; `admit.ts` judges by it.
 *
 * An import is the request for a capability, so the table of granted imports is the list of everything that any plugin
 * can do. Signatures are part of the grant: a host function must never meet an argument of a type it did not expect.
 */
export type AdmissionPolicy = {
  /** `module.name` -> signature in the form of `signatureText`, e.g. `(i64 i32) -> ()`. */
  readonly imports: ReadonlyMap<string, string>;
  /** Functions that must be exported with the signature `() -> (i32)`. */
  readonly exports: readonly string[];
  readonly moduleBytesMax: number;
  readonly typesMax: number;
  readonly importsMax: number;
  readonly customSectionsMax: number;
  readonly exportsMax: number;
  readonly globalsMax: number;
  readonly functionsMax: number;
  readonly functionBytesMax: number;
  readonly dataBytesMax: number;
  readonly tablesMax: number;
  readonly tableEntriesMax: number;
  readonly memoryPagesMax: number;
};

const extism = (name: string, signature: string): [string, string] => [`extism:host/env.${name}`, signature];
const interlock = (name: string, signature: string): [string, string] => [`interlock:host/v1.${name}`, signature];

const wasi = (name: string, signature: string): [string, string] => [`wasi_snapshot_preview1.${name}`, signature];

/**
 * The harmless part of the Extism host ABI, the two functions of ours, and what of WASI the runtimes of other languages
 * need to come up (decision 0029).
 */
const GRANTED_IMPORTS: ReadonlyMap<string, string> = new Map([
  extism('alloc', '(i64) -> (i64)'),
  extism('free', '(i64) -> ()'),
  extism('length', '(i64) -> (i64)'),
  extism('length_unsafe', '(i64) -> (i64)'),
  extism('load_u8', '(i64) -> (i32)'),
  extism('load_u64', '(i64) -> (i64)'),
  extism('store_u8', '(i64 i32) -> ()'),
  extism('store_u64', '(i64 i64) -> ()'),
  extism('input_offset', '() -> (i64)'),
  extism('input_length', '() -> (i64)'),
  extism('input_load_u8', '(i64) -> (i32)'),
  extism('input_load_u64', '(i64) -> (i64)'),
  extism('output_set', '(i64 i64) -> ()'),
  extism('error_set', '(i64) -> ()'),
  extism('config_get', '(i64) -> (i64)'),
  extism('var_get', '(i64) -> (i64)'),
  extism('var_set', '(i64 i64) -> ()'),
  extism('get_log_level', '() -> (i32)'),
  extism('log_trace', '(i64) -> ()'),
  extism('log_debug', '(i64) -> ()'),
  extism('log_info', '(i64) -> ()'),
  extism('log_warn', '(i64) -> ()'),
  extism('log_error', '(i64) -> ()'),
  interlock('http', '(i64) -> (i64)'),
  interlock('interrupted', '() -> (i32)'),
  wasi('clock_time_get', '(i32 i64 i32) -> (i32)'),
  wasi('clock_res_get', '(i32 i32) -> (i32)'),
  wasi('random_get', '(i32 i32) -> (i32)'),
  wasi('fd_write', '(i32 i32 i32 i32) -> (i32)'),
  wasi('fd_close', '(i32) -> (i32)'),
  wasi('fd_seek', '(i32 i64 i32 i32) -> (i32)'),
  wasi('fd_fdstat_get', '(i32 i32) -> (i32)'),
  wasi('proc_exit', '(i32) -> ()'),
  wasi('environ_sizes_get', '(i32 i32) -> (i32)'),
  wasi('environ_get', '(i32 i32) -> (i32)'),
  wasi('args_sizes_get', '(i32 i32) -> (i32)'),
  wasi('args_get', '(i32 i32) -> (i32)'),
  wasi('sched_yield', '() -> (i32)'),
]);

export const ADMISSION: AdmissionPolicy = {
  imports: GRANTED_IMPORTS,
  exports: ['execute', 'describe'],
  moduleBytesMax: 8 << 20,
  typesMax: 10_000,
  importsMax: 64,
  customSectionsMax: 256,
  exportsMax: 1_000,
  globalsMax: 1_000,
  functionsMax: 20_000,
  functionBytesMax: 512 << 10,
  dataBytesMax: 4 << 20,
  tablesMax: 4,
  tableEntriesMax: 10_000,
  memoryPagesMax: LIMITS.cellMemoryPages.value,
};

/** What to do instead, for imports that people are likely to bring along. */
export function instead(module: string, name: string): string {
  if (module === 'extism:host/env' && name.startsWith('http_')) {
    return 'Send requests through interlock:host/v1.http (in TypeScript: the http of @interlock/sdk), which the broker judges.';
  }
  if (module === 'wasi_snapshot_preview1') {
    return 'Of WASI a plugin has the clock and the randomness of its call, a log, and an exit; no files, sockets, sleep or signals. Link without what needs this.';
  }
  if (module.startsWith('wasi')) return 'Of WASI only functions of wasi_snapshot_preview1 are granted: build for that.';
  return 'A plugin may import only the functions of extism:host/env, interlock:host/v1 and wasi_snapshot_preview1 that docs list.';
}
