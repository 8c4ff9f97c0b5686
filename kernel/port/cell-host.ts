import type { HttpAnswer, HttpRequest } from '../../sdk/contract/plugin.ts';
import type { Digest, OrgId } from '../base/id.ts';
import type { Result } from '../base/result.ts';

/**
 * A cell runs one plugin call at a time in a process of its own, with fresh state for every call.
 * What a plugin sends through `broker` is judged by the broker; a `denied` answer ends the call as `refused`,
 * whatever the plugin does after it (refusals are sticky).
 */
export type CellCall = {
  /**
   * On whose behalf. Orgs take turns. A module that kills cells is put in quarantine for this org, and for no other.
   */
  readonly org: OrgId;
  /** Digest of an admitted module that `load` accepted. */
  readonly module: Digest;
  /** JSON text of a CallEnvelope. */
  readonly envelope: string;
  /** Which export is called. `describe`: it says what it is (`sdk/contract/description.ts`), whatever the envelope holds. */
  readonly entry?: CellEntry;
  /** From the moment the cell starts the call. Polled inside the interpreter: the author gets an error and his logs. */
  readonly softDeadlineMs: number;
  /** From the same moment. SIGKILL. Always above the soft one. */
  readonly hardDeadlineMs: number;
  readonly broker: (request: HttpRequest) => Promise<BrokerAnswer>;
  /** Ends the call at once (`overran` is not used for this: see `aborted`). */
  readonly signal?: AbortSignal;
};

export const CELL_ENTRIES = ['execute', 'describe'] as const;
export type CellEntry = (typeof CELL_ENTRIES)[number];

/** What stands between a cell and the machine beside WebAssembly's own walls, and what each of it stops. */
export const CELL_LAYERS = {
  'permission-model': 'Node gives the process no files, sockets, child processes, threads, addons and inspector',
  'empty-environment': 'no variable of the kernel is there to be read',
  'network-namespace': 'the process has no network, not even loopback, whatever it can call',
  'process-namespace': 'no other process can be named, so none can be signalled',
  'own-proc': 'no other process can be looked at through /proc: what runs here, and with which arguments',
  'own-user':
    'the process is of a user that owns nothing: it may not read the key and the record of the kernel, nor signal it',
  'no-new-privileges': 'no capability is left, and no program that it could start would have one',
  'resource-limits':
    'memory, open files, core dumps, the size of files, and where cells have a user or namespaces of their own also the number of threads, are bounded by the system',
  'dies-with-kernel': 'a cell that computes without end does not outlive a kernel that was killed',
} as const;
export type CellLayer = keyof typeof CELL_LAYERS;
export const CELL_LAYER_NAMES = Object.keys(CELL_LAYERS) as [CellLayer, ...CellLayer[]];

/** A module that killed its cells again and again does not run for this org until `untilMs` (Unix milliseconds). */
export type Quarantine = {
  readonly org: OrgId;
  readonly module: Digest;
  readonly untilMs: number;
  readonly kills: number;
};

export type BrokerAnswer = HttpAnswer | { readonly denied: string };

export type CellLog = { readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error'; readonly text: string };

export type CellOutcome = { readonly logs: readonly CellLog[]; readonly elapsedMs: number } & (
  | { readonly kind: 'replied'; readonly reply: string }
  /** The plugin asked for what it was not granted, or went over a quota. `reason` is ours and safe to show. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** The module trapped, threw outside its own handler, or the process died. */
  | { readonly kind: 'crashed'; readonly reason: string }
  | { readonly kind: 'overran'; readonly deadline: 'soft' | 'hard' }
  | { readonly kind: 'aborted' }
  /** Nothing ran: too many calls wait, or no cell can be started. The same call may succeed later. */
  | { readonly kind: 'unavailable'; readonly reason: string }
);

export interface CellHost {
  /** Makes an admitted module callable in every cell. Compiled only inside cells. Idempotent. */
  load(module: Digest, wasm: Uint8Array, options: { readonly sealed: boolean }): Promise<Result<void, string>>;
  /** Waits for a free cell: orgs take turns, and the calls of one org are taken first in, first out. Never rejects. */
  call(call: CellCall): Promise<CellOutcome>;
  stats(): { readonly cells: number; readonly busy: number; readonly waiting: number; readonly respawns: number };
  /** Kills all cells. Calls in flight end as `aborted`. */
  close(): Promise<void>;
}
