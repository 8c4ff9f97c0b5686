import { capabilityText } from '../../sdk/contract/may.ts';
import type { LockEntry, PluginsLock, SignedBy } from '../../sdk/contract/trust.ts';

/** The lock: which plugins somebody has looked at, each with what it may ask for. Growth is what has to be approved. */

/** What a module is and asks for now, in the form of an entry. */
export type Asked = LockEntry;

/** The entry that this very plugin has, or the one of its name that it would take the place of. */
export type Locked =
  | { readonly kind: 'same'; readonly entry: LockEntry }
  | { readonly kind: 'other'; readonly entry: LockEntry }
  | { readonly kind: 'none' };

export function lockedAs(lock: PluginsLock, asked: Pick<Asked, 'name' | 'digest' | 'manifest'>): Locked {
  const same = lock.plugins.find((one) => one.digest === asked.digest && one.manifest === asked.manifest);
  if (same && same.name === asked.name) return { kind: 'same', entry: same };
  const other = lock.plugins.findLast(({ name }) => name === asked.name);
  return other ? { kind: 'other', entry: other } : { kind: 'none' };
}

/** What of `asked` goes beyond `entry`, one sentence each; empty where nothing does. */
export function growth(entry: LockEntry | undefined, asked: Asked): readonly string[] {
  const had = new Set(entry?.capabilities);
  const more = asked.capabilities.filter((one) => !had.has(one)).map((one) => `new: ${capabilityText(one)}`);
  const { memoryPages = 0, tableEntries = 0 } = entry?.limits ?? {};
  if (!entry) return more;
  if (isOlder(asked.version, entry.version)) more.push(`older: ${asked.version} instead of ${entry.version}`);
  if (asked.limits.memoryPages > memoryPages)
    more.push(`more: memory up to ${asked.limits.memoryPages} pages instead of ${memoryPages}`);
  if (asked.limits.tableEntries > tableEntries)
    more.push(`more: tables up to ${asked.limits.tableEntries} entries instead of ${tableEntries}`);
  return more;
}

const isOlder = (version: string, than: string): boolean => version.localeCompare(than, 'en', { numeric: true }) < 0;

/** What it asks for no more. */
export const shrinkage = (entry: LockEntry | undefined, asked: Asked): readonly string[] =>
  (entry?.capabilities ?? [])
    .filter((one) => !asked.capabilities.includes(one))
    .map((one) => `no more: ${capabilityText(one)}`);

export const isSameSigner = (a: SignedBy, b: SignedBy): boolean =>
  'key' in a ? 'key' in b && a.key === b.key : 'issuer' in b && a.issuer === b.issuer && a.identity === b.identity;

/** A lock with these plugins in the place of others of their names, in an order of its own. */
export function lockWith(lock: PluginsLock, entries: readonly LockEntry[]): PluginsLock {
  const names = new Set(entries.map(({ name }) => name));
  // The same plugin may lie in several folders, of several orgs.
  const fresh = new Map(entries.map((one) => [`${one.digest} ${one.manifest}`, one]));
  const plugins = [...lock.plugins.filter(({ name }) => !names.has(name)), ...fresh.values()];
  const order = (one: LockEntry) => `${one.name} ${one.digest}`;
  return { ...lock, plugins: plugins.toSorted((a, b) => (order(a) < order(b) ? -1 : 1)) };
}
