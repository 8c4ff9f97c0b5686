import { type LifecycleEvent, matchesType } from '../../sdk/contract/lifecycle.ts';
import type { OrgId } from '../base/id.ts';
import { type StoredLifecycle, toCloudEvent } from '../lifecycle/event.ts';
import type { Store } from '../port/store.ts';
import { within } from './keys.ts';
import type { Ledger } from './ledger.ts';
import { processScheduler, type Scheduler } from './scheduler.ts';

/**
 * The feed of an org's lifecycle events: in order, from any place in it, and awaited where there is nothing new yet.
 * Only what is on disk is in it, and nothing ever comes to stand before what was read already.
 */
export type FeedQuery = {
  /** Id of the event behind which to read. */
  readonly after: string;
  /** See `matchesType`; empty: all. */
  readonly types: readonly string[];
  readonly limit: number;
};
/** `next` is where to read on, also when there was nothing. */
export type FeedPage = { readonly events: readonly LifecycleEvent[]; readonly next: string };

/** Rows that one page looks at; a rare type then gives a short page, never a slow answer. */
const SCANNED = 2_000;
const STRIDE = 200;

/** Before the first event there can be. */
export const FEED_START = `${'0'.repeat(15)}-${'0'.repeat(8)}`;

export type Feed = ReturnType<typeof openFeed>;

export function openFeed(deps: {
  store: Store;
  ledger: Pick<Ledger, 'onDurable'>;
  scheduler?: Pick<Scheduler, 'after'>;
}) {
  const { store, ledger, scheduler = processScheduler } = deps;
  const waiting = new Map<OrgId, Set<() => void>>();
  const listeners: ((org: OrgId) => void)[] = [];
  let over = false;

  ledger.onDurable((rows) => {
    const told = new Set<OrgId>();
    for (const { key, value } of rows) {
      const slash = key.indexOf('/');
      if (value !== null && key.startsWith('lifecycle/', slash + 1)) told.add(key.slice(0, slash) as OrgId);
    }
    for (const org of told) {
      for (const wake of waiting.get(org) ?? []) wake();
      for (const listen of listeners) listen(org);
    }
  });

  const read = (org: OrgId, { after, types, limit }: FeedQuery): FeedPage => {
    const prefix = `${org}/lifecycle`;
    const events: LifecycleEvent[] = [];
    let next = after;
    for (let seen = 0; seen < SCANNED; ) {
      const rows = store.range({ from: `${prefix}/${next}!`, to: within(prefix).to, limit: STRIDE });
      for (const { key, value } of rows) {
        seen += 1;
        next = key.slice(prefix.length + 1);
        const stored = JSON.parse(value) as StoredLifecycle;
        if (types.length === 0 || types.some((type) => matchesType(type, stored.type)))
          events.push(toCloudEvent(org, next, stored));
        if (events.length === limit) return { events, next };
      }
      if (rows.length < STRIDE) break;
    }
    return { events, next };
  };

  return {
    read,

    /** Id of the newest event. */
    last(org: OrgId): string {
      const [row] = store.range({ ...within(`${org}/lifecycle`), limit: 1, reverse: true });
      return row ? row.key.slice(`${org}/lifecycle/`.length) : FEED_START;
    },

    /** Reads as soon as there is something to read, or what there is after `timeoutMs`. */
    async wait(org: OrgId, query: FeedQuery, timeoutMs: number): Promise<FeedPage> {
      const { promise: time, resolve: wake } = Promise.withResolvers<'over'>();
      const stopWaiting = scheduler.after(timeoutMs, () => wake('over'));
      let page = read(org, query);
      const awaited = waiting.get(org) ?? new Set();
      waiting.set(org, awaited);
      while (page.events.length === 0 && !over) {
        const { promise: news, resolve } = Promise.withResolvers<'news'>();
        const onNews = () => resolve('news');
        awaited.add(onNews);
        const what = await Promise.race([news, time]);
        awaited.delete(onNews);
        page = read(org, { ...query, after: page.next });
        if (what === 'over') break;
      }
      stopWaiting();
      if (awaited.size === 0) waiting.delete(org);
      return page;
    },

    /** Told of every org whose feed has something new on disk. */
    onNews: (listen: (org: OrgId) => void) => void listeners.push(listen),

    /** Answers everyone who waits, and lets nobody wait from now on. */
    endWaits(): void {
      over = true;
      for (const awaited of waiting.values()) for (const wake of awaited) wake();
    },
  };
}
