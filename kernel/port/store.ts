/**
 * The record: one ordered map from text keys to text values, written in atomic batches.
 *
 * Keys are ASCII and begin with the org they belong to (see flow/keys.ts); they sort by code unit. Values are JSON text
 * or audit lines. One writer process.
 */
export type Row = { readonly key: string; readonly value: string };

/** `value: null` removes the key. Later rows of a batch win over earlier ones with the same key. */
export type Write = { readonly key: string; readonly value: string | null };

export type Range = {
  /** Inclusive. */
  readonly from: string;
  /** Exclusive. */
  readonly to: string;
  readonly limit: number;
  /** Walk from `to` down to `from`. */
  readonly reverse?: boolean;
};

export interface Store {
  /** The last durable value, or undefined. Never sees part of a batch. */
  get(key: string): string | undefined;
  /** Rows in key order, copied out: no snapshot stays open. At most `limit`. */
  range(range: Range): Row[];
  /**
   * All rows or none, on disk when the promise resolves. Callers keep one batch in flight at a time, in order.
   * A rejection means the outcome is unknown: the caller must stop writing for good (a failed fsync cannot be retried),
   * and the adapter refuses every later write.
   */
  write(batch: readonly Write[]): Promise<void>;
  /** Waits for the write in flight, then releases the files. */
  close(): Promise<void>;
}
