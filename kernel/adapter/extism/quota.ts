/**
 * What one call may take of its host, inside a cell. The module's own memory is bounded by admission and by the
 * engine (`--wasm-max-mem-pages`); this bounds what the host functions allocate and keep for it.
 * Going over any of them is a refusal, and a refusal ends the call whatever the plugin does after it.
 */
export type Quota = {
  /** Sum of input, allocations and answers. */
  readonly hostBytes: number;
  readonly blocks: number;
  readonly logs: number;
  readonly logBytes: number;
  readonly vars: number;
  readonly varBytes: number;
  readonly outputBytes: number;
  readonly requestBytes: number;
  /** What WASI gives; enough for keys and ids, and far from a load. */
  readonly randomBytes: number;
};

export const QUOTA: Quota = {
  hostBytes: 16 << 20,
  blocks: 20_000,
  logs: 200,
  logBytes: 64 << 10,
  vars: 64,
  varBytes: 64 << 10,
  outputBytes: 1 << 20,
  requestBytes: 1 << 20,
  randomBytes: 64 << 10,
};

/** How a cell is set up; reaches it as JSON in its arguments. */
export type CellSettings = {
  readonly quota: Quota;
  /** After every so many restores the restored state is compared with the snapshot. */
  readonly checkRestoreEvery: number;
};

/** Exit codes of a cell. Anything else is a crash of the process. */
export const EXIT = {
  /** The kernel closed the pipe. */
  done: 0,
  /** The kernel's frames made no sense. */
  protocol: 70,
  /** A call ended in the middle of a request: what is in the pipes belongs to it, so the cell ends with it. */
  unread: 71,
  /** Restored state differed from the snapshot: the cell must never serve another call. */
  stateLeft: 86,
} as const;
