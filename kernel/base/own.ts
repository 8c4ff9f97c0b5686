/**
 * Reads a map that is keyed by names from outside. A plain `record[name]` would find what every object has under a name
 * such as `constructor`, and take it for an entry.
 * @returns the entry of exactly this name, or undefined.
 */
export const own = <K extends string, T>(record: Readonly<Record<K, T>>, name: K): T | undefined =>
  Object.hasOwn(record, name) ? record[name] : undefined;
