import type { Write } from '../port/store.ts';

/**
 * The rows of one commit while they are gathered. What is read through it is what will be there after them, so that two
 * changes of one thing within a commit stand on each other and not on the same past.
 */
export type Gathered = {
  readonly rows: Write[];
  readonly read: (key: string) => string | undefined;
  readonly push: (rows: readonly Write[]) => void;
};

export function gather(read: (key: string) => string | undefined): Gathered {
  const rows: Write[] = [];
  const latest = new Map<string, string | null>();
  return {
    rows,
    read: (key) => {
      const value = latest.get(key);
      return value === undefined ? read(key) : (value ?? undefined);
    },
    push(more) {
      for (const row of more) {
        rows.push(row);
        latest.set(row.key, row.value);
      }
    },
  };
}
