import { append, type ChainHead, type ChainLine, emptyChain, type OrgHead } from '../audit/chain.ts';
import type { AuditDraft } from '../audit/record.ts';
import { invariant } from '../base/assert.ts';
import type { OrgId } from '../base/id.ts';
import type { Clock, Entropy } from '../port/clock.ts';
import type { Store, Write } from '../port/store.ts';
import { KEYS } from './keys.ts';
import { processScheduler, type Scheduler } from './scheduler.ts';

/**
 * The one way to write. A change is rows and the audit records that describe them, in one commit: there is no state
 * change without a record and no record without its cause.
 *
 * Staging is synchronous: places in the chain are given and rows become visible to `read` at once, so whoever decides
 * and stages without waiting in between decides on the latest state. Changes staged while a commit is on its way to the
 * disk share the next one (group commit). Nothing staged is ever taken back: if a commit fails, its outcome is unknown,
 * so the ledger refuses everything from then on and the process must start again from what is on disk.
 */
type Change = { readonly audit: readonly AuditDraft[]; readonly rows: readonly Write[] };

export type Ledger = {
  /** Audit number that the first record of the next staged change will get. */
  nextSeq(): number;
  /** The value as staged: what the next change will stand on. For decisions only; never show it to anyone outside. */
  read(key: string): string | undefined;
  /** @returns a promise that resolves when the change is on disk, and rejects when the ledger has failed. */
  stage(change: Change): Promise<void>;
  /** Told of the rows of every commit, once they are on disk. */
  onDurable(handler: (rows: readonly Write[]) => void): void;
  /** Resolves with the cause when the ledger has failed. Nothing can be accepted or sent after that. */
  readonly failure: Promise<Error>;
  healthy(): boolean;
  idle(): Promise<void>;
};

/** Lines of one org that one row may hold: keeps a row small and an export streaming. */
const CHUNK_LINES = 64;

type Batch = {
  readonly rows: Write[];
  readonly lines: Map<OrgId, ChainLine[]>;
  readonly waiting: { done(): void; fail(error: Error): void }[];
};
const emptyBatch = (): Batch => ({ rows: [], lines: new Map(), waiting: [] });

export function openLedger(deps: { store: Store; clock: Clock; entropy: Entropy; scheduler?: Scheduler }): Ledger {
  const { store, clock, entropy, scheduler = processScheduler } = deps;
  const stored = store.get(KEYS.auditHead);
  let head: ChainHead = stored ? (JSON.parse(stored) as ChainHead) : emptyChain(entropy.id().slice(-16));
  const orgHeads = new Map<OrgId, OrgHead>();
  /** Values staged and not yet durable, by key, with the batch that will make them so. */
  const overlay = new Map<string, { readonly value: string | null; readonly batch: Batch }>();
  let forming = emptyBatch();
  let committing = false;
  let failed: Error | undefined;
  const failure = Promise.withResolvers<Error>();
  const whenIdle: (() => void)[] = [];
  const durable: ((rows: readonly Write[]) => void)[] = [];

  const orgHead = (org: OrgId): OrgHead | undefined => {
    const known = orgHeads.get(org);
    if (known) return known;
    const text = store.get(KEYS.orgHead(org));
    return text ? (JSON.parse(text) as OrgHead) : undefined;
  };

  const record = (drafts: readonly AuditDraft[]) => {
    const nonces = drafts.map(() => entropy.nonce(16));
    const appended = append(head, orgHead, drafts, clock.now(), nonces);
    head = appended.head;
    for (const [org, changed] of appended.orgHeads) orgHeads.set(org, changed);
    for (const line of appended.lines) {
      const lines = forming.lines.get(line.org);
      if (lines) lines.push(line);
      else forming.lines.set(line.org, [line]);
    }
  };

  const commit = async () => {
    const batch = forming;
    forming = emptyBatch();
    try {
      await store.write([...batch.rows, ...auditRows(batch, head, orgHeads)]);
    } catch (cause) {
      failed = new Error('the record could not be written; nothing is accepted until a restart', { cause });
      for (const { fail } of [...batch.waiting, ...forming.waiting]) fail(failed);
      // It will never be written: whoever waits for the end of all writes waits for nothing more.
      forming = emptyBatch();
      failure.resolve(failed);
      return;
    }
    for (const { key } of batch.rows) if (overlay.get(key)?.batch === batch) overlay.delete(key);
    for (const { done } of batch.waiting) done();
    for (const tell of durable) tell(batch.rows);
  };

  const pump = async () => {
    if (committing) return;
    committing = true;
    while (forming.waiting.length > 0 && !failed) await commit();
    committing = false;
    for (const wake of whenIdle.splice(0)) wake();
  };

  return {
    nextSeq: () => head.seq,
    read(key) {
      const staged = overlay.get(key);
      return staged ? (staged.value ?? undefined) : store.get(key);
    },
    stage({ audit, rows }) {
      if (failed) return Promise.reject(failed);
      invariant(audit.length > 0, 'no change without a record');
      record(audit);
      for (const row of rows) {
        forming.rows.push(row);
        overlay.set(row.key, { value: row.value, batch: forming });
      }
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      forming.waiting.push({ done: resolve, fail: reject });
      // One turn of the event loop gathers what arrived together into one commit.
      if (!committing) scheduler.soon(pump);
      return promise;
    },
    onDurable: (handler) => void durable.push(handler),
    failure: failure.promise,
    healthy: () => failed === undefined,
    idle: () => {
      if (!committing && forming.waiting.length === 0) return Promise.resolve();
      return new Promise((resolve) => whenIdle.push(resolve));
    },
  };
}

/** The records of a batch, one row per org and run of lines, and the heads after them. */
function auditRows(batch: Batch, head: ChainHead, orgHeads: ReadonlyMap<OrgId, OrgHead>): Write[] {
  const rows: Write[] = [{ key: KEYS.auditHead, value: JSON.stringify(head) }];
  for (const [org, lines] of batch.lines) {
    for (let i = 0; i < lines.length; i += CHUNK_LINES) {
      const chunk = lines.slice(i, i + CHUNK_LINES);
      const value = chunk.map(({ line }) => line).join('\n');
      rows.push({ key: KEYS.auditChunk(org, chunk[0]?.tseq ?? 0), value });
    }
    rows.push({ key: KEYS.orgHead(org), value: JSON.stringify(orgHeads.get(org)) });
  }
  return rows;
}
