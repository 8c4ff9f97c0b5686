import * as v from 'valibot';
import { Duration } from '../../sdk/contract/api-word.ts';
import type { OrgId } from '../base/id.ts';
import { durationMs, isDurationUpTo, parseDuration } from '../base/time.ts';

/** How long a request may wait, for the end of a run or for something new. */
const WAIT_MS = durationMs(60_000);

/** The parameter `wait` of a query, and its milliseconds; 0 without it. */
export const wait = v.optional(
  v.pipe(
    Duration,
    v.check((text) => isDurationUpTo(text, WAIT_MS), 'a duration up to 60s'),
  ),
);
export const waitMsOf = (text: string | undefined): number => (text === undefined ? 0 : (parseDuration(text) ?? 0));

/** Requests of one org that may wait at the same time. Each holds a timer and a connection. */
const WAITS_PER_ORG = 1_024;

/** Counts waiting requests. One whose client has gone counts until its wait is over, because until then it is held. */
export function openWaits(most = WAITS_PER_ORG) {
  const waiting = new Map<OrgId, number>();
  return {
    /** @returns undefined when too many wait already. */
    take<T>(org: OrgId, wait: () => Promise<T>): Promise<T> | undefined {
      const before = waiting.get(org) ?? 0;
      if (before >= most) return undefined;
      waiting.set(org, before + 1);
      return wait().finally(() => {
        const left = (waiting.get(org) ?? 1) - 1;
        if (left === 0) waiting.delete(org);
        else waiting.set(org, left);
      });
    },
  };
}
