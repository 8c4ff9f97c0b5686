import { after, durationMs, type UnixMs } from '../base/time.ts';

/**
 * Remembers due rows that stay although they were looked at, so that each is looked at again later every time and keeps
 * none behind it from its turn. One that is forgotten is looked at again at once.
 */
const REMEMBERED = 16_384;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 300_000;

export function openStaying() {
  const staying = new Map<string, { readonly waitMs: number; readonly until: UnixMs }>();
  return {
    stays(key: string, now: UnixMs): void {
      const before = staying.get(key);
      const waitMs = before ? Math.min(before.waitMs * 2, LONGEST_WAIT_MS) : FIRST_WAIT_MS;
      staying.delete(key);
      if (staying.size >= REMEMBERED) staying.delete(staying.keys().next().value ?? '');
      staying.set(key, { waitMs, until: after(now, durationMs(waitMs)) });
    },
    moved: (key: string): void => void staying.delete(key),
    /** Whether it has stayed before. */
    has: (key: string): boolean => staying.has(key),
    isRipe: (key: string, now: UnixMs): boolean => (staying.get(key)?.until ?? 0) <= now,
  };
}
